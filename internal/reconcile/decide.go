package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Decide returns the leader's decision: what to write next. It is a pure function, called again
// after every commit and whenever something was read.
//
// A slot is granted only when no assignment lists it, this decision's own changes counted. It
// leaves an assignment's releasing list only on the word of its member, given after the release;
// and an assignment is deleted only when nothing of its member can run any longer. A slot of a task is
// granted only while no assignment lists one of the task whose worker is told another count than it is.
//
// Records of runs that are over are deleted only by decisions that write no assignment: their checkpoints go first, one
// commit after the other, and nobody's slots are to wait for that.
func Decide(w World) Decision {
	d := decide(w)
	if len(d.Assignments) > 0 && len(d.DropRuns) > 0 {
		w.KeepRuns = true
		d = decide(w)
	}
	return d
}

// decide lists the stages of a decision; inspect lists those before the plan. A stage takes values and returns what it finds
// out. What is to be written, and when to decide again, it puts into the commit, which is all that changes on the way.
func decide(w World) Decision {
	c := newCommit(&w)
	s := inspect(w, c)
	if c.out.Evict != "" { // first things first: the rest is decided again after it
		return c.evictOnly()
	}
	p := place(s, c)
	asked, changes := selectReleases(s, p, c)
	release(s, p, asked, c)
	changes = grant(s, p, changes, c)
	applyRequests(s, p, asked, c)
	remove(s.facts, c)
	c.out.Memory.NodeChanges, c.out.Memory.Toward = changes, p.toward()
	c.out.Left = c.stillFree(s.facts)
	return c.out
}

// inspect lists the stages before the plan: what becomes of runs and members, and what stands in the way.
func inspect(w World, c *commit) *survey {
	f, pending, begun := advanceRuns(w, c)
	next := f.nextToken()
	states, firstSeen := classify(f, c)
	states, delays, delayed := applyDelays(f, states, firstSeen, c)
	states = reap(f, states, pending, c)
	doubles := f.Snapshot.Doubles()
	recalls := findRecalls(f, next, doubles)
	barriers := findBarriers(f, states, delayed, c)
	loops := findCrashLoops(f, states, c)
	avoids, failing := findFailures(f, states, c)
	moves := findMoves(f, states)
	c.out.Token, c.out.Doubles = next, doubles
	c.out.Memory = Memory{
		FirstSeenGone: firstSeen, Delays: delays, Probations: loops.probations, Avoids: avoids, Failing: failing,
		NodeChanges: w.Memory.NodeChanges, Toward: w.Memory.Toward,
	}
	if c.leavesOut(PartAssignment, c.out.Evict) {
		c.out.Evict = ""
	}
	return &survey{f, states, delayed, pending, begun, recalls, barriers, loops, avoids, moves}
}

// survey is what a leader finds out before it plans.
type survey struct {
	facts    *facts
	members  members                   // what becomes of each
	delayed  map[string]cluster.Reason // members whose slots wait although they might be given away
	pending  pendingRuns
	begun    map[string]bool // runs asked for by operators that there are now
	recalls  recalls
	barriers barriers
	loops    *crashLoops
	avoids   map[cluster.Slot]Avoid
	moves    moveRequests
}

// place makes the plan, and says of tasks why slots of theirs have no place.
func place(s *survey, c *commit) *placement {
	p := makePlacement(s.facts, s.members, Constraints{
		Recalled: s.recalls, Going: s.moves.going, Arrived: s.moves.arrived, Withheld: s.loops.withheld, Avoids: s.avoids,
	}, c)
	for t, reason := range p.target.Unplaced {
		switch {
		case reason.Code != "":
			c.out.Unplaced[p.tasks[t]] = reason
		case p.in.Tasks[t].Spec.Paused:
			c.out.Unplaced[p.tasks[t]] = cluster.Reason{Code: cluster.WhyPaused}
		}
	}
	for _, memberID := range slices.Sorted(maps.Keys(s.delayed)) {
		for _, h := range p.Snapshot.Peers[memberID].Assignment.Rec.Granted {
			if _, known := p.rank[h.Task]; known {
				c.out.Unplaced[h.Task] = s.delayed[memberID]
			}
		}
	}
	s.barriers.explain(p.facts, c.out.Unplaced)
	return p
}
