package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
)

// patience bounds how long a request waits for the coordination service.
const patience = 5 * time.Second

// reader reads the cluster as the node sees it.
type reader struct {
	node Node
	hub  *hub.Hub
	runs hub.Cache[string, []cluster.RunInfo]
}

// writer stores operations in the name of who asks, and waits for them.
type writer struct {
	*reader
	auth *access.Middleware
	log  *slog.Logger
}

// routes are where the resources put what they serve: operations that read and write the cluster, and whose errors become
// problems.
type routes struct {
	*writer
	mux  *http.ServeMux
	huma huma.API
}

// followers are callers who have something open that goes on: no more than their share, and no longer than they may look.
type followers struct {
	auth    *access.Middleware
	shares  *access.Shares
	closing <-chan struct{} // once the API ends
}

// handle serves an operation: what it takes and gives are types, and its errors become problems.
func handle[I, O any](r *routes, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	if op.Metadata != nil {
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	huma.Register(r.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, r.problem(err)
		}
		return out, nil
	})
}

// body is an answer of nothing but a body.
type body[T any] struct{ Body T }

// accepted is that answer, with the revision as a header, too.
type accepted struct {
	ETag string `header:"ETag"`
	Body client.Accepted
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

// accept serves what people ask for: an operation that is stored.
func accept[I any](r *routes, op huma.Operation, asked func(*I) (cluster.Operation, Wait)) {
	op.DefaultStatus = http.StatusAccepted
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests)
	if op.Metadata == nil {
		op.Metadata = as(RoleOperate)
	}
	keyed(&op)
	handle(r, op, func(ctx context.Context, in *I) (*accepted, error) {
		op, wait := asked(in)
		return r.do(ctx, op, wait)
	})
}

// do stores an operation in the name of who asks, and waits for as long as they want to.
func (o *writer) do(ctx context.Context, op cluster.Operation, wait Wait) (*accepted, error) {
	c := access.CallerOf(ctx)
	op.By, op.From, op.Key = c.Name, c.From, keyOf(ctx)
	if o.auth.Open() {
		op.By = "" // nobody's name is known
	}
	writing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out := client.Accepted{Accepted: op.String()}
	var before *hub.Snapshot
	var err error
	if op.Key != "" {
		out.Revision, out.Repeated, err = o.node.Repeated(writing, op)
		if err != nil {
			return nil, err
		}
	}
	if wait.asked() {
		before, err = o.hub.Current(writing)
		if err != nil {
			return nil, err
		}
	}
	if !out.Repeated {
		out.Revision, err = o.node.Do(writing, op)
		if err != nil {
			return nil, err
		}
	}
	o.log.Info("operation accepted", "operation", out.Accepted, "caller", c.Name, "from", c.From,
		"revision", out.Revision, "repeated", out.Repeated)
	if wait.asked() {
		o.settle(ctx, &out, wait, goalOf(op, out.Revision, out.Repeated, before))
	}
	return &accepted{etag(out.Revision), out}, nil
}
