package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func (a *api) serveState() {
	handle(a, huma.Operation{
		OperationID: "get-state", Method: http.MethodGet, Path: "/api/v1/state", Tags: []string{"cluster"},
		Summary: "The whole cluster as this node sees it",
	}, func(ctx context.Context, _ *struct{}) (*body[cluster.State], error) {
		state, err := a.node.State(ctx)
		return &body[cluster.State]{state}, err
	})
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Node    string   `json:"node"`
	Status  string   `json:"status" enum:"ok,not ready"`
	Reasons []string `json:"reasons,omitempty" doc:"Why it is not ready."`
}

type healthAnswer struct {
	Status int
	Body   Health
}

func (a *api) serveHealth() {
	handle(a, huma.Operation{
		OperationID: "get-healthz", Method: http.MethodGet, Path: "/healthz", Tags: []string{"health"},
		Summary: "200 while the process is alive, whatever the coordination service does",
	}, func(context.Context, *struct{}) (*body[Health], error) {
		return &body[Health]{Health{Node: a.node.Name(), Status: "ok"}}, nil
	})
	handle(a, huma.Operation{
		OperationID: "get-readyz", Method: http.MethodGet, Path: "/readyz", Tags: []string{"health"},
		Summary: "200 while the node is a member at work, else 503 with the reasons",
	}, func(context.Context, *struct{}) (*healthAnswer, error) {
		if reasons := a.node.Ready(); len(reasons) > 0 {
			return &healthAnswer{http.StatusServiceUnavailable, Health{Node: a.node.Name(), Status: "not ready", Reasons: reasons}}, nil
		}
		return &healthAnswer{http.StatusOK, Health{Node: a.node.Name(), Status: "ok"}}, nil
	})
}
