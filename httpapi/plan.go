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

// plans serves plans and their application.
type plans struct{ *routes }

// serve registers the operations.
func (api *plans) serve() {
	tags := []string{"moves"}
	accept(api.routes, huma.Operation{
		OperationID: "move-now", Method: http.MethodPost, Path: "/api/v1/moves/now", Tags: tags,
		Summary: "Move what waits now",
		Description: "Ends leave delays, restart graces and freezes for the nodes that are gone now, and the wait of nodes that have come " +
			"back for their share. No worker starts elsewhere before the lease of its node has expired. Has no effect if nothing waits.",
	}, func(in *struct{ Wait }) (cluster.Operation, Wait) { return cluster.MoveNow(), in.Wait })
	type operations struct {
		Body struct {
			Operations cluster.Operations `json:"operations,omitempty" doc:"Operations to plan, in order; without any, the plan lists the pending moves."`
		}
	}
	handle(api.routes, huma.Operation{
		OperationID: "plan", Method: http.MethodPost, Path: "/api/v1/plan", Tags: tags, Metadata: as(RoleView),
		Errors:  []int{http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity},
		Summary: "Plan operations",
		Description: "Calculates what the operations would do and changes nothing. Operations are applied in order, each to the result " +
			"of the previous one. run-now cannot be planned.",
	}, func(ctx context.Context, in *operations) (*body[cluster.Plan], error) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		plan, err := api.node.Plan(ctx, in.Body.Operations)
		return &body[cluster.Plan]{plan}, err
	})
	type planned struct {
		Wait
		Body struct {
			Revision   string             `json:"revision" doc:"Revision of the plan."`
			Operations cluster.Operations `json:"operations" doc:"Operations of the plan, in the same order."`
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
		Summary:       "Apply a plan",
		Description: "Does all operations of the plan in one commit, or none. Refused with 412 if the cluster or a record to change has " +
			"changed since the plan was made. Needs the role of each operation. evict and lose can only be planned.",
	}, func(ctx context.Context, in *planned) (*body[client.Accepted], error) {
		return api.apply(ctx, in.Body.Operations, in.Body.Revision, in.Wait)
	})
}

// apply does operations that were planned, in the name of the caller, and waits as long as the caller asked.
func (o *writer) apply(ctx context.Context, ops cluster.Operations, revision string, wait Wait) (*body[client.Accepted], error) {
	c := access.CallerOf(ctx)
	for i := range ops {
		if role := roleFor(ops[i].Kind); !c.Role.May(role) {
			return nil, access.Refusal(c, role)
		}
	}
	caller := cluster.Caller{From: c.From, Key: keyOf(ctx)}
	if !o.auth.Open() { // on an open node the name of the caller is not authenticated
		caller.By = c.Name
	}
	writing, cancel := context.WithTimeout(ctx, storeTimeout)
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

// roleFor returns the role that an operation needs.
func roleFor(kind cluster.OperationKind) Role {
	switch kind {
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain,
		cluster.OpRestart, cluster.OpRunNow, cluster.OpMove, cluster.OpMoveNow:
		return RoleOperate
	}
	return RoleAdmin
}
