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
)

// NodePath names a node.
type NodePath struct {
	Node string `path:"node" maxLength:"128" doc:"The node's name."`
}

// nodeOperation names a node that something is to be done with.
type nodeOperation struct {
	NodePath
	Wait
}

// nodes serves nodes, of which each alone knows its lease.
type nodes struct {
	*routes
	elsewhere *elsewhere
}

func (api *nodes) serve() {
	api.serveNodeReads()
	api.handleRaw(api.leaseOperation(), api.lease)
	api.mux.HandleFunc("GET /peer/v3/lease", api.elsewhere.peers.Signed(api.node, api.sendLease))
	path := func(rest string) string { return "/api/v1/nodes/{node}/" + rest }
	tags := []string{"nodes"}
	for kind, summary := range map[cluster.OperationKind]string{
		cluster.OpCordon:   "Gives a node nothing new; what it has stays",
		cluster.OpUncordon: "Lets a node take work again; ends a drain or a quarantine, too",
		cluster.OpRestart:  "Restarts all workers of a node, as many at a time as the budgets allow",
	} {
		accept(api.routes, huma.Operation{
			OperationID: string(kind) + "-node", Method: http.MethodPost, Path: path(string(kind)), Tags: tags, Summary: summary,
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
		Summary:     "Ends the membership of a node",
		Description: "Its workers stop, and restart elsewhere once its lease has expired. The node joins again as a new member. " +
			"To empty a healthy node, drain it.",
	}, func(in *nodeOperation) (cluster.Operation, Wait) { return cluster.Evict(in.Node), in.Wait })
	type drain struct {
		NodePath
		Wait
		Body *struct {
			Deadline cluster.Duration `json:"deadline,omitempty" doc:"How long what no other node can take may stay, as in \"5m\"; for ever without it."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "drain-node", Method: http.MethodPost, Path: path("drain"), Tags: tags,
		Summary:     "Moves away what a node has, and gives it nothing new until it is uncordoned",
		Description: "As fast as the budgets allow. It holds over restarts of the node.",
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
			Labels map[string]*string `json:"labels" doc:"Those that change: \"\" hides one that the node has, null puts its own in force again."`
		}
	}
	accept(api.routes, huma.Operation{
		OperationID: "label-node", Method: http.MethodPost, Path: path("label"), Tags: tags, Metadata: as(RoleAdmin),
		Summary:     "Changes the labels of a node, whatever its configuration says",
		Description: "It holds over restarts of the node.",
	}, func(in *label) (cluster.Operation, Wait) { return cluster.Label(in.Node, in.Body.Labels), in.Wait })
}

func (api *nodes) serveNodeReads() {
	tags := []string{"nodes"}
	handle(api.routes, huma.Operation{
		OperationID: "list-nodes", Method: http.MethodGet, Path: "/api/v1/nodes", Tags: tags, Metadata: as(RoleView), Summary: "All nodes",
	}, func(ctx context.Context, _ *struct{}) (*body[client.Nodes], error) {
		m, err := api.current(ctx)
		if err != nil {
			return nil, err
		}
		return &body[client.Nodes]{client.Nodes{Nodes: m.State.Nodes, Lost: m.State.Lost}}, nil
	})
	handle(api.routes, huma.Operation{
		OperationID: "get-node", Method: http.MethodGet, Path: "/api/v1/nodes/{node}", Tags: tags, Metadata: as(RoleView),
		Errors: []int{http.StatusNotFound}, Summary: "A node",
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

// lease answers with the lease of a node: only that node itself knows it.
func (api *nodes) lease(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("node")
	m, err := api.current(r.Context())
	if name == api.node.Name() { // also while it sees nothing
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
	if err := api.elsewhere.relay(w, r, m, m.State.Nodes[at].Member, "/peer/v3/lease", nil, "application/json"); err != nil {
		api.fail(w, err)
	}
}

func (api *nodes) sendLease(w http.ResponseWriter, _ *http.Request) {
	answer.JSON(w, http.StatusOK, api.node.Lease())
}

// leaseOperation describes the lease, which another node is asked for.
func (api *nodes) leaseOperation() *huma.Operation {
	return &huma.Operation{
		OperationID: "get-node-lease", Method: http.MethodGet, Path: "/api/v1/nodes/{node}/lease", Tags: []string{"nodes"},
		Summary:    "How long a node may go on without a word from the coordination service",
		Parameters: []*huma.Param{{Name: "node", In: "path", Required: true, Schema: &huma.Schema{Type: huma.TypeString}}},
		Responses: map[string]*huma.Response{
			"200": {
				Description: "OK",
				Content: map[string]*huma.MediaType{
					"application/json": {Schema: api.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[cluster.Lease](), true, "Lease")},
				},
			},
			"default": problemResponse(),
		},
	}
}

// current returns the cluster as it is.
func (c *reader) current(ctx context.Context) (*hub.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return c.hub.Current(ctx)
}
