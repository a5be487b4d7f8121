package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

func taskPath(task, what string) string { return "/api/v1/tasks/" + url.PathEscape(task) + what }
func nodePath(node, what string) string { return "/api/v1/nodes/" + url.PathEscape(node) + what }

func (s *shell) scale() *cobra.Command {
	c := &cobra.Command{
		Use: "scale TASK N", Short: "Sets the number of a task's workers, until it is reset",
		Long: `Sets the number of a task's workers, until it is reset. Workers are told their number: all of them stop before the first
one with the new number starts. With resize = "live" they are not told it, and those that stay run on. Of a task that runs
to its end the next run has the number. --dry-run shows what restarts.`,
		Args: args("TASK", "N"), ValidArgsFunction: s.completeTasks,
		Example: `  xconsumer scale test01 8 --wait
  xconsumer scale test01 8 --dry-run`,
	}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 0 || n > cluster.MaxWorkers {
			return fmt.Errorf("%w: %q is no number of workers: want 0 to %d", config.ErrUsage, args[1], cluster.MaxWorkers)
		}
		w.effect = w.resizes(c.Context(), args[0], n)
		return w.do(c.Context(), client.Request{Path: taskPath(args[0], "/scale"), Body: map[string]any{"workers": n}}, cluster.Scale(args[0], n))
	}
	return c
}

// resizes returns what another number of workers does to those that a task has now.
func (w *wish) resizes(ctx context.Context, task string, n int) func(*client.Accepted) string {
	api, err := w.client()
	if err != nil || w.dryRun || w.format != "table" {
		return nil
	}
	var now cluster.TaskDetail
	_, err = api.Get(ctx, taskPath(task, ""), nil, &now)
	return func(accepted *client.Accepted) string {
		switch {
		case err != nil || accepted.Repeated || now.WorkerNum == n:
			return ""
		case now.Runs:
			return fmt.Sprintf("the next run of %s has %s; a run that goes on keeps its number", task, plural.Of(n, "worker"))
		case now.Paused || now.Unplaced >= now.WorkerNum || n == 0: // none runs, or will
			return ""
		case now.Declared.Resize == cluster.ResizeLive:
			return fmt.Sprintf("the workers of %s that stay run on: resize is \"live\"", task)
		}
		return fmt.Sprintf("all workers of %s restart, since they are told their number", task)
	}
}

// onTask is a command that does something with a task.
func (s *shell) onTask(verb, short string, plans func(task string) cluster.Operation) *cobra.Command {
	c := &cobra.Command{Use: verb + " TASK", Short: short, Args: args("TASK"), ValidArgsFunction: s.completeTasks}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return w.do(c.Context(), client.Request{Path: taskPath(args[0], "/"+verb)}, plans(args[0]))
	}
	return c
}

func (s *shell) pause() *cobra.Command {
	return s.onTask("pause", "Stops the workers of a task until it is resumed", cluster.Pause)
}

func (s *shell) resume() *cobra.Command {
	return s.onTask("resume", "Lets the workers of a task run", cluster.Resume)
}

func (s *shell) reset() *cobra.Command {
	return s.onTask("reset", "Takes back what scale, pause and resume did to a task", cluster.Reset)
}

func (s *shell) restart() *cobra.Command {
	c := &cobra.Command{
		Use:               "restart [TASK[#INDEX]]",
		Short:             "Restarts workers: all of a task, one, or with --node all of a node",
		Args:              args("[TASK[#INDEX]]"),
		ValidArgsFunction: s.completeTasksAndWorkers,
		Example: `  xconsumer restart test01
  xconsumer restart test01#0
  xconsumer restart --node n1`,
	}
	w := s.wish(c)
	node := c.Flags().String("node", "", "all workers of this node")
	_ = c.RegisterFlagCompletionFunc("node", s.completeNodes)
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case (*node == "") == (len(args) == 0):
			return fmt.Errorf("%w: name a task, a worker, or a node with --node", config.ErrUsage)
		case *node != "":
			w.effect = w.restarts(c.Context(), logTarget{}, *node)
			return w.do(c.Context(), client.Request{Path: nodePath(*node, "/restart")})
		}
		target, err := logTargetOf(args[0], "")
		if err != nil {
			return err
		}
		w.effect = w.restarts(c.Context(), target, "")
		if !target.one {
			return w.do(c.Context(), client.Request{Path: taskPath(args[0], "/restart")})
		}
		path, err := workerPath(args[0])
		if err != nil {
			return err
		}
		return w.do(c.Context(), client.Request{Path: path + "/restart"})
	}
	return c
}

// restarts returns what a restart of workers, or of all that a node has, does to those that there are: nothing, if none runs.
func (w *wish) restarts(ctx context.Context, target logTarget, node string) func(*client.Accepted) string {
	api, err := w.client()
	if err != nil || w.format != "table" {
		return nil
	}
	now, _, err := api.State(ctx)
	return func(accepted *client.Accepted) string {
		of := now.Workers
		if node == "" {
			of = target.of(of)
		}
		some := slices.ContainsFunc(of, func(w cluster.WorkerInfo) bool {
			return w.Node != "" && (node == "" || w.Node == node) || node == "" && w.Kept()
		})
		switch {
		case err != nil || accepted.Repeated || some:
			return ""
		case node != "":
			return fmt.Sprintf("node %s has no workers: nothing was restarted", node)
		case target.hasRuns(&now):
			return fmt.Sprintf("no run of %s is under way: nothing was restarted", target.task)
		}
		return fmt.Sprintf("no node has %s: nothing was restarted", target.described())
	}
}

// workerPath is the path of a worker that is named as in test01#0.
func workerPath(name string) (string, error) {
	task, index, found := strings.Cut(name, "#")
	if n, err := strconv.Atoi(index); !found || err != nil || n < 0 || task == "" {
		return "", notAWorker(name)
	}
	return "/api/v1/workers/" + url.PathEscape(task) + "/" + index, nil
}

// notAWorker is the error of a name that is to be a worker's.
func notAWorker(name string) error {
	task, _, _ := strings.Cut(name, "#")
	return fmt.Errorf("%w: %q: want a worker, as in %s#0", config.ErrUsage, name, cmp.Or(task, "test01"))
}

func (s *shell) runNow() *cobra.Command {
	c := &cobra.Command{
		Use: "run-now TASK", Short: "Begins a run of a task that runs to its end", Args: args("TASK"), ValidArgsFunction: s.completeRuns,
		Example: `  xconsumer run-now nightly --wait=10m
  xconsumer run-now nightly --params '{"day": "2026-11-25"}'`,
	}
	w := s.wish(c)
	params := c.Flags().String("params", "", "a JSON object in place of the task's params")
	c.RunE = func(c *cobra.Command, args []string) error {
		paused := w.paused(c.Context(), args[0])
		w.effect = func(accepted *client.Accepted) string {
			text := "run " + cluster.RunTask(args[0], accepted.Revision)
			if paused {
				text += "\n" + args[0] + " is paused: the run begins when the task is resumed"
			}
			return text
		}
		var p cluster.Params
		if *params != "" {
			if err := json.Unmarshal([]byte(*params), &p); err != nil {
				return fmt.Errorf("%w: --params: %w", config.ErrUsage, err)
			}
		}
		return w.do(c.Context(), client.Request{Path: taskPath(args[0], "/run-now"), Body: map[string]any{"params": p}})
	}
	return c
}

// paused reports whether a task is known to be paused.
func (w *wish) paused(ctx context.Context, task string) bool {
	api, err := w.client()
	if err != nil {
		return false
	}
	var now cluster.TaskDetail
	_, err = api.Get(ctx, taskPath(task, ""), nil, &now)
	return err == nil && now.Paused
}

func (s *shell) delete() *cobra.Command {
	c := &cobra.Command{
		Use:               "delete TASK",
		Short:             "Deletes a task, and what is known of its runs",
		Args:              args("TASK"),
		ValidArgsFunction: s.completeTasks,
	}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := w.confirmFor(c.Context(), taskPath(args[0], ""), "delete task "+args[0]+", and stop its workers"); err != nil {
			return err
		}
		return w.do(c.Context(), client.Request{Method: http.MethodDelete, Path: taskPath(args[0], "")}, cluster.Delete(args[0]))
	}
	return c
}

func (s *shell) move() *cobra.Command {
	c := &cobra.Command{
		Use: "move TASK#INDEX NODE", Short: "Moves a worker to a node, and another one out of its way", Args: args("TASK#INDEX", "NODE"),
		ValidArgsFunction: func(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return s.completeNodes(c, nil, text)
			}
			return s.completeWorkers(c, args, text)
		},
	}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := workerPath(args[0])
		if err != nil {
			return err
		}
		task, index, _ := strings.Cut(args[0], "#")
		n, _ := strconv.Atoi(index) // which workerPath has read
		return w.do(
			c.Context(),
			client.Request{Path: path + "/move", Body: map[string]any{"to": args[1]}},
			cluster.Move(cluster.Slot{Task: task, Index: n}, args[1]),
		)
	}
	return c
}

// onNode is a command that does something with a node.
func (s *shell) onNode(verb, short string, plans func(node string) cluster.Operation) *cobra.Command {
	c := &cobra.Command{Use: verb + " NODE", Short: short, Args: args("NODE"), ValidArgsFunction: s.completeNodes}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return w.do(c.Context(), client.Request{Path: nodePath(args[0], "/"+verb)}, plans(args[0]))
	}
	return c
}

func (s *shell) cordon() *cobra.Command {
	return s.onNode("cordon", "Gives a node nothing new; what it has stays", cluster.Cordon)
}

func (s *shell) uncordon() *cobra.Command {
	return s.onNode("uncordon", "Lets a node take work again; ends a drain or a quarantine, too", cluster.Uncordon)
}

func (s *shell) drain() *cobra.Command {
	c := &cobra.Command{
		Use:               "drain [NODE]",
		Short:             "Moves away what a node has, and gives it nothing new until it is uncordoned",
		Args:              args("[NODE]"),
		ValidArgsFunction: s.completeNodes,
		Example: `  xconsumer drain n1 --wait
  xconsumer drain n1 --deadline 10m
  xconsumer drain --self --wait          # before it leaves, as in a preStop hook; with run --uncordon`,
	}
	self := c.Flags().Bool("self", false, "the node that is asked")
	w := s.wish(c).planned(c)
	deadline := c.Flags().Duration("deadline", 0, "how long what no other node can take may stay (default for ever)")
	notNegative(c, "deadline", deadline)
	c.RunE = func(c *cobra.Command, args []string) error {
		if *self == (len(args) == 1) {
			return fmt.Errorf("%w: drain takes the name of a node, or --self", config.ErrUsage)
		}
		if *self {
			api, err := w.client()
			if err != nil {
				return err
			}
			health, err := api.Health(c.Context(), false)
			if err != nil {
				return advise(err)
			}
			args = []string{health.Node}
		}
		body := map[string]any{"deadline": cluster.Duration(*deadline)}
		if *deadline == 0 {
			body = map[string]any{}
		}
		return w.do(c.Context(), client.Request{Path: nodePath(args[0], "/drain"), Body: body}, cluster.Drain(args[0], *deadline))
	}
	return c
}

func (s *shell) evict() *cobra.Command {
	c := &cobra.Command{
		Use:               "evict NODE",
		Short:             "Ends the membership of a node: its workers stop, and it joins again",
		Args:              args("NODE"),
		ValidArgsFunction: s.completeNodes,
	}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := w.confirmFor(
			c.Context(),
			nodePath(args[0], ""),
			"evict "+args[0]+": its workers stop, and run nowhere until its lease is over for certain",
		); err != nil {
			return err
		}
		return w.do(c.Context(), client.Request{Path: nodePath(args[0], "/evict")}, cluster.Evict(args[0]))
	}
	return c
}

func (s *shell) label() *cobra.Command {
	c := &cobra.Command{
		Use:               "label NODE KEY=VALUE...",
		Short:             "Changes the labels of a node, whatever its configuration says",
		Args:              args("NODE", "KEY=VALUE..."),
		ValidArgsFunction: s.completeNodes,
		Long:              "Changes the labels of a node, whatever its configuration says: KEY=VALUE sets one, KEY- hides one that it has, KEY~ puts its own in force again.",
	}
	w := s.wish(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		labels, err := labelChanges(args[1:])
		if err != nil {
			return err
		}
		return w.do(
			c.Context(),
			client.Request{Path: nodePath(args[0], "/label"), Body: map[string]any{"labels": labels}},
			cluster.Label(args[0], labels),
		)
	}
	return c
}

// labelChanges reads changes of labels.
func labelChanges(list []string) (map[string]*string, error) {
	labels := map[string]*string{}
	for _, text := range list {
		key, value, set := strings.Cut(text, "=")
		switch {
		case set && value != "":
			labels[key] = &value
		case strings.HasSuffix(text, "-"):
			labels[strings.TrimSuffix(text, "-")] = new("")
		case strings.HasSuffix(text, "~"):
			labels[strings.TrimSuffix(text, "~")] = nil
		default:
			return nil, fmt.Errorf("%w: %q: want KEY=VALUE, KEY- or KEY~", config.ErrUsage, text)
		}
	}
	return labels, nil
}

func (s *shell) moveNow() *cobra.Command {
	c := &cobra.Command{Use: "move-now", Short: "Lets no delay or freeze hold the work of nodes that are gone", Args: args()}
	w := s.wish(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return w.do(c.Context(), client.Request{Path: "/api/v1/moves/now"})
	}
	return c
}

func (s *shell) healthcheck() *cobra.Command {
	c := &cobra.Command{
		Use: "healthcheck", Short: "Exits with 0 if the node answers, or with --ready if it is a member at work", Args: args(),
	}
	f, o := s.server(c), outputFlag(c)
	ready := c.Flags().Bool("ready", false, "wants it to be a member at work")
	c.RunE = func(c *cobra.Command, _ []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		began := time.Now()
		health, err := api.Health(c.Context(), *ready)
		if err != nil {
			return advise(err)
		}
		if len(health.Reasons) > 0 {
			return fmt.Errorf("%s is %s: %s", health.Node, health.Status, strings.Join(health.Reasons, "; "))
		}
		return o.Print(
			s.Out,
			health,
			fmt.Sprintf("%s: %s after %v\n", health.Node, health.Status, time.Since(began).Round(time.Millisecond)),
			health.Node,
		)
	}
	return c
}
