// Package httpapi serves a node over HTTP, on any mux, and holds the client for it.
//
//	GET  /api/v1/state                          the whole cluster as this node sees it (cluster.State)
//	GET  /healthz                               200 while the process is alive, whatever the coordination service does
//	GET  /readyz                                200 while the node is a member at work, else 503 with the reasons
//
//	POST /api/v1/tasks/{task}/scale             {"workers": 3}
//	POST /api/v1/tasks/{task}/{operation}       pause, resume, reset, restart
//	POST /api/v1/workers/{task}/{index}/restart
//	POST /api/v1/nodes/{node}/{operation}       cordon, uncordon, restart
//	POST /api/v1/nodes/{node}/drain             {"deadline": "5m"}, or nothing
//	POST /api/v1/leader/step-down
//	POST /api/v1/moves/now                      wait for no node that is gone
//	POST /api/v1/plan                           what a change would do: cluster.Change → cluster.Plan
//	POST /api/v1/plan/apply                     {"revision": …, "change": …}
//
// Writes answer 202 when the wish is in the store; leaders see to it then. Errors are problems (RFC
// 9457).
package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Node is what the API serves; *xconsumer.Node is one.
type Node interface {
	Name() string
	State(ctx context.Context) (cluster.State, error)
	Ready() (reasons []string)
	Do(ctx context.Context, op cluster.Operation) error
	Plan(ctx context.Context, change cluster.Change) (cluster.Plan, error)
	Apply(ctx context.Context, change cluster.Change, revision string) error
	Runs(ctx context.Context, task string) ([]cluster.RunInfo, error)
	Log(slot cluster.Slot, last int) ([]cluster.LogLine, error)
	FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error)
}

// stateTimeout bounds how long a request waits for the coordination service.
const stateTimeout = 5 * time.Second

// Handler returns the API of a node. Without peers, nil, it asks no other node and answers none.
func Handler(node Node, peers *Peers) http.Handler {
	a := &api{node, peers}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/state", a.state)
	mux.HandleFunc("GET /healthz", a.healthz)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("GET /api/v1/tasks/{task}/runs", a.runs)
	mux.HandleFunc("GET /api/v1/workers/{task}/{index}/log", a.workerLog)
	mux.HandleFunc("GET /peer/v1/workers/{task}/{index}/log", peers.signed(func(w http.ResponseWriter, r *http.Request) {
		q, err := readLogQuery(r)
		if err != nil {
			a.fail(w, err)
			return
		}
		a.sendLog(w, r, q)
	}))
	a.operations(mux)
	mux.HandleFunc("/", a.unknown)
	return http.NewCrossOriginProtection().Handler(mux) // no other site's page may operate a cluster
}

type api struct {
	node  Node
	peers *Peers
}

func (a *api) state(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), stateTimeout)
	defer cancel()
	state, err := a.node.State(ctx)
	if err != nil {
		p := Problem{Status: http.StatusServiceUnavailable, Title: "state is not known", Detail: err.Error(), Reasons: a.node.Ready()}
		write(w, p.Status, p)
		return
	}
	write(w, http.StatusOK, state)
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Node    string   `json:"node"`
	Status  string   `json:"status"` // "ok" or "not ready"
	Reasons []string `json:"reasons,omitempty"`
}

func (a *api) healthz(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, Health{Node: a.node.Name(), Status: "ok"})
}

func (a *api) readyz(w http.ResponseWriter, _ *http.Request) {
	if reasons := a.node.Ready(); len(reasons) > 0 {
		write(w, http.StatusServiceUnavailable, Health{Node: a.node.Name(), Status: "not ready", Reasons: reasons})
		return
	}
	write(w, http.StatusOK, Health{Node: a.node.Name(), Status: "ok"})
}

func (a *api) unknown(w http.ResponseWriter, r *http.Request) {
	p := Problem{Status: http.StatusNotFound, Title: "not found", Detail: r.Method + " " + r.URL.Path + " is not served; try GET /api/v1/state"}
	write(w, p.Status, p)
}

// Problem is an error answer (RFC 9457).
type Problem struct {
	Status  int      `json:"status"`
	Title   string   `json:"title"`
	Detail  string   `json:"detail,omitempty"`
	Reasons []string `json:"reasons,omitempty"` // why the node is not ready
}

func write(w http.ResponseWriter, status int, v any) {
	kind := "application/json"
	if _, ok := v.(Problem); ok {
		kind = "application/problem+json"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has gone
}
