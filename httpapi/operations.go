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

// storeTimeout bounds how long a request waits for the coordination service.
const storeTimeout = 5 * time.Second

// reader reads the cluster as the node sees it.
type reader struct {
	node Node
	hub  *hub.Hub
	runs hub.Cache[string, []cluster.RunInfo]
}

// writer stores operations in the name of the caller, and waits until they have settled.
type writer struct {
	*reader
	auth *access.Middleware
	log  *slog.Logger
}

// routes is where the resources register their operations. Operations read and write the cluster through it, and their
// errors become problems.
type routes struct {
	*writer
	mux  *http.ServeMux
	huma huma.API
}

// followers bounds the open streams and logs of callers: in number by their shares, and in time by their permission to
// read.
type followers struct {
	auth    *access.Middleware
	shares  *access.Shares
	closing <-chan struct{} // closed when the API ends
}

// handle registers an operation with typed input and output. Errors of h become problems.
func handle[I, O any](r *routes, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	if op.Method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusTooManyRequests)
	}
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

// body is an answer that has only a body.
type body[T any] struct{ Body T }

// accepted is the answer to a write, with the revision also as a header.
type accepted struct {
	ETag string `header:"ETag"`
	Body client.Accepted
}

// Condition makes a write depend on the revision that the caller has read.
type Condition struct {
	IfMatch string `header:"If-Match" doc:"ETag of the task that the change is based on; refused with 412 if the task has changed since."`
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

// accept registers a write: a request that becomes an operation in the store.
func accept[I any](r *routes, op huma.Operation, asked func(*I) (cluster.Operation, Wait)) {
	op.DefaultStatus = http.StatusAccepted
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity)
	if op.Metadata == nil {
		op.Metadata = as(RoleOperate)
	}
	keyed(&op)
	handle(r, op, func(ctx context.Context, in *I) (*accepted, error) {
		op, wait := asked(in)
		return r.do(ctx, op, wait)
	})
}

// do stores an operation in the name of the caller, and waits as long as the caller asked.
func (o *writer) do(ctx context.Context, op cluster.Operation, wait Wait) (*accepted, error) {
	c := access.CallerOf(ctx)
	op.By, op.From, op.Key = c.Name, c.From, keyOf(ctx)
	if o.auth.Open() {
		op.By = "" // on an open node the name of the caller is not authenticated
	}
	writing, cancel := context.WithTimeout(ctx, storeTimeout)
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
