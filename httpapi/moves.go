package httpapi

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func (a *API) serveMoves() {
	tags := []string{"moves"}
	type wish struct{ Wait }
	accept(a, huma.Operation{
		OperationID: "step-down", Method: http.MethodPost, Path: "/api/v1/leader/step-down", Tags: []string{"cluster"}, Metadata: as(RoleAdmin),
		Summary: "Lets the present leader stand behind all others",
	}, func(in *wish) (cluster.Operation, Wait) { return cluster.StepDown(), in.Wait })
	accept(a, huma.Operation{
		OperationID: "move-now", Method: http.MethodPost, Path: "/api/v1/moves/now", Tags: tags,
		Summary: "Lets no delay or freeze hold the work of nodes that are gone at this moment",
	}, func(in *wish) (cluster.Operation, Wait) { return cluster.MoveNow(), in.Wait })
	type change struct{ Body cluster.Change }
	handle(a, huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/api/v1/plan", Tags: tags, Metadata: as(RoleView),
		Errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		Summary: "What a change would do, without making it",
	}, func(ctx context.Context, in *change) (*body[cluster.Plan], error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		plan, err := a.node.Plan(ctx, in.Body)
		return &body[cluster.Plan]{plan}, err
	})
	type planned struct {
		Wait
		Body struct {
			Revision string         `json:"revision" doc:"Of the plan that it was."`
			Change   cluster.Change `json:"change"`
		}
	}
	handleKeyed(a, huma.Operation{
		OperationID: "apply-plan", Method: http.MethodPost, Path: "/api/v1/plan/apply", Tags: tags, Metadata: as(RoleOperate), DefaultStatus: http.StatusAccepted,
		Errors:      []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity},
		Summary:     "Makes a change that was planned, in one commit",
		Description: "Refused if anything that the plan was made from has changed since.",
	}, func(ctx context.Context, in *planned) (*body[Accepted], error) {
		c, change := callerOf(ctx), in.Body.Change
		if len(change.Tasks)+len(change.Delete) > 0 && !c.role.May(RoleAdmin) {
			return nil, refusal(c, RoleAdmin)
		}
		if change.From, change.Key = c.from, keyOf(ctx); a.access.closed() {
			change.By = c.name
		}
		writing, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		written, err := a.node.Apply(writing, change, in.Body.Revision)
		if errors.Is(err, cluster.ErrChange) && !errors.Is(err, cluster.ErrConflict) {
			err = &cluster.FieldError{Field: "change", Err: err}
		}
		if err != nil {
			return nil, err
		}
		a.options.Log.Info("asked for", "what", change.String(), "by", c.name, "from", c.from)
		out := Accepted{Accepted: change.String(), Revision: in.Body.Revision}
		if in.asked() {
			a.settle(ctx, &out, in.Wait, goal{reached: func(s *cluster.Snapshot) string { return seenChange(s, change, written) }})
		}
		return &body[Accepted]{out}, nil
	})
}
