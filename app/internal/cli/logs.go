package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

func logsCommand(env *environment) *cobra.Command {
	var follow bool
	var lines int
	var run string
	c := &cobra.Command{
		Use:   "logs TASK[#INDEX]",
		Short: "Shows what workers have written, wherever they run",
		Example: `  xconsumer logs test01
  xconsumer logs test01#0 -f`,
		Args: args("TASK[#INDEX]"), ValidArgsFunction: env.completeTasksAndWorkers,
	}
	f, o := env.server(c), outputFlag(c, "table", "json", "yaml")
	goesOn(c, &follow, "follow", "goes on with what they write, wherever they move, and with workers that come")
	c.Flags().IntVarP(&lines, "lines", "n", 50, "so many lines of each worker")
	notNegative(c, "lines", &lines)
	c.Flags().StringVar(&run, "run", "", "of this run (default: those under way)")
	c.RunE = func(c *cobra.Command, args []string) error {
		api, err := f.client()
		if err != nil {
			return err
		}
		target, err := logTargetOf(args[0], run)
		if err != nil {
			return err
		}
		state, _, err := api.State(c.Context())
		if err != nil {
			return withHint(err)
		}
		l := logs{api: api, lines: lines, out: env.Out, errs: env.Err, output: o}
		workers := target.of(state.Workers)
		switch {
		case len(workers) == 0 && run != "" && target.info(&state) != nil:
			if workers, err = l.ofRun(c.Context(), target, &state); err != nil {
				return withHint(err)
			}
		case follow && (len(workers) > 0 || target.hasRuns(&state)):
			return withHint(l.follow(c.Context(), target))
		case len(workers) == 0:
			return target.missing(&state)
		}
		return l.show(c.Context(), target, &state, workers)
	}
	return c
}

// logTarget is whose logs are shown: those of a task, of one of its runs, or of one slot.
type logTarget struct {
	task  string
	index int
	one   bool   // only this index
	run   string // only this run, "" for all
}

func logTargetOf(name, run string) (logTarget, error) {
	task, index, one := strings.Cut(name, "#")
	at, err := strconv.Atoi(index)
	if one && (err != nil || at < 0) {
		return logTarget{}, notAWorker(name)
	}
	return logTarget{task, at, one, run}, nil
}

func (t logTarget) name() string {
	if t.one {
		return t.task + "#" + strconv.Itoa(t.index)
	}
	return t.task
}

// described names what is meant in a sentence.
func (t logTarget) described() string {
	if t.one {
		return "worker " + t.name()
	}
	return "workers of task " + t.name()
}

// of returns the workers that are meant.
func (t logTarget) of(workers []cluster.WorkerInfo) (list []cluster.WorkerInfo) {
	for i := range workers {
		if w := &workers[i]; w.Task == t.task && (!t.one || w.Index == t.index) && (t.run == "" || w.Run == t.run) {
			list = append(list, *w)
		}
	}
	return list
}

// info returns what is known of the task, nil if there is none of that name.
func (t logTarget) info(state *cluster.State) *cluster.TaskInfo {
	for i := range state.Tasks {
		if state.Tasks[i].Name == t.task {
			return &state.Tasks[i]
		}
	}
	return nil
}

// hasRuns reports whether workers of the task come with its runs.
func (t logTarget) hasRuns(state *cluster.State) bool {
	info := t.info(state)
	return info != nil && info.Runs && t.run == ""
}

// missing says why there is no worker that is meant.
func (t logTarget) missing(state *cluster.State) error {
	if t.hasRuns(state) {
		return fmt.Errorf(
			"%w: no run of %s is under way; `xconsumer runs %[2]s` lists those that are over, and xconsumer logs %[2]s#0 --run ID shows the log of one",
			cluster.ErrNoSlot,
			t.task,
		)
	}
	if t.info(state) == nil {
		return fmt.Errorf("%w: %s; see `xconsumer tasks` for those that there are", cluster.ErrNoTask, t.task)
	}
	return fmt.Errorf("%w: %s; see `xconsumer workers` for those that there are", cluster.ErrNoSlot, t.name())
}

// logs shows the logs of workers.
type logs struct {
	api   *client.Client
	lines int // so many of each worker at first
	errs  io.Writer
	past  *cluster.Decisions // about the task, once they were asked for
	*output

	mu    sync.Mutex
	out   io.Writer
	wrote bool // a line
}

// show writes what there is of all logs, one after the other; of one worker without its name. If there is nothing, it says so.
func (l *logs) show(ctx context.Context, target logTarget, state *cluster.State, workers []cluster.WorkerInfo) error {
	width := 0
	for i := range workers {
		width = max(width, len(workers[i].Slot().String()))
	}
	prefix := func(slot cluster.Slot) string { return l.prefix(slot, width, len(workers) > 1) }
	var errs []error
	var left []cluster.WorkerInfo
	for i := range workers {
		slot := workers[i].Slot()
		var err error
		switch {
		case workers[i].Node != "":
			err = l.from(ctx, slot, "", prefix(slot))
		case target.one:
			err = l.left(ctx, &workers[i], prefix(slot))
		default:
			left = append(left, workers[i])
		}
		if err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("%s: %w", slot, err))
		}
	}
	if len(left) > 0 {
		if err := l.manyLeft(ctx, target.info(state), left, len(left) == len(workers), prefix); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("%s: %w", target.task, err))
		}
	}
	if len(errs) == 0 && !l.wrote && l.lines > 0 && ctx.Err() == nil {
		fmt.Fprintln(l.errs, "xconsumer: "+nothingWritten)
	}
	return errors.Join(errs...)
}

// nothingWritten is said in place of a log that is empty.
const nothingWritten = "nothing written yet; a program may buffer its output until several kilobytes have accumulated: run Python with -u, others under stdbuf -oL"

// from shows what a node keeps of a log, "" for the one that has the worker.
func (l *logs) from(ctx context.Context, slot cluster.Slot, node, prefix string) error {
	return l.api.Log(ctx, slot, client.LogQuery{Lines: l.lines, Node: node}, func(line cluster.LogLine) error { return l.write(prefix, line) })
}

// prefix returns what stands before each line of a worker: its name, if there are several or it is for a program.
func (l *logs) prefix(slot cluster.Slot, width int, several bool) string {
	switch {
	case l.Asked():
		return slot.String()
	case several:
		return fmt.Sprintf("%-*s | ", width, slot)
	}
	return ""
}

// workerLine is a line of a log, with the worker that has written it.
type workerLine struct {
	Worker string `json:"worker"`
	cluster.LogLine
}

func (l *logs) write(prefix string, line cluster.LogLine) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrote = true
	if l.Asked() {
		return l.item(l.out, workerLine{prefix, line})
	}
	_, err := fmt.Fprintf(l.out, "%s%s %s\n", prefix, clockMilli(line.At), terminal.Printable(line.Text))
	return err
}

// remark writes a line of the command's own among those of the workers; where these are for a program, beside them.
func (l *logs) remark(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.out
	if l.Asked() {
		out = l.errs
	}
	_, err := fmt.Fprintln(out, terminal.Printable("-- "+fmt.Sprintf(format, args...)))
	return err
}
