// Package answer writes answers of the API where no described operation does: problems (RFC 9457), and values as JSON.
package answer

import (
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is an error answer (RFC 9457): what is wrong, and in Errors each bad field, or each reason.
type Problem = huma.ErrorModel

// TooFast is the answer to whoever asks too much.
func TooFast(why string) *Problem {
	return &Problem{Status: http.StatusTooManyRequests, Title: "too fast", Detail: why + "; wait a second, and try again"}
}

// Send sends a problem.
func Send(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	JSON(w, p.Status, p)
}

// JSON sends a value.
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
