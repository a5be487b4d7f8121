package members

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Reap deletes the assignments of members of which nothing can run, as far as they fit into one commit, and returns the states of all
// members after that.
func Reap(f *round.Facts, m States, pending round.PendingRuns, draft *round.Draft) States {
	if !slices.ContainsFunc(f.MemberIDs, func(memberID string) bool { return m[memberID] == Reapable || m[memberID] == Delayed }) {
		return m
	}
	next := maps.Clone(m)
	for _, memberID := range f.MemberIDs {
		p := f.Snapshot.Peers[memberID]
		switch {
		case m[memberID] == Delayed && p.Assignment.Rec.Closed != nil:
			freeReleased(f, memberID, p, pending, draft)
		case m[memberID] != Reapable:
		case draft.Full():
			next[memberID] = Delayed // until the next decision
		case pending.KeepsAssignment(p.Assignment.Rec):
			next[memberID] = AwaitingRuns
			closeAwaiting(f, memberID, p, pending, draft)
		default:
			draft.Write(memberID, nil, 0)
			if p.Completions.Exists() {
				draft.Extra++
			}
			why := departureOf(p)
			draft.AddStep(cluster.Decided{Step: cluster.StepReap, Node: f.NodeName(memberID)}, why)
			if p.Assignment.Rec != nil {
				draft.Free(p.Assignment.Rec.Node, p.Assignment.Rec.Granted, p.Assignment.Rec.Releasing, why)
			}
		}
	}
	return next
}

// freeReleased frees the slots that a member of which nothing runs was to give back: they were to leave its node in any case, so they do
// not wait for it.
func freeReleased(f *round.Facts, memberID string, p *view.Peer, pending round.PendingRuns, draft *round.Draft) {
	returned, kept := schema.Split(p.Assignment.Rec.Releasing, func(slot cluster.Slot, _ *schema.Releasing) bool { return !pending.Keeps(slot) })
	if f.DryRun || len(returned) == 0 || draft.Full() || draft.Omits(round.PartAssignment, memberID) {
		return
	}
	assignment := *p.Assignment.Rec
	assignment.Releasing = round.NonNil(kept)
	draft.Write(memberID, &assignment, 0)
	draft.Free(assignment.Node, nil, returned, departureOf(p))
}

// closeAwaiting removes everything that does not await its agenda from the assignment of a member of which nothing runs. It closes the
// assignment as settled, also if there is nothing to remove: no later leader has to confirm again that nothing runs, or to wait for the
// node to return, and the member no longer counts as one that has vanished.
func closeAwaiting(f *round.Facts, memberID string, p *view.Peer, pending round.PendingRuns, draft *round.Draft) {
	assignment := *p.Assignment.Rec
	granted, freed := schema.Split(assignment.Granted, func(slot cluster.Slot, _ *schema.Granted) bool { return pending.Keeps(slot) })
	releasing, returned := schema.Split(assignment.Releasing, func(slot cluster.Slot, _ *schema.Releasing) bool { return pending.Keeps(slot) })
	assignment.Granted, assignment.Releasing = round.NonNil(granted), round.NonNil(releasing)
	for h := range assignment.Ranges() {
		task, _ := cluster.SplitRun(h.Task)
		draft.Out.Unplaced[task] = cluster.Reason{Code: cluster.WhyRunsUnusable, Node: assignment.Node,
			Detail: "its report of the end of " + h.Task + " is kept until then"}
	}
	if was := assignment.Closed; len(freed)+len(returned) == 0 && was != nil && (was.Left || was.Settled) {
		return
	}
	closed := schema.Closed{By: f.Self, Cause: schema.CauseLost}
	switch {
	case assignment.Closed != nil:
		closed = *assignment.Closed
		closed.StartedLast60s = nil // they are suspected in this commit
	case assignment.Evicted:
		closed.Cause = "evicted"
	}
	why := departureOf(p)
	closed.Settled = true
	assignment.Closed = &closed
	draft.Write(memberID, &assignment, 0)
	draft.Free(assignment.Node, freed, returned, why)
}

// departureOf returns why a member's slots are free.
func departureOf(p *view.Peer) cluster.Reason {
	why := cluster.Reason{Code: cluster.WhyLost}
	if assignment := p.Assignment.Rec; assignment != nil {
		why.Node = assignment.Node
		switch {
		case assignment.Evicted:
			why.Code = cluster.WhyEvicted
		case assignment.Closed == nil || assignment.Closed.Cause == schema.CauseLost:
		case assignment.Closed.Left:
			why.Code = cluster.WhyLeft
		default:
			why.Detail = assignment.Closed.Cause
		}
	}
	return why
}
