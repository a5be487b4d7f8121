// Package httpapi serves a node over HTTP, on any mux. Package client asks it.
//
// # The model
//
//	request ─▶ for this node? too fast? ─▶ who asks, and may they? ─▶ types and bounds ─▶ the node ─▶ answer
//	                                                                          │
//	                                    the cluster as the node sees it ◀─────┴────▶ an operation in the store
//
// Every node answers every request about the whole cluster, from what it has read anyway. A write puts an
// operation into the store and is accepted when it is there (202); leaders see to it then, and no write depends on what
// they are doing. Every error is a problem (RFC 9457) that names each bad field and what to do.
//
// The types of this package, of client and of cluster are the contract: what they say is openapi.yaml, which every
// node serves at /api/v1/openapi.yaml.
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
	"gitee.com/ken.yang/xconsumer/httpapi/internal/console"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/peers"
)

// Peers is how nodes ask each other.
type Peers = peers.Peers

// MinSecret is how long a cluster's secret has to be, in bytes.
const MinSecret = peers.MinSecret

// ErrNoSecret is matched by the error of Peers.Shared where there is no secret that counts: the last one ends. After any
// other error, as where the store does not answer, the last one stays in force.
var ErrNoSecret = peers.ErrNoSecret

// Node is what the API serves; xconsumer.Node.Admin returns one.
type Node interface {
	Name() string
	Ready() (reasons []string)
	Lease() cluster.Lease
	KeepFresh() (since int64)
	Watch(ctx context.Context, seen int64) (cluster.Snapshot, error)
	Events(ctx context.Context) <-chan cluster.Event
	Do(ctx context.Context, op cluster.Operation) (revision string, err error)
	Repeated(ctx context.Context, op cluster.Operation) (revision string, repeated bool, err error)
	Plan(ctx context.Context, ops cluster.Operations) (cluster.Plan, error)
	Apply(ctx context.Context, ops cluster.Operations, revision string, caller cluster.Caller) (revisions []string, err error)
	Runs(ctx context.Context, task string) ([]cluster.RunInfo, error)
	Decisions(ctx context.Context) (cluster.Decisions, error)
	Past(ctx context.Context, decision int64) (cluster.Past, error)
	Explain(ctx context.Context, slot cluster.Slot) (cluster.Explanation, error)
	Report(ctx context.Context) (cluster.BugReport, error)
	Log(slot cluster.Slot, last int) ([]cluster.LogLine, error)
	FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error)
	Stack(slot cluster.Slot) (string, error)
}

// Options say how a node is served. The zero value serves it to everybody who can reach it under a name of this
// machine.
type Options struct {
	Peers  *Peers // to ask other nodes, nil to ask none and answer none
	Access *Access
	Build  client.Build
	// Config is the node's configuration as JSON, without any secret.
	Config map[string]any
	// Metrics makes what answers /metrics, of the API's measures and what else there is; nil for nothing.
	Metrics func(api func() []cluster.Measure) http.Handler
	Log     *slog.Logger   // nil for slog.Default()
	Level   *slog.LevelVar // of the log, to be changed by the API; nil if it cannot
}

// API serves a node over HTTP.
type API struct {
	node     Node
	peers    *Peers
	access   *Access
	options  Options
	huma     huma.API
	hub      *hub.Hub
	runs     hub.Cache[string, []cluster.RunInfo]
	auth     *access.Middleware
	handler  http.Handler
	console  http.Handler
	streams  *access.Shares
	logs     *access.Shares
	tails    peers.Tails
	closing  chan struct{}
	requests requests
}

// New returns the API of a node. It answers while Run runs.
func New(node Node, options Options) *API {
	if options.Access == nil {
		options.Access = &Access{}
	}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	mux := http.NewServeMux()
	a := &API{
		node:    node,
		peers:   options.Peers,
		access:  options.Access,
		options: options,
		hub:     hub.New(node, func() any { return healthOf(node) }),
		console: console.Handler(),
		closing: make(chan struct{}),
		streams: access.NewShares("streams", maxStreams, maxStreams/4, maxStreams/10),
		logs:    access.NewShares("logs open", maxLogs, maxLogs/2, maxLogs/4),
	}
	a.huma = newHuma(mux)
	a.huma.UseMiddleware(authorize(a.huma), strict(a.huma), readable(a.huma), idempotent(a.huma))
	a.serveState(mux)
	a.serveSessions()
	a.serveTasks()
	a.serveWorkers(mux)
	a.serveNodes(mux)
	a.servePlan()
	a.serveHistory()
	a.serveLeader()
	a.serveProcess()
	a.serveMetrics(mux)
	a.openAnswers()
	mux.HandleFunc("/", a.unknown(mux))
	a.auth = access.New(options.Access, options.Log, patient(noteRoute(mux)))
	a.handler = a.requests.measured(a.auth.SameOrigin(remember(a.auth)))
	return a
}

// remember keeps the request for those operations that need more of it than what is described.
func remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
	})
}

// patient gives requests that wait for something the time for it.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("wait") {
			until := time.Now().Add(maxWait + patience)
			rc := http.NewResponseController(w)
			_, _ = rc.SetReadDeadline(until), rc.SetWriteDeadline(until)
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Run keeps what is served up to date until ctx ends. Then it ends all streams, and returns nil. It may be
// called once.
func (a *API) Run(ctx context.Context) error {
	context.AfterFunc(ctx, func() { close(a.closing) })
	a.hub.Run(ctx)
	return nil
}

// patience bounds how long a request waits for the coordination service.
const patience = 5 * time.Second

// How many streams and logs a node serves at a time, those of one caller included.
const (
	maxStreams = 2000
	maxLogs    = 600
)

// handle serves an operation: what it takes and gives are types, and its errors become problems.
func handle[I, O any](a *API, op huma.Operation, h func(context.Context, *I) (*O, error)) {
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	if op.Metadata != nil {
		op.Errors = append(op.Errors, http.StatusUnauthorized, http.StatusForbidden)
	}
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, a.problem(err)
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
func accept[I any](a *API, op huma.Operation, asked func(*I) (cluster.Operation, Wait)) {
	op.DefaultStatus = http.StatusAccepted
	op.Errors = append(op.Errors, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusTooManyRequests)
	if op.Metadata == nil {
		op.Metadata = as(RoleOperate)
	}
	keyed(&op)
	handle(a, op, func(ctx context.Context, in *I) (*accepted, error) {
		op, wait := asked(in)
		return a.do(ctx, op, wait)
	})
}

// do stores an operation in the name of who asks, and waits for as long as they want to.
func (a *API) do(ctx context.Context, op cluster.Operation, wait Wait) (*accepted, error) {
	c := access.CallerOf(ctx)
	op.By, op.From, op.Key = c.Name, c.From, keyOf(ctx)
	if a.auth.Open() {
		op.By = "" // nobody's name is known
	}
	writing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	out := client.Accepted{Accepted: op.String()}
	var before *hub.Snapshot
	var err error
	if op.Key != "" {
		out.Revision, out.Repeated, err = a.node.Repeated(writing, op)
		if err != nil {
			return nil, err
		}
	}
	if wait.asked() {
		before, err = a.hub.Current(writing)
		if err != nil {
			return nil, err
		}
	}
	if !out.Repeated {
		out.Revision, err = a.node.Do(writing, op)
		if err != nil {
			return nil, err
		}
	}
	a.options.Log.Info("operation accepted", "operation", out.Accepted, "caller", c.Name, "from", c.From, "revision", out.Revision, "repeated", out.Repeated)
	if wait.asked() {
		a.settle(ctx, &out, wait, goalOf(op, out.Revision, out.Repeated, before))
	}
	return &accepted{etag(out.Revision), out}, nil
}
