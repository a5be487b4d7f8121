package members

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// When nodes leave one soon after the other, what one leaves behind would go to those that leave next, and so on. The work of the
// first one is given away at once. What the others leave behind waits until no node has left for a moment (Quiet, or GatherMany
// where more than a few have), and is then assigned to those that stay. No member's waits for longer than round.MaxDefer, however many
// follow it: a stream of nodes that leave need not end.
//
// Leaders leave as well. The commit that closes a leader hands two things over to the next one: the burst, and for how long the
// leader has deferred the grants of what others left behind. A leader that has made no decision hands over a count of 0; its
// successor then uses what the leader before it handed over. Where nothing was handed over, it is unknown for how long grants
// have been deferred, and they are not deferred again. Values that no leader can have written are ignored or cut.

// between is an estimate of the time between two leaders in which no member led. What others have left behind counts as deferred
// during it.
const between = 50 * time.Millisecond

// longDeferred is since when nothing runs on members that had left before a leader began which knows no more of them.
const longDeferred time.Duration = -round.MaxDefer

// formerBurst returns what the former leader has handed over of the burst, nil if that is nothing. Where that one had decided
// nothing, it is what the one before it has handed over: Deferred then covers the time between those, too.
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
		apart += between
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

// leavesSlots reports whether a member that has left leaves anything behind: else there is nothing to wait for.
func leavesSlots(p *view.Peer) bool {
	return len(p.Assignment.Rec.Granted)+len(p.Assignment.Rec.Releasing) > 0
}

// departing returns the members that leave or have left on purpose, as in Departures.Known, and how many of them are new. To a
// leader that begins, those that had left already have been so since before.
func (d *delayer) departing(begins bool, before time.Duration) (known map[string]time.Duration, fresh int) {
	known = map[string]time.Duration{}
	for _, memberID := range d.MemberIDs {
		ended := d.members[memberID] == Reapable && Left(d.Snapshot.Peers[memberID])
		if !ended && d.members[memberID] != Leaving {
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

// deferDepartures lets the slots of nodes that left wait while other nodes follow them. The slots of a node that is back under
// its name do not wait.
func (d *delayer) deferDepartures() {
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
	known, fresh := d.departing(begins, before)
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
			d.members[memberID] = Delayed
			d.draft.RequeueAt(until)
		}
	}
}
