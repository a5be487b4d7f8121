package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// completePatience is how long a shell is kept waiting for names.
const completePatience = time.Second

// complete returns names of the cluster that the flags so far name.
func (s *shell) complete(c *cobra.Command, names func(*cluster.State) []string) ([]string, cobra.ShellCompDirective) {
	f := &server{shell: s}
	for name, to := range map[string]*string{"server": &f.url, "token": &f.token, "ca": &f.ca, "cert": &f.cert, "key": &f.key} {
		if flag := c.Flags().Lookup(name); flag != nil {
			*to = flag.Value.String()
		}
	}
	client, err := f.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(contextOf(c)), completePatience)
	defer cancel()
	state, _, err := client.State(ctx)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names(&state), cobra.ShellCompDirectiveNoFileComp
}

func contextOf(c *cobra.Command) context.Context {
	if ctx := c.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func (s *shell) completeTasks(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(c, func(state *cluster.State) (names []string) {
		for _, t := range state.Tasks {
			names = append(names, t.Name)
		}
		return names
	})
}

func (s *shell) completeNodes(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return s.complete(c, func(state *cluster.State) (names []string) {
		for _, n := range state.Nodes {
			names = append(names, n.Name)
		}
		return names
	})
}

// completeOneOf completes what is one of several words.
func completeOneOf[T ~string](words []T) cobra.CompletionFunc {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = string(word)
	}
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}
