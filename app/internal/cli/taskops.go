package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/logview"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

func taskPath(task, what string) string { return "/api/v1/tasks/" + url.PathEscape(task) + what }

func scaleCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "scale TASK N", Short: "Scale a task: set its number of workers until it is reset",
		Long: `Scale a task: set its number of workers until it is reset. Workers are given this number, so all of them
stop before the first one with the new number starts. With resize = "live" they are not given it, and those that stay
run on. If the task runs to its end, the next run has the new number. --dry-run shows what restarts.`,
		Args: args("TASK", "N"), ValidArgsFunction: env.completeTasks,
		Example: `  xconsumer scale test01 8 --wait
  xconsumer scale test01 8 --dry-run`,
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		n, err := strconv.Atoi(args[1])
		if err != nil || n < 0 || n > cluster.MaxWorkers {
			return fmt.Errorf("%w: invalid number of workers %q (want 0 to %d)", config.ErrUsage, args[1], cluster.MaxWorkers)
		}
		m.effect = m.resizes(c.Context(), args[0], n)
		return m.do(c.Context(), client.Request{Path: taskPath(args[0], "/scale"), Body: map[string]any{"workers": n}}, cluster.Scale(args[0], n))
	}
	return c
}

// resizes returns the effect of another number of workers on those that the task has now.
func (m *mutation) resizes(ctx context.Context, task string, n int) func(*client.Accepted) string {
	api, err := m.client()
	if err != nil || m.dryRun || m.ForPrograms() {
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
		case now.Paused || now.Unplaced >= now.WorkerNum || n == 0: // no worker runs before, or after
			return ""
		case now.Declared.Resize == cluster.ResizeLive:
			return fmt.Sprintf("the workers of %s that stay run on: resize is \"live\"", task)
		}
		return fmt.Sprintf("all workers of %s restart, because their number changes", task)
	}
}

// onTask returns a command with one task as its argument.
func onTask(env *environment, verb, short string, plans func(task string) cluster.Operation) *cobra.Command {
	c := &cobra.Command{
		Use: verb + " TASK", Short: short, Args: args("TASK"), ValidArgsFunction: env.completeTasks,
		Example: "  xconsumer " + verb + " test01\n  xconsumer " + verb + " test01 --dry-run",
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		return m.do(c.Context(), client.Request{Path: taskPath(args[0], "/"+verb)}, plans(args[0]))
	}
	return c
}

func pauseCommand(env *environment) *cobra.Command {
	return onTask(env, "pause", "Stop the workers of a task until it is resumed", cluster.Pause)
}

func resumeCommand(env *environment) *cobra.Command {
	return onTask(env, "resume", "Run the workers of a paused task again", cluster.Resume)
}

func resetCommand(env *environment) *cobra.Command {
	return onTask(env, "reset", "Undo what scale, pause and resume did to a task", cluster.Reset)
}

func restartCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:               "restart [TASK[#INDEX]]",
		Short:             "Restart workers: all of a task, one, or with --node all of a node",
		Args:              args("[TASK[#INDEX]]"),
		ValidArgsFunction: env.completeTasksAndWorkers,
		Example: `  xconsumer restart test01
  xconsumer restart test01#0
  xconsumer restart --node n1`,
	}
	m := env.mutation(c)
	node := c.Flags().String("node", "", "node whose workers restart")
	_ = c.RegisterFlagCompletionFunc("node", env.completeNodes)
	c.RunE = func(c *cobra.Command, args []string) error {
		switch {
		case (*node == "") == (len(args) == 0):
			return fmt.Errorf("%w: name a task, a worker, or a node with --node", config.ErrUsage)
		case *node != "":
			m.effect = m.restarts(c.Context(), logview.Target{}, *node)
			return m.do(c.Context(), client.Request{Path: nodePath(*node, "/restart")})
		}
		target, ok := logview.ParseTarget(args[0], "")
		if !ok {
			return notAWorker(args[0])
		}
		m.effect = m.restarts(c.Context(), target, "")
		if !target.One {
			return m.do(c.Context(), client.Request{Path: taskPath(args[0], "/restart")})
		}
		path, err := workerPath(args[0])
		if err != nil {
			return err
		}
		return m.do(c.Context(), client.Request{Path: path + "/restart"})
	}
	return c
}

// restarts returns the effect of a restart of workers, or of all workers of a node: it reports that none has restarted.
func (m *mutation) restarts(ctx context.Context, target logview.Target, node string) func(*client.Accepted) string {
	api, err := m.client()
	if err != nil || m.ForPrograms() {
		return nil
	}
	now, _, err := api.State(ctx)
	return func(accepted *client.Accepted) string {
		of := now.Workers
		if node == "" {
			of = target.Of(of)
		}
		some := slices.ContainsFunc(of, func(w cluster.WorkerInfo) bool {
			return w.Node != "" && (node == "" || w.Node == node) || node == "" && w.Kept()
		})
		switch {
		case err != nil || accepted.Repeated || some:
			return ""
		case node != "":
			return fmt.Sprintf("node %s has no workers: nothing was restarted", node)
		case target.HasRuns(&now):
			return fmt.Sprintf("no run of %s is under way: nothing was restarted", target.Task)
		}
		return fmt.Sprintf("no node has %s: nothing was restarted", target)
	}
}

// workerPath returns the path of a worker in the API from a name such as test01#0.
func workerPath(name string) (string, error) {
	task, index, found := strings.Cut(name, "#")
	if n, err := strconv.Atoi(index); !found || err != nil || n < 0 || task == "" {
		return "", notAWorker(name)
	}
	return "/api/v1/workers/" + url.PathEscape(task) + "/" + index, nil
}

// notAWorker is the error of a name that does not name a worker.
func notAWorker(name string) error {
	task, _, _ := strings.Cut(name, "#")
	return fmt.Errorf("%w: invalid worker %q (want for example %s#0)", config.ErrUsage, name, cmp.Or(task, "test01"))
}

func runNowCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "run-now TASK", Short: "Start a run of a task that runs to its end", Args: args("TASK"), ValidArgsFunction: env.completeRuns,
		Long: `Start a run of a task that runs to its end. With --wait the command returns when the run is over, and exits with 7 if
the run has failed.`,
		Example: `  xconsumer run-now nightly --wait=10m
  xconsumer run-now nightly --params '{"day": "2026-11-25"}'`,
	}
	m := env.mutation(c)
	params := c.Flags().String("params", "", "JSON object in place of the task's params")
	c.RunE = func(c *cobra.Command, args []string) error {
		paused := m.paused(c.Context(), args[0])
		var answer client.Accepted
		m.effect = func(accepted *client.Accepted) string {
			answer = *accepted
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
		err := m.do(c.Context(), client.Request{Path: taskPath(args[0], "/run-now"), Body: map[string]any{"params": p}})
		if err != nil || m.wait == 0 {
			return err
		}
		return m.resultOf(c.Context(), args[0], answer.Revision)
	}
	return c
}

// ErrRunFailed reports that the run that --wait waited for has failed.
var ErrRunFailed = errors.New("the run has failed")

// resultOf returns an error unless a run that is over is done.
func (m *mutation) resultOf(ctx context.Context, task, id string) error {
	api, err := m.client()
	if err != nil {
		return err
	}
	var list client.Runs
	if _, err := api.Get(ctx, taskPath(task, "/runs"), nil, &list); err != nil {
		return withHint(ctx, api, err)
	}
	for _, r := range list.Runs {
		switch {
		case r.ID != id:
		case r.State == cluster.RunDone:
			return nil
		default:
			return fmt.Errorf("%w: %s: %d of %s failed; error of %s\nFurther errors are in the logs: `xconsumer logs %s --run %s`",
				ErrRunFailed, cluster.RunTask(task, id), r.Failed, plural.Of(r.WorkerNum, "worker"), r.Error, task, id)
		}
	}
	return fmt.Errorf("the result of run %s is unknown: the run is over, and its record is gone; see `xconsumer runs %s`", id, task)
}

// paused reports whether a task is paused. It returns false if no node answers.
func (m *mutation) paused(ctx context.Context, task string) bool {
	api, err := m.client()
	if err != nil {
		return false
	}
	var now cluster.TaskDetail
	_, err = api.Get(ctx, taskPath(task, ""), nil, &now)
	return err == nil && now.Paused
}

func deleteCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use:   "delete TASK",
		Short: "Delete a task, and the records of its runs",
		Example: `  xconsumer delete test01
  xconsumer delete test01 --yes --wait`,
		Args:              args("TASK"),
		ValidArgsFunction: env.completeTasks,
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := m.confirmFor(c.Context(), taskPath(args[0], ""), "delete task "+args[0]+", and stop its workers"); err != nil {
			return err
		}
		return m.do(c.Context(), client.Request{Method: http.MethodDelete, Path: taskPath(args[0], "")}, cluster.Delete(args[0]))
	}
	return c
}

func moveCommand(env *environment) *cobra.Command {
	c := &cobra.Command{
		Use: "move TASK#INDEX NODE", Short: "Move a worker to a node, and another worker out of its way", Args: args("TASK#INDEX", "NODE"),
		Example: `  xconsumer move test01#0 n2
  xconsumer move test01#0 n2 --dry-run`,
		ValidArgsFunction: func(c *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return env.completeNodes(c, nil, text)
			}
			return env.completeWorkers(c, args, text)
		},
	}
	m := env.mutation(c).planned(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		path, err := workerPath(args[0])
		if err != nil {
			return err
		}
		task, index, _ := strings.Cut(args[0], "#")
		n, _ := strconv.Atoi(index) // workerPath has checked it
		return m.do(
			c.Context(),
			client.Request{Path: path + "/move", Body: map[string]any{"to": args[1]}},
			cluster.Move(cluster.Slot{Task: task, Index: n}, args[1]),
		)
	}
	return c
}
