package client

import (
	"errors"
	"net/http"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Errors of the client; compare with errors.Is.
var (
	// ErrUnreachable: no node answers at the address.
	ErrUnreachable = errors.New("no node answers")
	// ErrRefused: a node answered with an error; it is a *RefusedError.
	ErrRefused = errors.New("the node refused")
	// ErrConflict: the record exists already, it has changed since it was read, or the state of the cluster does not allow
	// the operation.
	ErrConflict = errors.New("conflict")
	// ErrOutcomeUnknown: the request was sent, and no answer reported whether it was done. Sent again with the same key, it
	// is done once.
	ErrOutcomeUnknown = errors.New("it is not known whether it was done")
	// ErrNotFound: the object of the request does not exist.
	ErrNotFound = errors.New("not found")
)

// RefusedError is an error answer of a node. It matches ErrRefused, and one of ErrConflict, ErrNotFound and
// ErrOutcomeUnknown if its status or type is that of the error.
type RefusedError struct {
	Problem
}

// Error returns the detail of the problem and its reasons.
func (e *RefusedError) Error() string { return words(&e.Problem) }

// Is reports whether target is ErrRefused, or the error that the status or type stands for.
func (e *RefusedError) Is(target error) bool {
	switch target {
	case ErrRefused:
		return true
	case ErrConflict:
		return e.Status == http.StatusConflict || e.Status == http.StatusPreconditionFailed
	case ErrOutcomeUnknown:
		return e.Type == OutcomeUnknown
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	}
	return false
}

// OutcomeUnknown is the type of a problem whose operation may have been done.
const OutcomeUnknown = "outcome-unknown"

// Problem is an error answer (RFC 9457). Errors has each bad field, or each reason.
type Problem struct {
	Type     string   `json:"type,omitempty"`
	Title    string   `json:"title,omitempty"`
	Status   int      `json:"status,omitempty"`
	Detail   string   `json:"detail,omitempty"`
	Instance string   `json:"instance,omitempty"`
	Errors   []Reason `json:"errors,omitempty"`
}

// Reason is one of the bad fields of a request, or one of the reasons of a problem.
type Reason struct {
	Message  string `json:"message,omitempty"`
	Location string `json:"location,omitempty"` // where in the request, as in "body.workers"; "" for a reason
	Value    any    `json:"value,omitempty"`    // the value at the location
}

// words returns the text of a problem for people.
func words(p *Problem) string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	parts := []string{text}
	reasons := p.Errors
	if p.Status == http.StatusServiceUnavailable { // the first reason is the cause of the others
		reasons = reasons[:min(len(reasons), 1)]
		if text == cluster.ErrUnanswered.Error() {
			reasons = nil
		}
	}
	for _, e := range reasons {
		text := e.Message
		if text == p.Detail {
			continue
		}
		if e.Location != "" {
			text = strings.TrimPrefix(e.Location, "body.") + ": " + text
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
