package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/access"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
)

// plans serves plans.
type plans struct{ *routes }

// serve serves what moves, and what operations would do.
func (api *plans) serve() {
	tags := []string{"moves"}
	accept(api.routes, huma.Operation{
		OperationID: "move-now", Method: http.MethodPost, Path: "/api/v1/moves/now", Tags: tags,
		Summary: "Moves the work of lost nodes now, without their delays and freezes",
	}, func(in *struct{ Wait }) (cluster.Operation, Wait) { return cluster.MoveNow(), in.Wait })
	type operations struct {
		Body struct {
			Operations cluster.Operations `json:"operations,omitempty" doc:"In their order; without any, the plan is what is to move by itself."`
		}
	}
	handle(api.routes, huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/api/v1/plan", Tags: tags, Metadata: as(RoleView),
		Errors:      []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		Summary:     "What operations would do, without doing them",
		Description: "Operations are applied in order, each to the result of the previous one. run-now cannot be planned.",
	}, func(ctx context.Context, in *operations) (*body[cluster.Plan], error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		plan, err := api.node.Plan(ctx, in.Body.Operations)
		return &body[cluster.Plan]{plan}, err
	})
	type planned struct {
		Wait
		Body struct {
			Revision   string             `json:"revision" doc:"Of the plan that it was."`
			Operations cluster.Operations `json:"operations" doc:"Those that were planned."`
		}
	}
	handleKeyed(api.routes, huma.Operation{
		OperationID:   "apply-plan",
		Method:        http.MethodPost,
		Path:          "/api/v1/plan/apply",
		Tags:          tags,
		Metadata:      as(RoleOperate),
		DefaultStatus: http.StatusAccepted,
		Errors:        []int{http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusUnprocessableEntity},
		Summary:       "Does operations that were planned, in one commit",
		Description: "Refused if the cluster or a record that is to change is not as it was when the plan was made. " +
			"evict and lose can only be planned.",
	}, func(ctx context.Context, in *planned) (*body[client.Accepted], error) {
		return api.apply(ctx, in.Body.Operations, in.Body.Revision, in.Wait)
	})
}

// apply does operations that were planned, in the name of who asks, and waits for as long as they want to.
func (o *writer) apply(ctx context.Context, ops cluster.Operations, revision string, wait Wait) (*body[client.Accepted], error) {
	c := access.CallerOf(ctx)
	for i := range ops {
		if role := roleFor(ops[i].Kind); !c.Role.May(role) {
			return nil, access.Refusal(c, role)
		}
	}
	caller := cluster.Caller{From: c.From, Key: keyOf(ctx)}
	if !o.auth.Open() { // else nobody's name is known
		caller.By = c.Name
	}
	writing, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var before *hub.Snapshot
	var err error
	if wait.asked() {
		before, err = o.hub.Current(writing)
		if err != nil {
			return nil, err
		}
	}
	revisions, err := o.node.Apply(writing, ops, revision, caller)
	if err != nil {
		return nil, err
	}
	out := client.Accepted{Accepted: ops.String(), Revision: revision}
	o.log.Info("operation accepted", "operation", out.Accepted, "caller", c.Name, "from", c.From)
	if wait.asked() {
		o.settle(ctx, &out, wait, goalOfAll(ops, revisions, before))
	}
	return &body[client.Accepted]{out}, nil
}

// roleFor returns who may do an operation.
func roleFor(kind cluster.OperationKind) Role {
	switch kind {
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain,
		cluster.OpRestart, cluster.OpRunNow, cluster.OpMove, cluster.OpMoveNow:
		return RoleOperate
	}
	return RoleAdmin
}
