package reconcile

import (
	"fmt"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Clocks of leaders differ, and one of them may be wrong by days. What was decided about stays so, whatever
// clocks say: no instant fires twice. But what a leader whose clock was ahead has only passed over, as a
// firing that came too late, has not happened. An agenda notes those stretches, so that the next leader can
// take that decision back. It need not know which of the two clocks is right.

// maxSpans bounds the stretches that an agenda notes of each kind. What is given up is firings, never that
// they happen once: a stretch that is forgotten counts as decided.
const maxSpans = 8

// pass notes that nothing was fired after Last up to an instant.
func (a *agenda) pass(to time.Time) {
	a.Passed = slices.Concat(a.Passed, schema.Without([]schema.Span{{From: a.Last, To: to}}, a.Decided))
	a.Passed = slices.Clone(a.Passed[max(0, len(a.Passed)-maxSpans):])
}

// fired reports whether an instant was decided about while a clock was ahead, or has a run.
func (a *agenda) fired(at time.Time) bool {
	id := schema.RunID(at)
	return schema.Within(a.Decided, at) || a.Find(id) != nil || slices.Contains(a.Kept, id)
}

// recall takes back that firings which are still to come were passed over.
func (a *agenda) recall(s *schedule.Schedule) {
	if a.Last.Sub(a.WallNow) <= cluster.MisfireAfter {
		return
	}
	back := a.WallNow.Add(-cluster.MisfireAfter) // what is older came too late
	open := schema.Without(a.Passed, []schema.Span{{To: back}})
	if len(open) == 0 {
		a.out.Ahead = append(a.out.Ahead, a.task)
		return
	}
	decidedTo := a.Last
	a.move(schema.Move{Step: "recall", Task: a.task, Why: cluster.Reason{Code: cluster.WhyClock, Detail: fmt.Sprintf(
		"its schedule had been decided up to %s; what was passed over and is still to come fires in time", decidedTo.Format(time.RFC3339))}})
	a.Decided = append(schema.Without([]schema.Span{{From: back, To: decidedTo}}, open), schema.Without(a.Decided, []schema.Span{{To: decidedTo}})...)
	for len(a.Decided) > maxSpans {
		a.Decided[1].From = a.Decided[0].From
		a.Decided = a.Decided[1:]
	}
	a.Passed = schema.Without(a.Passed, []schema.Span{{From: back, To: decidedTo}})
	a.Last, a.changed = back, true
	a.unskip(s, open)
}

// unskip takes firings that are still to come out of what is noted and counted as too late.
func (a *agenda) unskip(s *schedule.Schedule, open []schema.Span) {
	var left []schema.Skip
	for _, skip := range a.Skips {
		if skip.Late > 0 {
			first := skip.Due
			if !skip.From.IsZero() {
				first = skip.From
			}
			var stay []time.Time
			coming := 0
			for _, at := range s.Recent(first.Add(-time.Nanosecond), skip.Due) {
				if schema.Within(open, at) {
					coming++
				} else if !a.fired(at) {
					stay = append(stay, at)
				}
			}
			coming = min(coming, skip.Number)
			a.Missed -= int64(coming)
			if skip.Number -= coming; skip.Number == 0 {
				continue
			}
			if coming > 0 && len(stay) > 0 {
				last := stay[len(stay)-1]
				skip.Late += cluster.Duration(skip.Due.Sub(last))
				skip.Due = last
			}
		}
		left = append(left, skip)
	}
	a.Skips = left
}

// unusedID names a run after an instant, or, to the millisecond, after one soon after it: a task of the same name that was deleted
// just now may have had a run of that name, and what members say of its slots is not said of this one. No firing has such a name.
func (a *agenda) unusedID(at time.Time) string {
	id := schema.RunID(at)
	for a.mentions(cluster.RunTask(a.task, id)) {
		at = at.Add(time.Millisecond)
		id = at.UTC().Format("20060102T150405.000Z")
	}
	return id
}

// mentions reports whether a document lists slots of a run, or a member has noted the end of some.
func (d *decider) mentions(run string) bool {
	for _, p := range d.Snapshot.Peers {
		if rec := p.Done.Rec; rec != nil && slices.ContainsFunc(rec.Slots, func(o schema.Outcome) bool { return o.Task == run }) {
			return true
		}
	}
	return d.lists(run)
}
