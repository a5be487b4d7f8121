package httpapi

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// maxWaiting bounds the lines in Waiting and Unplaced of an answer.
const maxWaiting = 20

// brief is a bounded list: its first lines, and the number of those left out.
type brief struct {
	lines []string
	more  int
}

// add appends a line, or counts it once the list is full.
func (b *brief) add(format string, args ...any) {
	if len(b.lines) == maxWaiting {
		b.more++
		return
	}
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// list returns the lines. If some were left out, the last line states how many.
func (b *brief) list() []string {
	if b.more == 0 {
		return b.lines
	}
	return append(b.lines[:maxWaiting:maxWaiting], fmt.Sprintf("and %d more", b.more))
}

// unplaced lists the workers that should run but have no place, for the tasks of the goal.
func (g *goal) unplaced(s *cluster.Snapshot) []string {
	var out brief
	for i := range s.State.Tasks {
		t := &s.State.Tasks[i]
		if g.task != "" && t.Name != g.task || t.Unplaced == 0 || t.Paused || t.Runs {
			continue
		}
		reason := t.Reason
		if reason != "" {
			reason = ": " + reason
		}
		out.add("%d of %s of %s%s", t.Unplaced, plural.Of(t.WorkerNum, "worker"), t.Name, reason)
	}
	return out.list()
}

// toMove lists what a plan would still change for the tasks of the goal.
func (g *goal) toMove(plan *cluster.Plan) []string {
	var out brief
	has := func(of string) bool {
		task, _ := cluster.SplitRun(of)
		return g.task == "" || task == g.task
	}
	for _, move := range plan.Moves {
		if has(move.Slot.Task) {
			out.add("%s is to leave %s: %s", move.Slot, move.From, move.Reason)
		}
	}
	for _, start := range plan.Starts {
		if has(start.Slot.Task) {
			out.add("%s is to start on %s", start.Slot, start.To)
		}
	}
	for _, slot := range plan.Stops {
		if has(slot.Task) {
			out.add("%s is to stop", slot)
		}
	}
	for _, r := range plan.Restarts {
		if has(r.Task) {
			out.add("%s of %s to start again with count %d", plural.Of(r.Workers, "worker"), r.Task, r.To)
		}
	}
	return out.list()
}
