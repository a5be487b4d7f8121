package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/answer"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/hub"
	"gitee.com/ken.yang/xconsumer/httpapi/internal/peers"
)

// NodePath names a node.
type NodePath struct {
	Node string `path:"node" maxLength:"128" doc:"The node's name."`
}

// nodeOperation names the node of an operation.
type nodeOperation struct {
	NodePath
	Wait
}

// nodes serves nodes and their leases. Only a node itself has its lease.
type nodes struct {
	*routes
	elsewhere *elsewhere
}

func (api *nodes) serve() {
	api.serveNodeReads()
	api.handleRaw(api.leaseOperation(), api.lease)
	api.mux.HandleFunc("GET "+peers.LeasePath, api.elsewhere.peers.Signed(api.node, api.sendLease))
	path := func(rest string) string { return "/api/v1/nodes/{node}/" + rest }
	tags := []string{"nodes"}
	for kind, text := range map[cluster.OperationKind]struct{ summary, description string }{
		cluster.OpCordon: {
			"Cordon a node",
			"The node gets no new workers and keeps those that it has. The cordon stays over restarts of the node, until it is uncordoned.",
		},
		cluster.OpUncordon: {
			"Uncordon a node",
			"The node gets workers again. Ends a cordon, a drain or a quarantine. Has no effect on a node without one.",
		},
		cluster.OpRestart: {
			"Restart all workers of a node",
			"Restarts as many workers at a time as the budgets allow. Repeated without an Idempotency-Key, it restarts them again.",
		},
	} {
		accept(api.routes, huma.Operation{
			OperationID: string(kind) + "-node", Method: http.MethodPost, Path: path(string(kind)), Tags: tags,
			Summary: text.summary, Description: text.description,
		}, func(in *nodeOperation) (cluster.Operation, Wait) {
			return cluster.Operation{Kind: kind, Node: in.Node}, in.Wait
		})
	}
	accept(api.routes, huma.Operation{
		OperationID: "evict-node",
		Method:      http.MethodPost,
		Path:        path("evict"),
		Tags:        tags,
		Metadata:    as(RoleAdmin),
		Summary:     "Evict a node",
		Description: "Ends the membership of the node. Its workers stop, and restart elsewhere once its lease has expired. The node joins " +
			"again as a new member. To empty a healthy node, drain it.",
	}, func(in *nodeOperation) (cluster.Operation, Wait) { return cluster.Evict(in.Node), in.Wait })
	type drain struct {
		NodePath
		Wait
		Body *struct {
			Deadline cluster.Duration `json:"deadline,omitempty" doc:"Time after which workers that no other node can take are stopped, as in \"5m\"; without it they stay."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "drain-node", Method: http.MethodPost, Path: path("drain"), Tags: tags,
		Summary: "Drain a node",
		Description: "Moves all workers of the node to other nodes, as fast as the budgets allow. The node gets no new workers. The drain " +
			"stays over restarts of the node, until it is uncordoned.",
	}, func(in *drain) (cluster.Operation, Wait) {
		op := cluster.Operation{Kind: cluster.OpDrain, Node: in.Node}
		if in.Body != nil {
			op.Deadline = in.Body.Deadline
		}
		return op, in.Wait
	})
	type label struct {
		NodePath
		Wait
		Body struct {
			Labels map[string]*string `json:"labels" doc:"Labels to change: \"\" hides a label of the node's configuration, null restores it."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "label-node", Method: http.MethodPost, Path: path("label"), Tags: tags, Metadata: as(RoleAdmin),
		Summary:     "Change the labels of a node",
		Description: "These labels override those of the node's configuration, and stay over restarts of the node.",
	}, func(in *label) (cluster.Operation, Wait) { return cluster.Label(in.Node, in.Body.Labels), in.Wait })
}

func (api *nodes) serveNodeReads() {
	tags := []string{"nodes"}
	handle(api.routes, huma.Operation{
		OperationID: "list-nodes", Method: http.MethodGet, Path: "/api/v1/nodes", Tags: tags, Metadata: as(RoleView),
		Summary: "List nodes", Description: "All live nodes, and the lost ones that are not reaped yet.",
	}, func(ctx context.Context, _ *struct{}) (*body[client.Nodes], error) {
		m, err := api.current(ctx)
		if err != nil {
			return nil, err
		}
		return &body[client.Nodes]{client.Nodes{Nodes: m.State.Nodes, Lost: m.State.Lost}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-node", Method: http.MethodGet, Path: "/api/v1/nodes/{node}", Tags: tags, Metadata: as(RoleView),
		Errors: []int{http.StatusNotFound}, Summary: "Get a node",
		Description: "A live node, or a lost one that is not reaped yet; else 404.",
	}, func(ctx context.Context, in *NodePath) (*body[cluster.NodeInfo], error) {
		m, err := api.current(ctx)
		if err != nil {
			return nil, err
		}
		for _, list := range [][]cluster.NodeInfo{m.State.Nodes, m.State.Lost} {
			if at := slices.IndexFunc(list, func(n cluster.NodeInfo) bool { return n.Name == in.Node }); at >= 0 {
				return &body[cluster.NodeInfo]{list[at]}, nil
			}
		}
		return nil, fmt.Errorf("%w: %q", cluster.ErrNoNode, in.Node)
	})
}

// lease answers with the lease of a node. For another node it asks that node.
func (api *nodes) lease(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("node")
	m, err := api.current(r.Context())
	if name == api.node.Name() { // even while the node cannot read the cluster
		api.sendLease(w, r)
		return
	}
	if err != nil {
		api.fail(w, err)
		return
	}
	at := slices.IndexFunc(m.State.Nodes, func(n cluster.NodeInfo) bool { return n.Name == name })
	if at < 0 {
		api.fail(w, fmt.Errorf("%w: %q", cluster.ErrNoNode, name))
		return
	}
	if err := api.elsewhere.relay(w, r, m, m.State.Nodes[at].Member, peers.LeasePath, nil, "application/json"); err != nil {
		api.fail(w, err)
	}
}

func (api *nodes) sendLease(w http.ResponseWriter, _ *http.Request) {
	answer.JSON(w, http.StatusOK, api.node.Lease())
}

// leaseOperation describes lease, which huma cannot serve because it relays the answer of another node.
func (api *nodes) leaseOperation() *huma.Operation {
	return &huma.Operation{
		OperationID: "get-node-lease", Method: http.MethodGet, Path: "/api/v1/nodes/{node}/lease", Tags: []string{"nodes"},
		Summary: "Get the lease of a node",
		Description: "The lease states until when the node may run workers without an answer of the coordination service. Only the node " +
			"itself has it; any other node asks that node, and answers with 502 if it cannot be reached.",
		Parameters: []*huma.Param{
			{Name: "node", In: "path", Required: true, Description: "The node's name.", Schema: &huma.Schema{Type: huma.TypeString}},
		},
		Responses: map[string]*huma.Response{
			"200": {
				Description: "The lease.",
				Content: map[string]*huma.MediaType{
					"application/json": {Schema: api.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[cluster.Lease](), true, "Lease")},
				},
			},
			"default": problemResponse(),
		},
	}
}

// current returns the present state of the cluster.
func (c *reader) current(ctx context.Context) (*hub.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return c.hub.Current(ctx)
}
