package members

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// When nodes leave one soon after the other, the slots of one would go to nodes that leave next, and so on. The slots of the first one
// are granted elsewhere at once. Those of the others wait until no node has left for a moment (Quiet, or GatherMany if more than a
// few have), and are then assigned to the nodes that stay. The slots of no member wait for longer than round.MaxDefer, however many
// nodes follow it: a stream of nodes that leave may not end.
//
// Leaders leave as well. The commit that closes a leader hands two things over to the next one: the burst, and for how long the
// leader has deferred the grants of what others left behind. A leader that has made no decision hands over a count of 0; its
// successor then uses what the leader before it handed over. Where nothing was handed over, it is unknown for how long grants
// have been deferred, and they are not deferred again. Values that no leader can have written are ignored or cut.

// leaderGap is an estimate of the time between two leaders in which no member led. It counts as time for which the slots of others were
// deferred.
const leaderGap = 50 * time.Millisecond

// longDeferred is the value in Departures.Known of members that had left before the leader's term and of which it has no more
// information: nothing has run on them for a long time.
const longDeferred time.Duration = -round.MaxDefer

// formerBurst returns the burst that the former leader has handed over, nil for none. If that leader had decided nothing, it is the one
// that its predecessor has handed over; Deferred then includes the time between those two.
func formerBurst(f *round.Facts) *schema.Burst {
	if f.Snapshot.Epoch.Rec == nil {
		return nil
	}
	handed := map[int64]*schema.Burst{} // by term
	for _, memberID := range f.MemberIDs {
		assignment := f.Snapshot.Peers[memberID].Assignment.Rec
		if assignment != nil && assignment.Closed != nil && assignment.Closed.Burst != nil {
			handed[assignment.Closed.Burst.Term] = assignment.Closed.Burst
		}
	}
	apart := time.Duration(0)
	for term := f.Snapshot.Epoch.Rec.Term - 1; handed[term] != nil; term-- {
		apart += leaderGap
		switch b := *handed[term]; {
		case b.Count < 0 || b.Deferred < 0:
			return nil
		case b.Count > 0:
			b.Deferred = min(b.Deferred, cluster.Duration(round.MaxDefer)) + cluster.Duration(apart)
			return &b
		}
	}
	return nil
}

// Left reports whether a member left on purpose, so that nothing of it runs.
func Left(p *view.Peer) bool {
	return p.Assignment.Rec != nil && p.Assignment.Rec.Closed != nil && p.Assignment.Rec.Closed.Left
}

// leavesSlots reports whether a member that has left leaves any slots; otherwise there is nothing to wait for.
func leavesSlots(p *view.Peer) bool {
	return len(p.Assignment.Rec.Granted)+len(p.Assignment.Rec.Releasing) > 0
}

// departing returns the members that leave or have left on purpose, as in Departures.Known, and how many of them are new. Members that
// have left to be restarted do not count while their slots wait for them, and when their nodes are back. For a leader that begins,
// members that have left already count as old.
func (d *delayer) departing(live map[string]bool, begins bool, before time.Duration) (known map[string]time.Duration, fresh int) {
	known = map[string]time.Duration{}
	for _, memberID := range d.MemberIDs {
		ended := d.members[memberID] == Reapable && Left(d.Snapshot.Peers[memberID])
		if _, waits := d.delays.Restarts[memberID]; waits || !ended && d.members[memberID] != Leaving {
			continue
		}
		if LeftToRestart(d.Snapshot.Peers[memberID]) && live[d.NodeName(memberID)] {
			continue
		}
		since, seen := d.delays.Departures.Known[memberID]
		if !seen {
			fresh++
		}
		switch {
		case ended && begins:
			since = before
		case ended && since == 0:
			since = d.Now
		}
		known[memberID] = since
	}
	return known, fresh
}

// deferDepartures defers the slots of nodes that left while other nodes follow them. The slots of a node that has returned under its
// name are not deferred.
func (d *delayer) deferDepartures(live map[string]bool) {
	w := &d.delays.Departures
	before := longDeferred
	var former *schema.Burst
	begins := w.Known == nil
	if begins {
		former = formerBurst(d.Facts)
		if former != nil {
			before = d.Now - time.Duration(former.Deferred)
		}
	}
	known, fresh := d.departing(live, begins, before)
	w.Known = known
	if fresh > 0 {
		if d.Now > w.End() {
			w.Count = 0
		}
		w.Last, w.Count = d.Now, w.Count+fresh
	}
	if former != nil {
		w.Count = max(w.Count, min(former.Count, round.DepartFew)+1)
	}
	if w.Count < 2 {
		return
	}
	for memberID, since := range known {
		until := min(w.End(), since+round.MaxDefer)
		if d.members[memberID] != Reapable || d.Now >= until {
			continue
		}
		if !d.members.IsBack(d.Facts, memberID) && leavesSlots(d.Snapshot.Peers[memberID]) {
			d.delay(memberID)
			d.draft.RequeueAt(until)
		}
	}
}
