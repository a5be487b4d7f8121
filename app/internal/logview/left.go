package logview

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// ErrNoLog reports that no node keeps a log of the worker.
var ErrNoLog = errors.New("no log")

// runOver says why a worker no longer exists.
const runOver = "its run is over"

// leftAsked is of how many workers of a task that no node has the last nodes are asked for what they keep.
const leftAsked = 20

// ended says of a worker of a run why it is started no more, "" of one that is.
func ended(w *cluster.WorkerInfo) string {
	switch w.State {
	case cluster.WorkerDone:
		return "it has run to its end"
	case cluster.WorkerGivenUp:
		return "it is not started again"
	}
	return ""
}

// left shows what the node that had a worker last keeps of its log, and says why no node has it now. If there is nothing
// to show, the error says so and why.
func (v *View) left(ctx context.Context, w *cluster.WorkerInfo, prefix string) error {
	slot, why := w.Slot(), ended(w)
	over := why != ""
	if !over {
		var err error
		why, err = v.whyNowhere(ctx, slot)
		if err != nil {
			return err
		}
		over = why == runOver
	}
	node := ""
	if why != "" {
		past, err := v.decisions(ctx, w.Task)
		if err != nil {
			return err
		}
		node = lastNode(past, slot, "")
	}
	_, err := v.from(ctx, slot, node, prefix)
	switch {
	case errors.Is(err, client.ErrNotFound) && why != "":
		return fmt.Errorf("%w: the worker is on no node (%s), and no earlier output is known", ErrNoLog, why)
	case err != nil || why == "" || over:
		return err
	}
	return v.remark("worker %s runs on no node: %s", slot, why)
}

// manyLeft shows of the workers of a task that no node has what the nodes that had them keep, as far as leftAsked goes, and
// says in one line how many there are and why. It asks for the past once, and not for each worker: a task has thousands.
// If there is nothing to show, and these are all its workers, the error says so.
func (v *View) manyLeft(
	ctx context.Context,
	info *cluster.TaskInfo,
	workers []cluster.WorkerInfo,
	all bool,
	prefix func(cluster.Slot) string,
) error {
	task := workers[0].Task
	past, err := v.decisions(ctx, task)
	if err != nil {
		return err
	}
	asked, kept, more := 0, false, false
	for i := range workers {
		slot := workers[i].Slot()
		node := lastNode(past, slot, "")
		if node == "" {
			continue
		}
		more = asked == leftAsked
		if more {
			break
		}
		asked++
		_, err := v.from(ctx, slot, node, prefix(slot))
		switch {
		case err == nil:
			kept = true
		case !errors.Is(err, client.ErrNotFound):
			return fmt.Errorf("%s: %w", slot, err)
		}
	}
	waiting, why := 0, "they have ended"
	for i := range workers {
		if ended(&workers[i]) == "" {
			waiting, why = waiting+1, whyUnplaced(info)
		}
	}
	if all && !kept {
		return fmt.Errorf("%w: %s on no node (%s), and no earlier output is known", ErrNoLog, areOf(len(workers), task), why)
	}
	if waiting > 0 {
		if err := v.remark("%s on no node: %s", areOf(waiting, task), why); err != nil {
			return err
		}
	}
	if more {
		return v.remark("earlier output is shown of %d workers at most; see xconsumer logs '%s#INDEX' for that of one", leftAsked, task)
	}
	return nil
}

// areOf begins a sentence about workers of a task.
func areOf(n int, task string) string {
	verb := "are"
	if n == 1 {
		verb = "is"
	}
	return fmt.Sprintf("%s of task %s %s", plural.Of(n, "worker"), task, verb)
}

// whyUnplaced says why workers of a task are on no node.
func whyUnplaced(info *cluster.TaskInfo) string {
	switch {
	case info != nil && info.Paused:
		return cluster.Reason{Code: cluster.WhyPaused}.String()
	case info != nil && info.Reason != "":
		return info.Reason
	}
	return "they are about to be granted"
}

// ofRun returns the workers that are meant of a run of which the state shows none: of one that is over. If there is no
// such run or worker, or the run has not begun, the error says so.
func (v *View) ofRun(ctx context.Context, t Target, state *cluster.State) (workers []cluster.WorkerInfo, err error) {
	var list client.Runs
	if _, err := v.API.Get(ctx, "/api/v1/tasks/"+url.PathEscape(t.Task)+"/runs", nil, &list); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list.Runs, func(r cluster.RunInfo) bool { return r.ID == t.run })
	if at < 0 {
		return nil, fmt.Errorf(
			"%w: no such run: %s; `xconsumer runs %s` lists those that are kept",
			ErrNoLog,
			cluster.RunTask(t.Task, t.run),
			t.Task,
		)
	}
	r := &list.Runs[at]
	var is cluster.WorkerState
	switch r.State {
	case cluster.RunQueued:
		why := "it waits for an earlier run"
		if info := t.info(state); info != nil && info.Paused {
			why = whyUnplaced(info)
		}
		return nil, fmt.Errorf("%w: run %s has not begun: %s", ErrNoLog, cluster.RunTask(t.Task, t.run), why)
	case cluster.RunSkipped:
		return nil, fmt.Errorf("%w: run %s was skipped: %s", ErrNoLog, cluster.RunTask(t.Task, t.run), r.Reason)
	case cluster.RunDone:
		is = cluster.WorkerDone
	case cluster.RunFailed:
		is = cluster.WorkerGivenUp
	}
	for i := range r.WorkerNum {
		if !t.One || i == t.index {
			workers = append(workers, cluster.WorkerInfo{Task: t.Task, Run: t.run, Index: i, WorkerStatus: cluster.WorkerStatus{State: is}})
		}
	}
	if len(workers) == 0 {
		return nil, fmt.Errorf("%w: %s: run %s has %s", cluster.ErrNoSlot, t.name(), t.run, plural.Of(r.WorkerNum, "worker"))
	}
	return workers, nil
}

// whyNowhere says why no node has a worker, "" if a node has it or it does not exist.
func (v *View) whyNowhere(ctx context.Context, slot cluster.Slot) (string, error) {
	task, run := cluster.SplitRun(slot.Task)
	query := url.Values{}
	if run != "" {
		query.Set("run", run)
	}
	var e cluster.Explanation
	_, err := v.API.Get(ctx, fmt.Sprintf("/api/v1/workers/%s/%d/explain", url.PathEscape(task), slot.Index), query, &e)
	switch {
	case errors.Is(err, client.ErrNotFound) && run != "":
		return runOver, nil
	case errors.Is(err, client.ErrNotFound) || e.Worker.Node != "":
		return "", nil
	}
	return e.Here, err
}

// decisions returns what is kept of the past of a task. It asks once. A node refuses to filter by a task that it has never
// heard of: such a task has no past.
func (v *View) decisions(ctx context.Context, task string) (*cluster.Decisions, error) {
	if v.past == nil {
		var d cluster.Decisions
		_, err := v.API.Get(ctx, "/api/v1/decisions", url.Values{"task": {task}}, &d)
		refused, _ := errors.AsType[*client.RefusedError](err)
		if err != nil && (refused == nil || refused.Status != http.StatusUnprocessableEntity) {
			return nil, err
		}
		v.past = &d
	}
	return v.past, nil
}

// lastNode returns the node that had a worker last, but for one; "" if none is known that had it.
func lastNode(past *cluster.Decisions, slot cluster.Slot, but string) string {
	for _, one := range slices.Backward(past.Decisions) {
		for _, m := range slices.Backward(one.Moves) {
			had := m.Step == cluster.StepGrant || m.Step == cluster.StepRelease || m.Step == cluster.StepFree || m.Step == cluster.StepReap
			if had && m.Node != "" && m.Node != but && m.Task == slot.Task && m.Slots.Contains(slot.Index) {
				return m.Node
			}
		}
	}
	return ""
}
