// Package answer writes answers outside of huma's operations: problems (RFC 9457), and values as JSON.
package answer

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is an error answer (RFC 9457). Errors has each bad field, or each reason.
type Problem = huma.ErrorModel

// TooFast is the answer to a caller beyond a limit.
func TooFast(why string) *Problem {
	return &Problem{Status: http.StatusTooManyRequests, Title: "too fast", Detail: why + "; wait a second and try again"}
}

// Send writes a problem as the whole answer.
func Send(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	JSON(w, p.Status, p)
}

// JSON writes a value as the whole answer. Caches must not keep it.
func JSON(w http.ResponseWriter, status int, value any) {
	h := w.Header()
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json")
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // the client has gone
}
