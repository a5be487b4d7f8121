package runs

import (
	"fmt"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Clocks of leaders differ, and one of them may be wrong by days. A decision stands, whatever clocks show: no instant fires twice. But
// a firing that a leader with a clock ahead has passed over as too late has not happened. An agenda records those stretches, so
// that the next leader can take that decision back. It need not know which of the two clocks is right.

// maxSpans bounds the stretches of each kind in an agenda. Beyond it firings are given up, but never fire twice: a stretch that is
// dropped counts as decided.
const maxSpans = 8

// pass records that nothing was fired after Last up to an instant.
func (a *agenda) pass(to time.Time) {
	a.rec.Passed = slices.Concat(a.rec.Passed, schema.Without([]schema.Span{{From: a.rec.Last, To: to}}, a.rec.Decided))
	a.rec.Passed = slices.Clone(a.rec.Passed[max(0, len(a.rec.Passed)-maxSpans):])
}

// fired reports whether an instant was decided while a clock was ahead, or has a run.
func (a *agenda) fired(at time.Time) bool {
	id := schema.RunID(at)
	return schema.Within(a.rec.Decided, at) || a.rec.Find(id) != nil || slices.Contains(a.rec.Kept, id)
}

// rewind takes back the skipping of firings that are still to come.
func (a *agenda) rewind(s *schedule.Schedule) {
	if a.rec.Last.Sub(a.WallNow) <= cluster.MisfireAfter {
		return
	}
	back := a.WallNow.Add(-cluster.MisfireAfter) // older firings came too late
	open := schema.Without(a.rec.Passed, []schema.Span{{To: back}})
	if len(open) == 0 {
		a.draft.Out.Ahead = append(a.draft.Out.Ahead, a.task)
		return
	}
	decidedTo := a.rec.Last
	detail := fmt.Sprintf("its schedule had been decided up to %s; firings that were passed over and are still to come fire in time",
		decidedTo.Format(time.RFC3339))
	a.draft.AddStep(cluster.Decided{Step: cluster.StepRecall, Task: a.task}, cluster.Reason{Code: cluster.WhyClock, Detail: detail})
	later := schema.Without(a.rec.Decided, []schema.Span{{To: decidedTo}})
	a.rec.Decided = append(schema.Without([]schema.Span{{From: back, To: decidedTo}}, open), later...)
	for len(a.rec.Decided) > maxSpans {
		a.rec.Decided[1].From = a.rec.Decided[0].From
		a.rec.Decided = a.rec.Decided[1:]
	}
	a.rec.Passed = schema.Without(a.rec.Passed, []schema.Span{{From: back, To: decidedTo}})
	a.rec.Last, a.changed = back, true
	a.unskip(s, open)
}

// unskip removes firings that are still to come from the recorded and counted ones that came too late.
func (a *agenda) unskip(s *schedule.Schedule, open []schema.Span) {
	var left []schema.Skip
	for _, skip := range a.rec.Skips {
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
			a.rec.Missed -= int64(coming)
			skip.Number -= coming
			if skip.Number == 0 {
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
	a.rec.Skips = left
}

// unusedID names a run after an instant, or, to the millisecond, after one soon after it. A deleted task of the same name may just have
// had a run of that name, whose slots must not be mistaken for those of this run. No firing has such a name.
func (a *agenda) unusedID(at time.Time) string {
	id := schema.RunID(at)
	for a.Mentions(cluster.RunTask(a.task, id)) {
		at = at.Add(time.Millisecond)
		id = at.UTC().Format("20060102T150405.000Z")
	}
	return id
}
