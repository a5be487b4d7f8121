// Package httpapi serves a node over HTTP, on any mux. Package client is its client.
//
// # The model
//
//	request ─▶ for this node? too fast? ─▶ caller and role ─▶ types and bounds ─▶ the node ─▶ answer
//	                                                                                 │
//	                                    the cluster as the node sees it ◀────────────┴────▶ an operation in the store
//
// Every node answers every request about the whole cluster, from its own view. A write commits an operation to the store
// and is accepted then (202). The leader carries the operation out afterwards; the write does not depend on the leader.
// Every error is a problem (RFC 9457) that names each bad field and the fix.
//
// The types of this package, of client and of cluster are the contract. openapi.yaml is generated from them, and every
// node serves it at /api/v1/openapi.yaml.
package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/console"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/describe"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/peers"
)

// Peers is how nodes send requests to each other.
type Peers = peers.Peers

// MinSecret is the minimum length of a cluster's secret, in bytes.
const MinSecret = peers.MinSecret

// ErrNoSecret is the error of Peers.Shared while the cluster has no valid secret. It ends the last secret. After any other
// error, for example while the store does not answer, the last secret stays in force.
var ErrNoSecret = peers.ErrNoSecret

// Node is the node that the API serves; xconsumer.Node.Admin returns one.
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

// Options configure the API. The zero value serves the node to every caller that reaches it under a name of this
// machine.
type Options struct {
	Peers  *Peers // for requests to and from other nodes, nil for none
	Access *Access
	Build  client.Build
	// Config is the node's configuration as JSON, without any secret.
	Config map[string]any
	// Metrics returns the handler of /metrics, which serves the API's measures and others; nil for no such path.
	Metrics func(api func() []cluster.Measure) http.Handler
	Log     *slog.Logger   // nil for slog.Default()
	Level   *slog.LevelVar // the level of the log, which the API may change; nil if it cannot be changed
}

// API serves a node over HTTP.
type API struct {
	huma     huma.API
	hub      *hub.Hub
	auth     *access.Middleware
	handler  http.Handler
	streams  *access.Shares
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
	if options.Level == nil {
		options.Level = &slog.LevelVar{}
	}
	mux := http.NewServeMux()
	a := &API{
		huma:    newHuma(mux),
		hub:     hub.New(node, func() any { return healthOf(node) }),
		auth:    access.New(options.Access, options.Log, patient(recordRoute(mux))),
		closing: make(chan struct{}),
		streams: access.NewShares("streams", maxStreams, maxStreams/4, maxStreams/10),
	}
	a.huma.UseMiddleware(authorize(a.huma), strict(a.huma), readable(a.huma), idempotent(a.huma))
	a.serve(node, options, mux)
	a.handler = a.requests.measured(a.auth.SameOrigin(remember(a.auth)))
	return a
}

// serve registers all resources on a mux.
func (a *API) serve(node Node, options Options, mux *http.ServeMux) {
	read := &reader{node: node, hub: a.hub}
	write := &writer{reader: read, auth: a.auth, log: options.Log}
	r := &routes{writer: write, mux: mux, huma: a.huma}
	there := &elsewhere{reader: read, peers: options.Peers}
	logs := access.NewShares("logs open", maxLogs, maxLogs/2, maxLogs/4)

	(&states{r, followers{a.auth, a.streams, a.closing}}).serve()
	(&sessions{r}).serve()
	(&tasks{r}).serve()
	(&workers{r, &workerLogs{routes: r, elsewhere: there, followers: followers{a.auth, logs, a.closing}}}).serve()
	(&nodes{r, there}).serve()
	(&plans{r}).serve()
	(&history{r, options.Build}).serve()
	(&leadership{r}).serve()
	(&process{r, options}).serve()
	if options.Metrics != nil {
		mux.HandleFunc("GET /metrics", access.Viewing(options.Metrics(a.Measures).ServeHTTP))
	}
	describe.Complete(a.huma.OpenAPI(), roleNeeded)
	mux.HandleFunc("/", unserved(mux, console.Handler()))
}

// remember puts the request into its context, for operations that need more of it than their input type has.
func remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, r)))
	})
}

// patient extends the deadlines of requests that wait for an operation to settle.
func patient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("wait") {
			until := time.Now().Add(maxWait + storeTimeout)
			rc := http.NewResponseController(w)
			_, _ = rc.SetReadDeadline(until), rc.SetWriteDeadline(until)
		}
		next.ServeHTTP(w, r)
	})
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// Run keeps the answers up to date until ctx ends. Then it ends all streams, and returns nil. It may be called once.
func (a *API) Run(ctx context.Context) error {
	context.AfterFunc(ctx, func() { close(a.closing) })
	a.hub.Run(ctx)
	return nil
}

// How many streams and logs a node serves at a time, those of one caller included.
const (
	maxStreams = 2000
	maxLogs    = 600
)
