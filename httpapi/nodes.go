package httpapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// NodePath names a node.
type NodePath struct {
	Node string `path:"node" maxLength:"128" doc:"The node's name."`
}

func (a *api) serveNodes() {
	path := func(rest string) string { return "/api/v1/nodes/{node}/" + rest }
	tags := []string{"nodes"}
	for kind, summary := range map[cluster.OperationKind]string{
		cluster.OpCordon:   "Gives a node nothing new; what it has stays",
		cluster.OpUncordon: "Lets a node take work again; ends a drain or a quarantine, too",
		cluster.OpRestart:  "Starts all workers of a node anew, as many at a time as the budgets allow",
	} {
		accept(a, huma.Operation{
			OperationID: string(kind) + "-node", Method: http.MethodPost, Path: path(string(kind)), Tags: tags, Summary: summary,
		}, func(in *NodePath) cluster.Operation { return cluster.Operation{Kind: kind, Node: in.Node} })
	}
	type drain struct {
		NodePath
		Body *struct {
			Deadline cluster.Duration `json:"deadline,omitempty" doc:"How long what no other node can take may stay, as in \"5m\"; for ever without it."`
		}
	}
	accept(a, huma.Operation{
		OperationID: "drain-node", Method: http.MethodPost, Path: path("drain"), Tags: tags,
		Summary:     "Moves away what a node has, and gives it nothing new until it is uncordoned",
		Description: "As fast as the budgets allow. It holds over restarts of the node.",
	}, func(in *drain) cluster.Operation {
		op := cluster.Operation{Kind: cluster.OpDrain, Node: in.Node}
		if in.Body != nil {
			op.Deadline = in.Body.Deadline
		}
		return op
	})
}
