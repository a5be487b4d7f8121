// Package logview shows what workers have written, wherever they run and have run.
//
// # The model
//
//	Target ─▶ state ─┬▶ worker on a node ────▶ the log that this node keeps
//	                 ├▶ worker on no node ───▶ what the node that had it last keeps, and why it runs nowhere
//	                 └▶ follow: the stream says where each slot is; one goroutine a slot reads there, one place after the other
//
// Nodes keep the last lines of each worker in memory. The log of a node that is gone is gone with it: View says so.
package logview

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// View shows the logs of workers. It is used once.
type View struct {
	API      *client.Client
	Lines    int // at most so many of each worker at first
	Out, Err io.Writer
	Output   *render.Output

	past  *cluster.Decisions // about the task, once they were asked for
	mu    sync.Mutex         // guards Out, and Err while it is written beside Out
	wrote bool               // a line
}

// Show writes the logs of a target: what there is of them, or with follow what there is and what comes, until ctx ends, the
// task is gone, or nothing may be read. The error matches cluster.ErrNoTask, cluster.ErrNoSlot or ErrNoLog if there is
// nothing to show.
func (v *View) Show(ctx context.Context, target Target, follow bool) error {
	state, _, err := v.API.State(ctx)
	if err != nil {
		return err
	}
	workers := target.Of(state.Workers)
	switch {
	case len(workers) == 0 && target.run != "" && target.info(&state) != nil:
		workers, err = v.ofRun(ctx, target, &state)
		if err != nil {
			return err
		}
	case follow && (len(workers) > 0 || target.HasRuns(&state)):
		return v.follow(ctx, target)
	case len(workers) == 0:
		return target.Missing(&state)
	}
	return v.show(ctx, target, &state, workers)
}

// show writes what there is of all logs, one after the other; of one worker without its name. If there is nothing, it says so.
func (v *View) show(ctx context.Context, target Target, state *cluster.State, workers []cluster.WorkerInfo) error {
	width := 0
	for i := range workers {
		width = max(width, len(workers[i].Slot().String()))
	}
	prefix := func(slot cluster.Slot) string { return v.prefix(slot, width, len(workers) > 1) }
	var errs []error
	var left, short []cluster.WorkerInfo
	for i := range workers {
		slot := workers[i].Slot()
		var err error
		switch {
		case workers[i].Node != "":
			var lines int
			lines, err = v.from(ctx, slot, "", prefix(slot))
			if lines < v.Lines {
				short = append(short, workers[i])
			}
		case target.One:
			err = v.left(ctx, &workers[i], prefix(slot))
		default:
			left = append(left, workers[i])
		}
		if err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("%s: %w", slot, err))
		}
	}
	if len(left) > 0 {
		if err := v.manyLeft(ctx, target.info(state), left, len(left) == len(workers), prefix); err != nil && ctx.Err() == nil {
			errs = append(errs, fmt.Errorf("%s: %w", target.Task, err))
		}
	}
	if len(errs) == 0 && !v.wrote && v.Lines > 0 && ctx.Err() == nil {
		fmt.Fprintln(v.Err, "xconsumer: "+nothingWritten)
	}
	v.remarkLost(ctx, state, short)
	return errors.Join(errs...)
}

// nothingWritten is printed in place of a log that is empty.
const nothingWritten = "nothing written yet; a program may buffer its output until several kilobytes have accumulated: " +
	"run Python with -u, others under stdbuf -oL"

// remarkLost says beside the logs which earlier lines of workers are missing from them, since the node that kept those lines
// is gone. It asks for the past once. If the past is not to be had, it says nothing: what is shown is right without it.
func (v *View) remarkLost(ctx context.Context, state *cluster.State, workers []cluster.WorkerInfo) {
	if len(workers) == 0 || ctx.Err() != nil {
		return
	}
	past, err := v.decisions(ctx, workers[0].Task)
	if err != nil {
		return
	}
	lost := map[string][]string{}
	for i := range workers {
		node := lastNode(past, workers[i].Slot(), workers[i].Node)
		there := func(n cluster.NodeInfo) bool { return n.Name == node }
		if node != "" && !slices.ContainsFunc(state.Nodes, there) {
			lost[node] = append(lost[node], workers[i].Slot().String())
		}
	}
	for _, node := range slices.Sorted(maps.Keys(lost)) {
		slots := lost[node]
		who := plural.Of(len(slots), "worker")
		if len(slots) == 1 {
			who = "worker " + slots[0]
		}
		text := fmt.Sprintf("xconsumer: earlier lines of %s are missing: they were kept on node %s, which is gone", who, node)
		fmt.Fprintln(v.Err, terminal.Printable(text))
	}
}

// from shows what a node keeps of a log, "" for the node that has the worker. It returns how many lines that were.
func (v *View) from(ctx context.Context, slot cluster.Slot, node, prefix string) (lines int, err error) {
	err = v.API.Log(ctx, slot, client.LogQuery{Lines: v.Lines, Node: node}, func(line cluster.LogLine) error {
		lines++
		return v.write(prefix, line)
	})
	return lines, err
}

// prefix returns what stands before each line of a worker: its name, if there are several or it is for a program.
func (v *View) prefix(slot cluster.Slot, width int, several bool) string {
	switch {
	case v.Output.ForPrograms():
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

func (v *View) write(prefix string, line cluster.LogLine) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wrote = true
	if v.Output.ForPrograms() {
		return v.Output.WriteItem(v.Out, workerLine{prefix, line})
	}
	_, err := fmt.Fprintf(v.Out, "%s%s %s\n", prefix, render.TimeMilli(line.At), terminal.Printable(line.Text))
	return err
}

// remark writes a line of its own among those of the workers; where these are for a program, beside them.
func (v *View) remark(format string, args ...any) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := v.Out
	if v.Output.ForPrograms() {
		out = v.Err
	}
	_, err := fmt.Fprintln(out, terminal.Printable("-- "+fmt.Sprintf(format, args...)))
	return err
}

// complain says on the error output what keeps logs from being shown.
func (v *View) complain(err error) {
	fmt.Fprintln(v.Err, "xconsumer: cut off, trying again:", terminal.Printable(err.Error()))
}
