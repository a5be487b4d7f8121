package runs

import (
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// fire begins the runs that are due.
func (a *agenda) fire(s *schedule.Schedule) {
	if a.spec.Paused {
		return
	}
	if s == nil {
		if !a.rec.Begun {
			a.rec.Begun = true
			a.begin(a.newRun(a.unusedID(a.WallNow), a.WallNow), false)
		}
		return
	}
	if timing := schedule.Name(a.spec); a.rec.Timing != timing {
		if former := schedule.Former(a.spec, a.rec.Timing, a.rec.Last); former != nil && a.awaitsFormer(former, s) {
			return
		}
		a.rec.Timing, a.changed = timing, true
		if now := a.WallNow.Truncate(time.Second); now.After(a.rec.Last) {
			a.pass(now)
			a.rec.Last = now
		}
	}
	a.rewind(s)
	a.fireDue(s)
}

// awaitsFormer reports whether the interval of a task still follows the anchor that an earlier version has recorded: until its next
// firing, if that comes before the first one of the grid, so that no gap of two intervals arises. Firings that have come by now are
// decided first.
func (a *agenda) awaitsFormer(former, grid *schedule.Schedule) bool {
	if !former.Next(a.rec.Last).After(a.WallNow) {
		a.fireDue(former)
	}
	pending := former.Next(a.rec.Last)
	switch {
	case !pending.After(a.WallNow): // there was no room for all firings
		return true
	case !pending.Before(grid.Next(a.WallNow)):
		return false
	}
	a.draft.RequeueAt(a.Now + pending.Sub(a.WallNow))
	return true
}

// fireDue decides the firings of a schedule that have come.
func (a *agenda) fireDue(s *schedule.Schedule) {
	due := s.At(a.rec.Last, a.WallNow, a.spec.Misfire, a.spec.Overlap.Skips() && a.ahead() == "", a.fired)
	if over := len(a.rec.Runs) + len(due.Late) + len(due.Fire) - cluster.MaxActiveRuns; over > 0 && len(due.Fire) > 0 && a.unfinished() {
		due.GiveUp(over) // firings that are due now take the available room
	}
	passed := due.Last
	if first := slices.Concat(due.Late, due.Fire); len(first) > 0 {
		passed = first[0].Add(-time.Millisecond)
	}
	a.fireAll(&due)
	if due.Missed > 0 || !due.Last.Equal(a.rec.Last) {
		if due.Missed > 0 {
			a.pass(passed)
			a.skip(schema.Skip{From: due.From, Due: due.To, Number: due.Missed, Late: cluster.Duration(a.WallNow.Sub(due.To))})
		}
		a.rec.Missed += int64(due.Missed)
		a.rec.Last, a.changed = due.Last, true
		a.rec.Decided = slices.DeleteFunc(slices.Clone(a.rec.Decided), func(d schema.Span) bool { return !d.To.After(a.rec.Last) })
	}
	if !due.Next.IsZero() {
		a.draft.RequeueAt(a.Now + max(due.Next.Sub(a.WallNow), time.Millisecond))
	}
}

// fireAll begins the runs of due firings, records that they are skipped, or lets those wait that find no room.
func (a *agenda) fireAll(due *schedule.Due) {
	fire := slices.Concat(due.Late, due.Fire)
	for n, at := range fire {
		late := n < len(due.Late)
		if before := a.ahead(); before != "" && !late && a.spec.Overlap.Skips() {
			a.rec.Skipped++
			a.skip(schema.Skip{Due: at, Number: 1, Run: before})
			continue
		}
		if len(a.rec.Runs) >= cluster.MaxActiveRuns {
			due.Next = time.Time{} // these wait until there is room: the end of a run is heard of, or comes with the next decision
			due.Last = fire[max(n-1, 0)]
			if n == 0 {
				due.Last, due.Missed = a.rec.Last, 0
			}
			return
		}
		r := a.newRun(a.unusedID(at), at)
		r.Late = late
		a.begin(r, a.spec.Overlap != cluster.OverlapAllow)
	}
}

// ahead returns the ID of a run that is under way or queued and does not make up for a late firing, "" if there is none.
func (a *agenda) ahead() string {
	if at := slices.IndexFunc(a.rec.Runs, func(r schema.Run) bool { return !r.Late }); at >= 0 {
		return a.rec.Runs[at].ID
	}
	return ""
}

// skip records firings that begin no run, together with the last ones that were skipped for the same run.
func (a *agenda) skip(s schema.Skip) {
	a.changed = true
	a.rec.Skips = slices.Clone(a.rec.Skips)
	if n := len(a.rec.Skips); n > 0 && s.Run != "" && a.rec.Skips[n-1].Run == s.Run {
		last := &a.rec.Skips[n-1]
		if last.From.IsZero() {
			last.From = last.Due
		}
		last.Due, last.Number = s.Due, last.Number+s.Number
		return
	}
	code := cluster.WhyLate
	if s.Late == 0 {
		code = cluster.WhyOverlap
	}
	a.rec.Skips = append(a.rec.Skips, s)
	a.rec.Skips = a.rec.Skips[max(0, len(a.rec.Skips)-schema.MaxSkips):]
	a.draft.AddStep(cluster.Decided{Step: cluster.StepMiss, Task: a.task}, cluster.Reason{Code: code, Detail: s.String()})
}
