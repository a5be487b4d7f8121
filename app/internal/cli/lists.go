package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

func tasksCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "tasks [TASK]",
		Short:             "Shows the tasks, or all that is declared of one",
		Args:              args("[TASK]"),
		ValidArgsFunction: env.completeTasks,
	}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return queryOne(c.Context(), q, "/api/v1/tasks/"+url.PathEscape(args[0]), nil, func(t *cluster.TaskDetail, b *bytes.Buffer) {
				tasksWithOverrides([]cluster.TaskDetail{*t}).write(b, env.width())
				b.WriteByte('\n')
				fields(b, "declared", t.Declared)
				if t.Override != (cluster.Override{}) {
					fields(b, "override", t.Override)
				}
				fmt.Fprintf(b, "revision  %s\n", t.Revision)
			}, func(t *cluster.TaskDetail) []string { return []string{t.Name} })
		}
		return queryOne(c.Context(), q, "/api/v1/tasks", nil, func(list *client.Tasks, b *bytes.Buffer) {
			tasksWithOverrides(list.Tasks).write(b, env.width())
		}, func(list *client.Tasks) (names []string) {
			for _, t := range list.Tasks {
				names = append(names, t.Name)
			}
			return names
		})
	}
	return c
}

// tasksWithOverrides lists the tasks, with what operators have set of them if they have of any.
func tasksWithOverrides(tasks []cluster.TaskDetail) table {
	infos := make([]cluster.TaskInfo, len(tasks))
	for i := range tasks {
		infos[i] = tasks[i].TaskInfo
	}
	rows := tasksOf(infos)
	if !slices.ContainsFunc(tasks, func(t cluster.TaskDetail) bool { return overrideText(t.Override) != "" }) {
		return rows
	}
	rows[0] = slices.Insert(rows[0], 3, "OVERRIDE") // behind the number of workers
	for i := range tasks {
		rows[i+1] = slices.Insert(rows[i+1], 3, dash(overrideText(tasks[i].Override)))
	}
	return rows
}

// overrideText says what an operator has set of a task, "" for nothing.
func overrideText(o cluster.Override) string {
	var list []string
	if o.WorkerNum != nil {
		list = append(list, plural.Of(*o.WorkerNum, "worker"))
	}
	switch {
	case o.Paused == nil:
	case *o.Paused:
		list = append(list, "paused")
	default:
		list = append(list, "resumed")
	}
	return strings.Join(list, ", ")
}

func nodesCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "nodes [NODE]",
		Short:             "Shows the nodes, or all that is known of one",
		Args:              args("[NODE]"),
		ValidArgsFunction: env.completeNodes,
	}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return queryOne(c.Context(), q, "/api/v1/nodes/"+url.PathEscape(args[0]), nil, func(n *cluster.NodeInfo, b *bytes.Buffer) {
				env.nodesOf([]cluster.NodeInfo{*n}).write(b, env.width())
				b.WriteByte('\n')
				fields(b, "node", n)
			}, func(n *cluster.NodeInfo) []string { return []string{n.Name} })
		}
		return queryOne(c.Context(), q, "/api/v1/nodes", nil, func(list *client.Nodes, b *bytes.Buffer) {
			env.nodesOf(append(list.Nodes, list.Lost...)).write(b, env.width())
		}, func(list *client.Nodes) (names []string) {
			for _, n := range list.Nodes {
				names = append(names, n.Name)
			}
			return names
		})
	}
	return c
}

func (env *environment) nodesOf(list []cluster.NodeInfo) table {
	t := table{{"NODE", "STATE", "SLOTS", "LOAD", "CAPACITY", "WORKS", "LABELS", "ADDRESS"}}
	for _, n := range list {
		name := n.Name
		if n.Leader {
			name += " (leader)"
		}
		t.add(name, nodeState(n), n.Slots, n.Load, number(n.Capacity), strings.Join(n.Works, ","), labelText(n.Labels), addressOf(&n))
	}
	return t
}

// addressOf returns where a node is reached: what it listens on is of no use to others if that is every address.
func addressOf(n *cluster.NodeInfo) string { return cmp.Or(n.Advertise, n.Address) }

func workersCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "workers [TASK[#INDEX]]",
		Short:             "Shows workers: all, those of a task, or one",
		Args:              args("[TASK[#INDEX]]"),
		ValidArgsFunction: env.completeTasksAndWorkers,
		Example: `  xconsumer workers test01
  xconsumer workers --node n1 --state backoff`,
	}
	q := env.query(c)
	node := c.Flags().String("node", "", "on this node")
	state := c.Flags().String("state", "", "in this state")
	_ = c.RegisterFlagCompletionFunc("node", env.completeNodes)
	_ = c.RegisterFlagCompletionFunc("state", completeOneOf(cluster.WorkerStates()))
	c.RunE = func(c *cobra.Command, args []string) error {
		query := url.Values{"node": {*node}, "state": {*state}}
		only := ""
		if len(args) > 0 {
			task, index, one := strings.Cut(args[0], "#")
			if query.Set("task", task); one {
				if _, err := workerPath(args[0]); err != nil {
					return err
				}
				only = index
			}
		}
		for name := range query {
			if query.Get(name) == "" {
				query.Del(name)
			}
		}
		return q.run(c.Context(), func(ctx context.Context, api *client.Client, out io.Writer) error {
			var list client.Workers
			raw, err := api.Get(ctx, "/api/v1/workers", query, &list)
			if isNotTaken(err) && len(args) > 0 { // its task is what is asked for, no filter
				err = cmp.Or(missingWorkers(ctx, api, args[0], false), err)
			}
			if err != nil {
				return err
			}
			t := table{{"WORKER", "NODE", "STATE", "SINCE", "TOKEN", "RESTARTS", "LAST ERROR"}}
			var names []string
			for i := range list.Workers {
				if w := &list.Workers[i]; only == "" || fmt.Sprint(w.Index) == only {
					t.add(w.Slot(), w.Node, w.State, clock(w.Since), w.Token, w.Restarts, oneLine(w.Error))
					names = append(names, w.Slot().String())
				}
			}
			if len(names) == 0 && len(args) > 0 {
				if err := missingWorkers(ctx, api, args[0], *node == "" && *state == ""); err != nil {
					return err
				}
			}
			return q.print(out, raw, func(b *bytes.Buffer) { t.write(b, env.width()) }, names)
		})
	}
	return c
}

// missingWorkers says why there is no worker of a name, nil where its task has none just now. One that was asked for by
// its index, with nothing that leaves others out, is not there.
func missingWorkers(ctx context.Context, api *client.Client, name string, all bool) error {
	task, _, one := strings.Cut(name, "#")
	var detail cluster.TaskDetail
	if _, err := api.Get(ctx, "/api/v1/tasks/"+url.PathEscape(task), nil, &detail); err != nil {
		return err
	}
	if one && all {
		return fmt.Errorf("%w: %s; see `xconsumer workers %s` for those that there are", cluster.ErrNoSlot, name, task)
	}
	return nil
}

func runsCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "runs TASK",
		Short:             "Shows the runs of a task, the last one last",
		Args:              args("TASK"),
		ValidArgsFunction: env.completeRuns,
	}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return q.run(c.Context(), func(ctx context.Context, api *client.Client, out io.Writer) error {
			var list client.Runs
			raw, err := api.Get(ctx, taskPath(args[0], "/runs"), nil, &list)
			if err != nil {
				return err
			}
			var task cluster.TaskDetail
			if len(list.Runs) == 0 {
				if _, err := api.Get(ctx, taskPath(args[0], ""), nil, &task); err != nil {
					return err
				}
			}
			var now cluster.State
			if q.format == "table" && slices.ContainsFunc(list.Runs, func(r cluster.RunInfo) bool { return r.State == cluster.RunGoesOn }) {
				if now, _, err = api.State(ctx); err != nil {
					return err
				}
			}
			var names []string
			for _, r := range list.Runs {
				if r.State != cluster.RunSkipped {
					names = append(names, r.ID)
				}
			}
			return q.print(out, raw, func(b *bytes.Buffer) {
				if len(list.Runs) == 0 {
					fmt.Fprintln(b, noRuns(&task))
					return
				}
				runsOf(list.Runs, now.Workers).write(b, env.width())
			}, names)
		})
	}
	return c
}

// runsOf lists runs; of those under way, with what their workers do again.
func runsOf(list []cluster.RunInfo, workers []cluster.WorkerInfo) table {
	t := table{{"RUN", "STATE", "DONE", "FAILED", "OF", "BEGAN", "TOOK", "BY", "ERROR OR REASON"}}
	for _, r := range list {
		if r.State == cluster.RunSkipped {
			t.add(r.ID, r.State, "-", "-", "-", "-", "", "", oneLine(r.Reason))
			continue
		}
		took := ""
		if !r.Ended.IsZero() {
			took = r.Ended.Sub(r.Began).Round(time.Millisecond).String()
		}
		t.add(r.ID, r.State, r.Done, r.Failed, r.WorkerNum, clock(r.Began), took, r.By, oneLine(cmp.Or(r.Error, retried(&r, workers))))
	}
	return t
}

// retried says of a run under way which of its workers has failed most often, and is tried again; "" if none has.
func retried(r *cluster.RunInfo, workers []cluster.WorkerInfo) string {
	var most *cluster.WorkerInfo
	for i := range workers {
		w := &workers[i]
		if w.Task == r.Task && w.Run == r.ID && w.Restarts > 0 && w.State != cluster.WorkerGivenUp &&
			(most == nil || w.Restarts > most.Restarts) {
			most = w
		}
	}
	if most == nil {
		return ""
	}
	return fmt.Sprintf("%d: %s so far: %s", most.Index, plural.Of(most.Restarts, "failed attempt"), most.Error)
}

// noRuns says why a task has no runs, and what there is to look at or to do instead.
func noRuns(t *cluster.TaskDetail) string {
	none := fmt.Sprintf("task %s has no runs yet", t.Name)
	switch {
	case !t.Runs:
		return fmt.Sprintf("task %s is continuous and has no runs; see `xconsumer workers %[1]s` and `xconsumer logs %[1]s`", t.Name)
	case t.Paused:
		return fmt.Sprintf("%s: it is paused; `xconsumer resume %s` lets it run", none, t.Name)
	case !t.NextRun.IsZero():
		return fmt.Sprintf("%s; the first one is due at %s (%s)", none, t.NextRun.Local().Format("2006-01-02 15:04:05 MST"), t.Schedule)
	case t.Reason != "":
		return none + ": " + t.Reason
	}
	return fmt.Sprintf("%s; `xconsumer run-now %s` begins one", none, t.Name)
}

func leaderCommand(env *environment) *cobra.Command {
	c := &cobra.Command{Use: "leader", Short: "Shows who leads", Args: args()}
	q := env.query(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return queryOne(c.Context(), q, "/api/v1/leader", nil, func(l *client.Leader, b *bytes.Buffer) {
			if l.Node == "" {
				fmt.Fprintf(b, "nobody leads; the last term was %d\n", l.Term)
				return
			}
			fmt.Fprintf(b, "%s leads term %d\n", l.Node, l.Term)
		}, func(l *client.Leader) []string { return []string{l.Node} })
	}
	down := &cobra.Command{Use: "step-down", Short: "Makes the leader step down and rank last among the candidates", Args: args()}
	m := env.mutation(down)
	down.RunE = func(c *cobra.Command, _ []string) error {
		return m.do(c.Context(), client.Request{Path: "/api/v1/leader/step-down"})
	}
	c.AddCommand(down)
	return c
}
