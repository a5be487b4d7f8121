package httpapi

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Problem is an error answer (RFC 9457): what is wrong, and in Errors each bad field, or each reason.
type Problem = huma.ErrorModel

// errRequest: a request is not what it should be.
var errRequest = errors.New("the request cannot be read")

// errPeer: another node cannot be asked.
var errPeer = errors.New("the other node cannot be asked")

// problems turns errors into answers.
var problems = []struct {
	err    error
	status int
	title  string
}{
	{errRequest, http.StatusBadRequest, "the request cannot be read"},
	{cluster.ErrNoTask, http.StatusNotFound, "no such task"},
	{cluster.ErrNoNode, http.StatusNotFound, "no such node"},
	{cluster.ErrNoSlot, http.StatusNotFound, "no such worker"},
	{cluster.ErrChange, http.StatusUnprocessableEntity, "refused"},
	{cluster.ErrExists, http.StatusConflict, "it exists already"},
	{cluster.ErrMovedOn, http.StatusPreconditionFailed, "the cluster has moved on"},
	{errPeer, http.StatusBadGateway, "the other node cannot be asked"},
	{cluster.ErrNotMember, http.StatusServiceUnavailable, "not connected"},
}

// problem returns the answer to an error.
func (a *api) problem(err error) *Problem {
	p := &Problem{Status: http.StatusServiceUnavailable, Title: "not done", Detail: err.Error()}
	for _, s := range problems {
		if errors.Is(err, s.err) {
			p.Status, p.Title = s.status, s.title
			break
		}
	}
	if p.Status == http.StatusServiceUnavailable {
		for _, reason := range a.node.Ready() {
			p.Errors = append(p.Errors, &huma.ErrorDetail{Message: reason})
		}
	}
	return p
}

// fail answers with a problem where there is no operation that does.
func (a *api) fail(w http.ResponseWriter, err error) { answer(w, a.problem(err)) }

func answer(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the client has gone
}

func (a *api) unknown(w http.ResponseWriter, r *http.Request) {
	answer(w, &Problem{Status: http.StatusNotFound, Title: "not found", Detail: r.Method + " " + r.URL.Path + " is not served; GET /api/v1/openapi.yaml tells what is"})
}

// words is a problem as a person reads it.
func words(p *Problem) string {
	parts := []string{p.Title}
	if p.Detail != "" {
		parts[0] += ": " + p.Detail
	}
	for _, e := range p.Errors {
		text := e.Message
		if e.Location != "" {
			text = e.Location + ": " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
