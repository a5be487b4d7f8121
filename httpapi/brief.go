package httpapi

import (
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// maxWaiting bounds what is told of what there is to do.
const maxWaiting = 20

// brief is a list of what there is to do: its first lines, and how many more there are.
type brief struct {
	lines []string
	more  int
}

// add adds a line.
func (b *brief) add(format string, args ...any) {
	if len(b.lines) == maxWaiting {
		b.more++
		return
	}
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

// list returns the lines, the last of which says how many were left out.
func (b *brief) list() []string {
	if b.more == 0 {
		return b.lines
	}
	return append(b.lines[:maxWaiting:maxWaiting], fmt.Sprintf("and %d more", b.more))
}

// unplaced says which workers have no place though they are to run, of the tasks that the goal is about.
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

// toMove says what a plan moves of what the goal is about.
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
