package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// leadership serves the leader and its step-down.
type leadership struct{ *routes }

func (api *leadership) serve() {
	tags := []string{"cluster"}
	handle(api.routes, huma.Operation{
		OperationID: "get-leader", Method: http.MethodGet, Path: "/api/v1/leader", Tags: tags, Metadata: as(RoleView),
		Summary: "Get the leader", Description: "The node that leads, and its term. The name is empty while no node leads.",
	}, func(ctx context.Context, _ *struct{}) (*body[client.Leader], error) {
		m, err := api.current(ctx)
		if err != nil {
			return nil, err
		}
		s := &m.State
		leader := client.Leader{Node: s.Leader, Term: s.Term}
		for i := range s.Nodes {
			if s.Nodes[i].Leader {
				leader.Info = &s.Nodes[i]
			}
		}
		return &body[client.Leader]{leader}, nil
	})
	accept(api.routes, huma.Operation{
		OperationID: "step-down", Method: http.MethodPost, Path: "/api/v1/leader/step-down", Tags: tags, Metadata: as(RoleAdmin),
		Summary: "Make the leader step down",
		Description: "Another member leads next, if there is one; workers stay. Repeated during the same term, the request has no " +
			"further effect. Refused with 409 while no node leads.",
	}, func(in *struct{ Wait }) (cluster.Operation, Wait) { return cluster.StepDown(), in.Wait })
}
