package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func (a *api) serveMoves() {
	tags := []string{"moves"}
	accept(a, huma.Operation{
		OperationID: "step-down", Method: http.MethodPost, Path: "/api/v1/leader/step-down", Tags: []string{"cluster"},
		Summary: "Lets the present leader stand behind all others",
	}, func(*struct{}) cluster.Operation { return cluster.StepDown() })
	accept(a, huma.Operation{
		OperationID: "move-now", Method: http.MethodPost, Path: "/api/v1/moves/now", Tags: tags,
		Summary: "Lets no delay or freeze hold the work of nodes that are gone at this moment",
	}, func(*struct{}) cluster.Operation { return cluster.MoveNow() })
	type change struct{ Body cluster.Change }
	handle(a, huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/api/v1/plan", Tags: tags,
		Errors:  []int{http.StatusNotFound, http.StatusUnprocessableEntity},
		Summary: "What a change would do, without making it",
	}, func(ctx context.Context, in *change) (*body[cluster.Plan], error) {
		plan, err := a.node.Plan(ctx, in.Body)
		return &body[cluster.Plan]{plan}, err
	})
	type planned struct {
		Body struct {
			Revision string         `json:"revision" doc:"Of the plan that it was."`
			Change   cluster.Change `json:"change"`
		}
	}
	handle(a, huma.Operation{
		OperationID: "apply-plan", Method: http.MethodPost, Path: "/api/v1/plan/apply", Tags: tags, DefaultStatus: http.StatusAccepted,
		Errors:      []int{http.StatusNotFound, http.StatusPreconditionFailed, http.StatusUnprocessableEntity},
		Summary:     "Makes a change that was planned, in one commit",
		Description: "Refused if anything that the plan was made from has changed since.",
	}, func(ctx context.Context, in *planned) (*body[Applied], error) {
		if err := a.node.Apply(ctx, in.Body.Change, in.Body.Revision); err != nil {
			return nil, err
		}
		return &body[Applied]{Applied{"plan " + in.Body.Revision}}, nil
	})
}

// Applied is the answer to a plan that was applied.
type Applied struct {
	Accepted string `json:"accepted" doc:"The plan."`
}
