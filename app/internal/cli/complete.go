package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// completionTimeout is how long a shell waits for names.
const completionTimeout = time.Second

// complete returns names from the cluster that the flags on the command line so far select.
func (env *environment) complete(c *cobra.Command, names func(*cluster.State) []string) ([]string, cobra.ShellCompDirective) {
	f := &server{environment: env}
	for name, to := range map[string]*string{
		"server": &f.flags.URL, "token": &f.flags.Token, "ca": &f.flags.CA, "cert": &f.flags.Cert, "key": &f.flags.Key,
	} {
		if flag := c.Flags().Lookup(name); flag != nil {
			*to = flag.Value.String()
		}
	}
	client, err := f.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(contextOf(c)), completionTimeout)
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

func (env *environment) completeTasks(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return env.completeTasksThat(c, args, func(*cluster.TaskInfo) bool { return true })
}

// completeRuns completes the names of tasks that run to their end.
func (env *environment) completeRuns(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return env.completeTasksThat(c, args, func(t *cluster.TaskInfo) bool { return t.Runs })
}

func (env *environment) completeTasksThat(
	c *cobra.Command,
	args []string,
	are func(*cluster.TaskInfo) bool,
) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return env.complete(c, func(state *cluster.State) (names []string) {
		for i := range state.Tasks {
			if are(&state.Tasks[i]) {
				names = append(names, state.Tasks[i].Name)
			}
		}
		return names
	})
}

// completeWorkers completes names of workers, such as test01#0, that begin with the text.
func (env *environment) completeWorkers(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	return env.completeSlots(c, args, text, false)
}

// completeTasksAndWorkers completes the names of tasks, and after a # those of the task's workers.
func (env *environment) completeTasksAndWorkers(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	return env.completeSlots(c, args, text, true)
}

// maxCompleted bounds the number of names.
const maxCompleted = 200

func (env *environment) completeSlots(c *cobra.Command, args []string, text string, tasks bool) ([]string, cobra.ShellCompDirective) {
	if tasks && !strings.Contains(text, "#") {
		return env.completeTasks(c, args, text)
	}
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return env.complete(c, func(state *cluster.State) (names []string) {
		seen := map[string]bool{} // runs of one task have workers with the same names
		for i := range state.Workers {
			w := &state.Workers[i]
			name := cluster.Slot{Task: w.Task, Index: w.Index}.String()
			if strings.HasPrefix(name, text) && !seen[name] && len(names) < maxCompleted {
				seen[name] = true
				names = append(names, name)
			}
		}
		return names
	})
}

func (env *environment) completeNodes(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return env.complete(c, func(state *cluster.State) (names []string) {
		for _, n := range state.Nodes {
			names = append(names, n.Name)
		}
		return names
	})
}

// completeOneOf completes one of several words.
func completeOneOf[T ~string](words []T) cobra.CompletionFunc {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = string(word)
	}
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}
