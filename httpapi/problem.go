package httpapi

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/console"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/peers"
)

// problem is an error answer.
type problem = answer.Problem

// problems maps errors to answers. The first match counts.
var problems = []struct {
	err    error
	status int
	title  string
	kind   string // for programs, "" where the status suffices
}{
	{cluster.ErrOutcomeUnknown, http.StatusGatewayTimeout, "outcome unknown", client.OutcomeUnknown},
	{cluster.ErrKeyReused, http.StatusUnprocessableEntity, "the Idempotency-Key was used for something else", "idempotency-key-reused"},
	{cluster.ErrNoTask, http.StatusNotFound, "no such task", ""},
	{cluster.ErrNoNode, http.StatusNotFound, "no such node", ""},
	{cluster.ErrNoSlot, http.StatusNotFound, "no such worker", ""},
	{cluster.ErrNoDecision, http.StatusNotFound, "no such decision", ""},
	{cluster.ErrConflict, http.StatusConflict, "conflicts with the current state", ""},
	{cluster.ErrChange, http.StatusUnprocessableEntity, "refused", ""},
	{errNoneMatch, http.StatusPreconditionFailed, "already exists", ""}, // before ErrExists, which it comes with
	{cluster.ErrExists, http.StatusConflict, "already exists", ""},
	{cluster.ErrTooLarge, http.StatusRequestEntityTooLarge, "too large", ""},
	{cluster.ErrMovedOn, http.StatusPreconditionFailed, "the cluster has moved on", ""},
	{peers.ErrUnavailable, http.StatusBadGateway, "the other node cannot be asked", ""},
	{cluster.ErrUnanswered, http.StatusServiceUnavailable, unanswered, ""},
	{cluster.ErrNotMember, http.StatusServiceUnavailable, "not connected", ""},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, unanswered, ""},
}

// errNoneMatch reports that a write was to create only (RFC 9110, 13.1.2).
var errNoneMatch = errors.New("not done, because of If-None-Match")

const unanswered = "the coordination service does not answer"

// problem returns the answer to an error.
func (r *routes) problem(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	p := &problem{Status: http.StatusServiceUnavailable, Title: "not done", Detail: err.Error()}
	for _, s := range problems {
		if errors.Is(err, s.err) {
			p.Status, p.Title, p.Type = s.status, s.title, s.kind
			break
		}
	}
	if errors.Is(err, cluster.ErrKeyReused) {
		p.Errors = []*huma.ErrorDetail{{Location: "header." + client.KeyHeader, Message: p.Detail}}
	}
	if fields := fieldsOf(err, "body"); len(fields) > 0 && p.Status == http.StatusUnprocessableEntity {
		p.Detail, p.Errors = cluster.ErrChange.Error(), fields
	}
	if p.Type == client.OutcomeUnknown { // the store's own error does not help the caller
		p.Detail = "the coordination service did not report in time whether the operation was done. Check the cluster, or repeat the " +
			"request, to any node, with the same Idempotency-Key: the operation is done once"
	}
	if p.Title == unanswered { // the store's own error does not help the caller
		p.Detail = cluster.ErrUnanswered.Error()
	}
	if p.Status == http.StatusServiceUnavailable {
		for _, reason := range r.node.Ready() {
			p.Errors = append(p.Errors, &huma.ErrorDetail{Message: reason})
		}
	}
	return p
}

// fieldsOf returns the fields that an error is about, with their locations below at.
func fieldsOf(err error, at string) (list []*huma.ErrorDetail) {
	switch e := err.(type) { //nolint:errorlint // it unwraps step by step, to build the location of each field
	case *cluster.FieldError:
		at += "." + e.Field
		list = fieldsOf(e.Err, at)
		if list == nil {
			list = []*huma.ErrorDetail{{Location: at, Message: e.Err.Error()}}
		}
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			list = append(list, fieldsOf(part, at)...)
		}
	case interface{ Unwrap() error }:
		list = fieldsOf(e.Unwrap(), at)
	}
	return list
}

// fail answers a request outside of huma's operations with a problem.
func (r *routes) fail(w http.ResponseWriter, err error) { answer.Send(w, r.problem(err)) }

// unserved answers requests without a handler: with a file of the console, with 405 and the allowed methods, or with 404.
func unserved(mux *http.ServeMux, files http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		isFile := console.Has(r.URL.Path)
		if isFile && access.Reads(r) {
			files.ServeHTTP(w, r)
			return
		}
		methods := served(mux, r)
		if isFile {
			methods = []string{http.MethodGet, http.MethodHead}
		}
		if len(methods) > 0 {
			allow := strings.Join(methods, ", ")
			w.Header().Set("Allow", allow)
			answer.Send(
				w,
				&problem{
					Status: http.StatusMethodNotAllowed,
					Title:  "method not allowed",
					Detail: r.URL.Path + " takes " + allow + ", not " + r.Method,
				},
			)
			return
		}
		answer.Send(
			w,
			&problem{
				Status: http.StatusNotFound,
				Title:  "not found",
				Detail: r.Method + " " + r.URL.Path + " is not served; GET /api/v1/openapi.yaml lists what is",
			},
		)
	}
}

// served returns the methods that a path has a handler for.
func served(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		as := r.Clone(r.Context())
		as.Method = method
		if _, pattern := mux.Handler(as); pattern != "" && pattern != "/" {
			methods = append(methods, method)
		}
	}
	return methods
}
