package cli

import (
	"bytes"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func treeCommand(env *environment) *cobra.Command {
	c := &cobra.Command{Use: "tree", Short: "Draw the cluster: its nodes, and what each of them runs", Args: args(), Example: `  xconsumer tree
  xconsumer tree --explain`}
	q := env.query(c)
	explain := c.Flags().Bool("explain", false, "explain what does not run, and show the labels of nodes")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return queryOne(c.Context(), q, "/api/v1/state", nil, func(state *cluster.State, b *bytes.Buffer) { render.Tree(b, state, *explain) },
			func(state *cluster.State) []string { return []string{state.Cluster} })
	}
	return c
}
