// Package httpapi serves a node over HTTP, on any mux, and holds the client for it.
//
// # The model
//
//	request ─▶ refusals (host, size, rate) ─▶ who asks, and may they? ─▶ types and bounds ─▶ the node ─▶ answer
//	                                                                          │
//	                                    the cluster as the node sees it ◀─────┴────▶ a wish in the store
//
// Every node answers every request about the whole cluster, from what it has read anyway. A write puts a
// wish into the store and is accepted when it is there (202); leaders see to it then, and no write depends on what
// they are doing. Every error is a problem (RFC 9457) that names each bad field and what to do.
//
// The types of this package are the contract: what they say is openapi.yaml, which every node serves at
// /api/v1/openapi.yaml.
package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Node is what the API serves; *xconsumer.Node is one.
type Node interface {
	Name() string
	State(ctx context.Context) (cluster.State, error)
	Ready() (reasons []string)
	Tasks(ctx context.Context) ([]cluster.TaskDetail, error)
	Do(ctx context.Context, op cluster.Operation) (revision string, err error)
	Plan(ctx context.Context, change cluster.Change) (cluster.Plan, error)
	Apply(ctx context.Context, change cluster.Change, revision string) error
	Runs(ctx context.Context, task string) ([]cluster.RunInfo, error)
	Log(slot cluster.Slot, last int) ([]cluster.LogLine, error)
	FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error)
}

// Handler returns the API of a node. Without peers, nil, it asks no other node and answers none.
func Handler(node Node, peers *Peers) http.Handler {
	mux := http.NewServeMux()
	serve(mux, node, peers)
	return http.NewCrossOriginProtection().Handler(mux) // no other site's page may operate a cluster
}

type api struct {
	node  Node
	peers *Peers
	huma  huma.API
}

// serve serves everything on a mux.
func serve(mux *http.ServeMux, node Node, peers *Peers) *api {
	a := &api{node, peers, newHuma(mux)}
	a.serveState()
	a.serveHealth()
	a.serveTasks()
	a.serveWorkers(mux)
	a.serveNodes()
	a.serveMoves()
	mux.HandleFunc("/", a.unknown)
	return a
}

// patience bounds how long a request waits for the coordination service.
const patience = 5 * time.Second

// handle serves an operation: what it takes and gives are types, and its errors become problems.
func handle[I, O any](a *api, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		out, err := h(ctx, in)
		if err != nil {
			return nil, a.problem(err)
		}
		return out, nil
	})
}

// body is an answer of nothing but a body.
type body[T any] struct{ Body T }

// Accepted is the answer to a wish that is in the store.
type Accepted struct {
	Accepted string `json:"accepted" doc:"The wish, in words."`
	Revision string `json:"revision" doc:"Of the record that says it: of a task, what If-Match takes."`
}

// accepted is that answer, with the revision as a header, too.
type accepted struct {
	ETag string `header:"ETag"`
	Body Accepted
}

// Condition binds a write to the revision that somebody has looked at.
type Condition struct {
	IfMatch string `header:"If-Match" doc:"The ETag of the task that the change is based on; refused with 412 if it is another one now."`
}

// revision returns the revision that a condition names, "" for any.
func (c *Condition) revision() string {
	tag := strings.Trim(strings.TrimPrefix(strings.TrimSpace(c.IfMatch), "W/"), `"`)
	if tag == "*" {
		return ""
	}
	return tag
}

func etag(revision string) string { return `"` + revision + `"` }

// accept serves an operation that notes a wish.
func accept[I any](a *api, op huma.Operation, wish func(*I) cluster.Operation) {
	op.DefaultStatus = http.StatusAccepted
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusUnprocessableEntity)
	handle(a, op, func(ctx context.Context, in *I) (*accepted, error) { return a.do(ctx, wish(in)) })
}

func (a *api) do(ctx context.Context, op cluster.Operation) (*accepted, error) {
	revision, err := a.node.Do(ctx, op)
	if err != nil {
		return nil, err
	}
	return &accepted{etag(revision), Accepted{op.String(), revision}}, nil
}
