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

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

func (s *shell) logs() *cobra.Command {
	var follow bool
	var lines int
	var run string
	c := &cobra.Command{
		Use:   "logs TASK[#INDEX]",
		Short: "Shows what workers have written, wherever they run",
		Example: `  xconsumer logs test01
  xconsumer logs test01#0 -f`,
		Args: args("TASK[#INDEX]"), ValidArgsFunction: s.completeTasks,
	}
	f, o := s.server(c), outputFlag(c, "table", "json", "yaml")
	goesOn(c, &follow, "follow", "goes on with what they write")
	c.Flags().IntVarP(&lines, "lines", "n", 50, "so many lines of each worker")
	notNegative(c, "lines", &lines)
	c.Flags().StringVar(&run, "run", "", "of this run (default: those under way)")
	c.RunE = func(c *cobra.Command, args []string) error {
		client, err := f.client()
		if err != nil {
			return err
		}
		workers, err := workersOf(c.Context(), client, args[0], run)
		if err != nil {
			return advise(err)
		}
		l := logs{client: client, query: httpapi.LogQuery{Lines: lines, Follow: follow}, out: s.Out, output: o}
		return l.show(c.Context(), workers)
	}
	return c
}

// workersOf returns the workers that a name stands for.
func workersOf(ctx context.Context, client *httpapi.Client, name, run string) ([]cluster.WorkerInfo, error) {
	task, index, one := strings.Cut(name, "#")
	at, err := strconv.Atoi(index)
	if one && (err != nil || at < 0) {
		return nil, fmt.Errorf("%w: %q: want a worker as in test01#0", ErrUsage, name)
	}
	state, _, err := client.State(ctx)
	if err != nil {
		return nil, err
	}
	var list []cluster.WorkerInfo
	for _, w := range state.Workers {
		if w.Task == task && (!one || w.Index == at) && (run == "" || w.Run == run) {
			list = append(list, w)
		}
	}
	if len(list) == 0 && one && run != "" { // it may be over
		return []cluster.WorkerInfo{{Task: task, Run: run, Index: at}}, nil
	}
	if len(list) > 0 {
		return list, nil
	}
	for _, t := range state.Tasks {
		if t.Name == task && t.Runs && run == "" {
			return nil, fmt.Errorf("%w: no run of %s is under way; name the worker and a run that is over, as in: xconsumer logs %[2]s#0 --run ID", cluster.ErrNoSlot, task)
		}
	}
	return nil, fmt.Errorf("%w: no worker %s; see xconsumer tasks", cluster.ErrNoSlot, name)
}

// logs shows the logs of workers.
type logs struct {
	client *httpapi.Client
	query  httpapi.LogQuery
	*output

	mu  sync.Mutex
	out io.Writer
}

// show writes all logs, line by line as they come; those of one worker without its name.
func (l *logs) show(ctx context.Context, workers []cluster.WorkerInfo) error {
	width := 0
	for i := range workers {
		width = max(width, len(workers[i].Slot().String()))
	}
	errs := make([]error, len(workers))
	var wait sync.WaitGroup
	for i := range workers {
		slot := workers[i].Slot()
		prefix := l.prefix(slot, width, len(workers) > 1)
		one := func() {
			err := l.client.Log(ctx, slot, l.query, func(line cluster.LogLine) error { return l.write(prefix, line) })
			if err != nil && ctx.Err() == nil {
				errs[i] = fmt.Errorf("%s: %w", slot, err)
			}
		}
		if l.query.Follow {
			wait.Go(one)
		} else {
			one()
		}
	}
	wait.Wait()
	return errors.Join(errs...)
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
	if l.Asked() {
		return l.item(l.out, workerLine{prefix, line})
	}
	_, err := fmt.Fprintf(l.out, "%s%s %s\n", prefix, line.At.Local().Format("15:04:05.000"), printable(line.Text))
	return err
}
