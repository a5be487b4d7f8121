package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// ErrNoLog says that nobody keeps a log of a worker.
var ErrNoLog = errors.New("no log")

// runOver says why there is no such worker any longer.
const runOver = "its run is over"

// left shows what the node that had a worker last keeps of its log, and says why no node has it now. If there is nothing
// to show, the error says so and why.
func (l *logs) left(ctx context.Context, slot cluster.Slot, prefix string) error {
	why, err := l.whyNowhere(ctx, slot)
	if err != nil {
		return err
	}
	node := ""
	if why != "" {
		if node, err = l.lastNode(ctx, slot); err != nil {
			return err
		}
	}
	err = l.from(ctx, slot, node, prefix)
	switch missing := errors.Is(err, httpapi.ErrNotFound); {
	case missing && why != "" && node == "":
		return fmt.Errorf("%w: it has written nothing yet, as far as is known; it runs on no node: %s", ErrNoLog, why)
	case missing && why != "":
		return fmt.Errorf("%w: %s had it last, and keeps nothing of its log; it runs on no node: %s", ErrNoLog, node, why)
	case err != nil || why == "" || why == runOver:
		return err
	}
	return l.remark("worker %s runs on no node: %s", slot, why)
}

// whyNowhere says why no node has a worker, "" if one has it or there is no such worker.
func (l *logs) whyNowhere(ctx context.Context, slot cluster.Slot) (string, error) {
	task, run := cluster.SplitRun(slot.Task)
	query := url.Values{}
	if run != "" {
		query.Set("run", run)
	}
	var e cluster.Explanation
	_, err := l.client.Get(ctx, fmt.Sprintf("/api/v1/workers/%s/%d/explain", url.PathEscape(task), slot.Index), query, &e)
	switch {
	case errors.Is(err, httpapi.ErrNotFound) && run != "":
		return runOver, nil
	case errors.Is(err, httpapi.ErrNotFound) || e.Worker.Node != "":
		return "", nil
	}
	return e.Here, err
}

// lastNode returns the node that had a worker last, "" if none is known that had it.
func (l *logs) lastNode(ctx context.Context, slot cluster.Slot) (string, error) {
	task, _ := cluster.SplitRun(slot.Task)
	var d cluster.Decisions
	if _, err := l.client.Get(ctx, "/api/v1/decisions", url.Values{"task": {task}}, &d); err != nil {
		return "", err
	}
	for _, one := range slices.Backward(d.Decisions) {
		for _, m := range slices.Backward(one.Moves) {
			had := m.Step == cluster.StepGrant || m.Step == cluster.StepRelease || m.Step == cluster.StepFree || m.Step == cluster.StepBury
			if had && m.Node != "" && m.Task == slot.Task && m.Slots.Contains(slot.Index) {
				return m.Node, nil
			}
		}
	}
	return "", nil
}
