package render

import (
	"bytes"
	"fmt"
	"strconv"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// maxMoves bounds the number of listed moves.
const maxMoves = 40

// Plan writes the effects of planned operations.
func Plan(b *bytes.Buffer, p *cluster.Plan, width int) {
	restart := ""
	if n := restarting(p); n > 0 {
		restart = fmt.Sprintf(", %d to restart", n)
	}
	fmt.Fprintf(b, "%d to move, %d to start, %d to stop%s; the most loaded node has %s of the mean, now %s\n",
		len(p.Moves), len(p.Starts), len(p.Stops), restart, percent(1+p.After.Skew), percent(1+p.Before.Skew))
	steps := Table{{"WORKER", "FROM", "TO", "WHY"}}
	for _, m := range p.Moves {
		steps.Add(m.Slot, m.From, m.To, m.Reason)
	}
	for _, m := range p.Starts {
		steps.Add(m.Slot, "", m.To, "it has no node yet")
	}
	for _, slot := range p.Stops {
		steps.Add(slot, "", "", "no longer needed")
	}
	if more := len(steps) - 1 - maxMoves; more > 0 {
		steps = append(steps[:1+maxMoves], []string{fmt.Sprintf("and %d more", more)})
	}
	if len(steps) > 1 {
		b.WriteByte('\n')
		steps.Write(b, width)
	}
	for _, r := range p.Restarts {
		fmt.Fprintf(
			b,
			"\nall workers of task %s restart, because the number that they are given changes (%s → %s): "+
				"%d stop, and at most %s later the new ones start\n",
			r.Task,
			countText(r.From),
			countText(r.To),
			r.Workers,
			r.Gap,
		)
	}
	for _, r := range p.NextRuns {
		fmt.Fprintf(b, "\n%s\n", nextRunText(r))
	}
	for _, r := range p.Reverts {
		fmt.Fprintf(b, "\ntask %s: %s\n", r.Task, r.Reason)
	}
	for _, u := range p.Unplaced {
		fmt.Fprintf(b, "\n%d of task %s would have no node: %s\n", u.Slots, u.Task, u.Reason)
	}
}

// nextRunText describes the next run of a task.
func nextRunText(r cluster.PlannedRun) string {
	workers := plural.Of(r.Workers, "worker")
	switch {
	case r.Paused:
		return fmt.Sprintf("task %s begins no run as long as it is paused", r.Task)
	case r.First && r.Schedule != "":
		return fmt.Sprintf("task %s is new: its runs begin by its schedule (%s), with %s each", r.Task, r.Schedule, workers)
	case r.First:
		return fmt.Sprintf("task %s is new: its run begins at once, with %s", r.Task, workers)
	}
	return fmt.Sprintf("the next run of task %s has %s; a run that goes on keeps its number", r.Task, workers)
}

// restarting counts the workers that restart in place: they neither move nor stop permanently.
func restarting(p *cluster.Plan) (n int) {
	of := map[string]bool{}
	for _, r := range p.Restarts {
		n, of[r.Task] = n+r.Workers, true
	}
	for _, m := range p.Moves {
		if of[m.Slot.Task] {
			n--
		}
	}
	for _, slot := range p.Stops {
		if of[slot.Task] {
			n--
		}
	}
	return max(n, 0)
}

func countText(count int) string {
	if count == 0 {
		return "not given"
	}
	return strconv.Itoa(count)
}

func percent(share float64) string { return strconv.Itoa(int(100*share+0.5)) + " %" }

// MovedWorkers returns the names of the workers that a plan moves.
func MovedWorkers(p *cluster.Plan) (names []string) {
	for _, m := range p.Moves {
		names = append(names, m.Slot.String())
	}
	return names
}
