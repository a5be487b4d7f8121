package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/failures"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/runs"
)

// Decide returns the leader's decision: what to write next. It is a pure function, called again
// after every commit and whenever something was read.
//
// It guarantees:
//
//   - A slot is granted only when no assignment lists it, including this decision's changes, and no live member's status holds it. A
//     release that its member has confirmed does not count, superseded or not.
//   - A slot leaves an assignment's releasing list only when its member has confirmed, after the release, that it does not hold it,
//     or when another assignment supersedes it.
//   - An assignment is deleted only when nothing of its member can run any longer.
//   - A grant names specs that are stored by the same commit or an earlier one, and these stay while an assignment names them.
//   - A slot of a task is granted only while no assignment lists a slot of that task with another count of workers.
//   - Records of runs that are over are deleted only by decisions that write no assignment. Their checkpoints go first, one commit
//     after the other. The exception is a task that has too many of them: the oldest go at once.
func Decide(w round.World) round.Decision {
	d := decide(w)
	if len(d.Assignments) > 0 && len(d.DropRuns) > 0 {
		w.KeepRuns = true
		d = decide(w)
	}
	return d
}

// decide lists the stages of a decision, and Inspect those before the plan. A stage takes values and returns its findings. It puts
// the records to write, and when to decide again, into the draft, which is the only value that changes.
func decide(w round.World) round.Decision {
	draft := round.NewDraft(&w)
	s := Inspect(w, draft)
	if draft.Out.Evict != "" { // the rest is decided again after the eviction
		return draft.EvictOnly()
	}
	stored := storeSpecs(s.Facts, draft)
	p := Place(s, draft)
	members.PublishDeferral(s.Facts, &draft.Out.Memory.Returns, p.KeptFromReturned > 0, draft)
	selected, nodeChanges := selectReleases(s, p, draft)
	release(s, p, selected, stored, draft)
	steps := len(draft.Out.Steps)
	nodeChanges, handed := grant(s, p, stored, nodeChanges, draft)
	leaveReturned(p.Facts, handed, steps, draft)
	nameSpecs(stored, draft.Out.Assignments)
	applyRequests(s, p, draft)
	remove(s.Facts, draft)
	draft.Out.Memory.NodeChanges, draft.Out.Memory.Toward = nodeChanges, p.Toward()
	draft.Out.FreedWhy = draft.StillFree(s.Facts)
	return draft.Out
}

// Inspect lists the stages before the plan: the states of runs and members, and obstacles. They write to the draft, which must be
// new.
func Inspect(w round.World, draft *round.Draft) *Survey {
	f, pending, begun := runs.Advance(w, draft)
	firstToken := f.FirstToken()
	states, firstSeen := members.Classify(f, draft)
	states, delays, delayed := members.ApplyDelays(f, states, firstSeen, draft)
	returns := members.FindReturns(f, states)
	states, drains := members.ExpireDrains(f, states, draft)
	states = members.Reap(f, states, pending, draft)
	doubles := f.Doubles()
	invalid := findInvalidGrants(f, firstToken, doubles)
	barriers := findBarriers(f, states, delayed, draft)
	loops := failures.FindCrashLoops(f, states, draft)
	avoids, failing := failures.Find(f, states, draft)
	moves := findMoves(f, states)
	draft.Out.Token, draft.Out.Doubles = firstToken, doubles
	draft.Out.Memory = round.Memory{
		FirstSeen: firstSeen, Delays: delays, Drains: drains,
		Probations: loops.Probations, Avoids: avoids, Failing: failing,
		NodeChanges: w.Memory.NodeChanges, Returns: returns, Toward: w.Memory.Toward,
	}
	return &Survey{f, states, delayed, pending, begun, invalid, barriers, loops, avoids, moves}
}

// Survey is the findings of a leader before it plans. Afterwards only package explain changes it, which adds to DelayReasons.
type Survey struct {
	Facts   *round.Facts
	Members members.States // the state of each member
	// DelayReasons is why slots of members are delayed although they could be moved, by member.
	DelayReasons map[string]cluster.Reason
	pending      round.PendingRuns
	begun        map[string]bool // runs that operators requested and that exist now
	invalid      invalidGrants
	Barriers     barriers
	Loops        *failures.CrashLoops
	avoids       map[cluster.Slot]round.Avoid
	moves        moveRequests
}

// MovesTo reports whether an operator asked for the slot to be moved to the node, and it is not there yet.
func (s *Survey) MovesTo(slot cluster.Slot, node string) bool {
	request, going := s.moves.going[slot]
	return going && request.To == node
}

// Place makes the plan. If slots of a task have no place, it puts the reason into the draft.
func Place(s *Survey, draft *round.Draft) *placement.Placement {
	p := placement.Make(s.Facts, s.Members, placement.Constraints{
		Invalid: s.invalid, Going: s.moves.going, Arrived: s.moves.arrived, Withheld: s.Loops.Withheld, Avoids: s.avoids,
		Back: draft.Out.Memory.Returns.Back,
	}, draft)
	for t, reason := range p.Target.Unplaced {
		switch {
		case reason.Code != "":
			draft.Out.Unplaced[p.Tasks[t]] = reason
		case p.In.Tasks[t].Spec.Paused:
			draft.Out.Unplaced[p.Tasks[t]] = cluster.Reason{Code: cluster.WhyPaused}
		}
	}
	for _, memberID := range slices.Sorted(maps.Keys(s.DelayReasons)) {
		for _, h := range p.Snapshot.Peers[memberID].Assignment.Rec.Granted {
			if _, known := p.Rank[h.Task]; known {
				draft.Out.Unplaced[h.Task] = s.DelayReasons[memberID]
			}
		}
	}
	s.Barriers.explain(p.Facts, draft.Out.Unplaced)
	return p
}
