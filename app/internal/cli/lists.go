package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/logview"
	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func tasksCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "tasks [TASK]",
		Short: "Show the tasks, or all details of one",
		Example: `  xconsumer tasks
  xconsumer tasks test01 -o yaml`,
		Args:              args("[TASK]"),
		ValidArgsFunction: env.completeTasks,
	}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return queryOne(c.Context(), q, "/api/v1/tasks/"+url.PathEscape(args[0]), nil, func(t *cluster.TaskDetail, b *bytes.Buffer) {
				render.Tasks([]cluster.TaskDetail{*t}).Write(b, env.width())
				b.WriteByte('\n')
				render.Fields(b, "declared", t.Declared)
				if t.Override != (cluster.Override{}) {
					render.Fields(b, "override", t.Override)
				}
				fmt.Fprintf(b, "revision  %s\n", t.Revision)
			}, func(t *cluster.TaskDetail) []string { return []string{t.Name} })
		}
		return queryOne(c.Context(), q, "/api/v1/tasks", nil, func(list *client.Tasks, b *bytes.Buffer) {
			render.Tasks(list.Tasks).Write(b, env.width())
		}, func(list *client.Tasks) (names []string) {
			for _, t := range list.Tasks {
				names = append(names, t.Name)
			}
			return names
		})
	}
	return c
}

func nodesCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "nodes [NODE]",
		Short: "Show the nodes, or all details of one",
		Example: `  xconsumer nodes
  xconsumer nodes n1`,
		Args:              args("[NODE]"),
		ValidArgsFunction: env.completeNodes,
	}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return queryOne(c.Context(), q, "/api/v1/nodes/"+url.PathEscape(args[0]), nil, func(n *cluster.NodeInfo, b *bytes.Buffer) {
				render.Nodes([]cluster.NodeInfo{*n}).Write(b, env.width())
				b.WriteByte('\n')
				render.Fields(b, "node", n)
			}, func(n *cluster.NodeInfo) []string { return []string{n.Name} })
		}
		return queryOne(c.Context(), q, "/api/v1/nodes", nil, func(list *client.Nodes, b *bytes.Buffer) {
			render.Nodes(append(list.Nodes, list.Lost...)).Write(b, env.width())
		}, func(list *client.Nodes) (names []string) {
			for _, n := range list.Nodes {
				names = append(names, n.Name)
			}
			return names
		})
	}
	return c
}

func workersCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "workers [TASK[#INDEX]]",
		Short:             "Show workers: all, those of a task, or one",
		Args:              args("[TASK[#INDEX]]"),
		ValidArgsFunction: env.completeTasksAndWorkers,
		Example: `  xconsumer workers test01
  xconsumer workers --node n1 --state backoff`,
	}
	q := env.query(c)
	node := c.Flags().String("node", "", "node of the workers")
	state := c.Flags().String("state", "", "state of the workers")
	_ = c.RegisterFlagCompletionFunc("node", env.completeNodes)
	_ = c.RegisterFlagCompletionFunc("state", completeOneOf(cluster.WorkerStates()))
	c.RunE = func(c *cobra.Command, args []string) error {
		which := workerFilter{node: *node, state: *state}
		if len(args) > 0 {
			task, index, one := strings.Cut(args[0], "#")
			if one {
				if _, err := workerPath(args[0]); err != nil {
					return err
				}
			}
			which.name, which.task, which.index = args[0], task, index
		}
		return q.run(c.Context(), func(ctx context.Context, api *client.Client, out io.Writer) error {
			workers, raw, err := which.workers(ctx, api)
			if err != nil {
				return err
			}
			var names []string
			for i := range workers {
				names = append(names, workers[i].Slot().String())
			}
			return q.WriteAnswer(out, raw, func(b *bytes.Buffer) { render.Workers(workers).Write(b, env.width()) }, names)
		})
	}
	return c
}

// workerFilter selects workers. An empty field selects all.
type workerFilter struct {
	name        string // TASK or TASK#INDEX, as it was given
	task, index string
	node, state string
}

// workers returns the selected workers, and the answer of the node. If no worker can have the given name, the error contains
// the reason.
func (w workerFilter) workers(ctx context.Context, api *client.Client) (list []cluster.WorkerInfo, raw []byte, err error) {
	query := url.Values{}
	for name, value := range map[string]string{"task": w.task, "node": w.node, "state": w.state} {
		if value != "" {
			query.Set(name, value)
		}
	}
	var answer client.Workers
	raw, err = api.Get(ctx, "/api/v1/workers", query, &answer)
	if isNotTaken(err) && w.name != "" { // the task is an argument, and not a filter
		err = cmp.Or(missingWorkers(ctx, api, w.name, false), err)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, one := range answer.Workers {
		if w.index == "" || strconv.Itoa(one.Index) == w.index {
			list = append(list, one)
		}
	}
	if len(list) == 0 && w.name != "" {
		err = missingWorkers(ctx, api, w.name, w.node == "" && w.state == "")
	}
	return list, raw, err
}

// missingWorkers returns why no worker has a name, nil if its task only has none at present. A worker that was named by its
// index does not exist if no filter was given, which all reports.
func missingWorkers(ctx context.Context, api *client.Client, name string, all bool) error {
	task, _, one := strings.Cut(name, "#")
	var detail cluster.TaskDetail
	if _, err := api.Get(ctx, "/api/v1/tasks/"+url.PathEscape(task), nil, &detail); err != nil {
		return err
	}
	if !one || !all {
		return nil
	}
	state, _, err := api.State(ctx)
	if err != nil {
		return err
	}
	target, _ := logview.ParseTarget(name, "") // the command has checked the name
	return target.Missing(&state)
}

func runsCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "runs TASK",
		Short: "Show the runs of a task, the latest one last",
		Example: `  xconsumer runs nightly
  xconsumer runs nightly --watch`,
		Args:              args("TASK"),
		ValidArgsFunction: env.completeRuns,
	}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return q.run(c.Context(), func(ctx context.Context, api *client.Client, out io.Writer) error {
			return showRuns(ctx, q, api, out, args[0])
		})
	}
	return c
}

// showRuns writes the runs of a task; of those under way, with the failed attempts of their workers.
func showRuns(ctx context.Context, q *query, api *client.Client, out io.Writer, name string) error {
	var list client.Runs
	raw, err := api.Get(ctx, taskPath(name, "/runs"), nil, &list)
	if err != nil {
		return err
	}
	var task cluster.TaskDetail
	if len(list.Runs) == 0 {
		if _, err := api.Get(ctx, taskPath(name, ""), nil, &task); err != nil {
			return err
		}
	}
	var now cluster.State
	underWay := func(r cluster.RunInfo) bool { return r.State == cluster.RunGoesOn }
	if !q.ForPrograms() && slices.ContainsFunc(list.Runs, underWay) {
		now, _, err = api.State(ctx)
		if err != nil {
			return err
		}
	}
	var names []string
	for _, r := range list.Runs {
		if r.State != cluster.RunSkipped {
			names = append(names, r.ID)
		}
	}
	return q.WriteAnswer(out, raw, func(b *bytes.Buffer) {
		if len(list.Runs) == 0 {
			fmt.Fprintln(b, render.NoRuns(&task))
			return
		}
		render.Runs(list.Runs, now.Workers).Write(b, q.width())
	}, names)
}

func leaderCommand(env *environment) *cobra.Command {
	c := &cobra.Command{Use: "leader", Short: "Show the leader", Args: args(), Example: "  xconsumer leader"}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return queryOne(c.Context(), q, "/api/v1/leader", nil, func(l *client.Leader, b *bytes.Buffer) {
			if l.Node == "" {
				fmt.Fprintf(b, "no node leads; the last term was %d\n", l.Term)
				return
			}
			fmt.Fprintf(b, "%s leads term %d\n", l.Node, l.Term)
		}, func(l *client.Leader) []string { return []string{l.Node} })
	}
	down := &cobra.Command{
		Use: "step-down", Short: "Make the leader step down and rank last among the candidates", Args: args(),
		Example: "  xconsumer leader step-down --wait",
	}
	m := env.mutation(down)
	down.RunE = func(c *cobra.Command, _ []string) error {
		return m.do(c.Context(), client.Request{Path: "/api/v1/leader/step-down"})
	}
	c.AddCommand(down)
	return c
}
