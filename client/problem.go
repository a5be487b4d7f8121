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
	// ErrConflict: it exists already, it is no longer as it was when it was looked at, or the cluster is not so that it can
	// be done.
	ErrConflict = errors.New("conflict")
	// ErrOutcomeUnknown: it was sent, and nobody said whether it was done. Asked for again with the same key it is done once.
	ErrOutcomeUnknown = errors.New("it is not known whether it was done")
	// ErrNotFound: it does not exist.
	ErrNotFound = errors.New("not found")
)

// RefusedError is an error that a node answered with. It matches ErrRefused, and ErrConflict, ErrNotFound or
// ErrOutcomeUnknown if it is one.
type RefusedError struct {
	Problem
}

// Error says what is wrong, in the node's words.
func (e *RefusedError) Error() string { return words(&e.Problem) }

// Is reports whether target is ErrRefused, or the kind of error that it is.
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

// OutcomeUnknown is the type of a problem that may have happened after what was asked for was done.
const OutcomeUnknown = "outcome-unknown"

// Problem is an error answer (RFC 9457): what is wrong, and in Errors each bad field, or each reason.
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
	Value    any    `json:"value,omitempty"`    // what stands there
}

// words is a problem as a person reads it.
func words(p *Problem) string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	parts := []string{text}
	reasons := p.Errors
	if p.Status == http.StatusServiceUnavailable { // the reasons follow from one another: the first is the cause
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
