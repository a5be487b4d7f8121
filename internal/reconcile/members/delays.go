package members

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// vanished reports whether a member vanished: it did not leave on purpose, and its node may come back.
func vanished(p *view.Peer) bool {
	assignment := p.Assignment.Rec
	switch {
	case assignment == nil || assignment.Evicted:
		return false
	case assignment.Closed != nil:
		return !assignment.Closed.Left && !assignment.Closed.Settled
	}
	return p.Member.Absent && p.Status.Absent
}

// LeftToRestart reports whether a member left and asked that its slots wait for its node.
func LeftToRestart(p *view.Peer) bool { return Left(p) && p.Assignment.Rec.Closed.RestartGrace > 0 }

// graceOf returns for how long the slots of a member that has left wait for its node to come back, 0 if they do not.
func (d *delayer) graceOf(memberID string) time.Duration {
	p := d.Snapshot.Peers[memberID]
	if !LeftToRestart(p) || p.Assignment.Rec.Evicted || p.Assignment.Rec.Closed.Settled || d.MovesNow(memberID) || d.Drained(memberID) {
		return 0
	}
	return min(time.Duration(p.Assignment.Rec.Closed.RestartGrace), cluster.MaxRestartGrace)
}

// delayer decides which members' slots are delayed although they could be moved.
type delayer struct {
	*round.Facts
	draft     *round.Draft
	members   States // after the delays
	copied    bool   // whether these are not the states that were given
	firstSeen map[string]round.FirstSeen
	delays    round.Delays
	delayed   map[string]cluster.Reason // by member, for people
}

// ApplyDelays delays the slots of members that vanished: for a while, since a node that crashed often returns soon; or for longer if
// many vanished at once, since then another cause is more likely. It returns the states of all members after that, the memory of it,
// and the reasons of the delays.
func ApplyDelays(
	f *round.Facts, m States, firstSeen map[string]round.FirstSeen, draft *round.Draft,
) (States, round.Delays, map[string]cluster.Reason) {
	d := &delayer{f, draft, m, false, firstSeen, f.Memory.Delays, map[string]cluster.Reason{}}
	d.delays.Vanished = map[string]round.Absence{}
	maps.Copy(d.delays.Vanished, f.Memory.Delays.Vanished)
	live := d.liveNodes()
	d.recordAbsences(live)
	d.recordRestarts(live)
	d.alignReaps()
	d.deferDepartures(live)
	policy := d.Snapshot.Rebalance()
	all := len(live) + d.expected()
	switch tooMany := policy.FreezeAbove > 0 && float64(len(d.delays.Vanished)) > policy.FreezeAbove*float64(all); {
	case !tooMany:
		d.delays.Frozen = false
	case !d.delays.Frozen:
		d.delays.Frozen, d.delays.FrozenAt = true, d.Now
	}
	for _, memberID := range d.MemberIDs {
		if until, why := d.delayUntil(memberID, all); d.members[memberID] == Reapable && d.Now < until {
			d.delay(memberID)
			d.delayed[memberID] = why
			draft.RequeueAt(until)
		}
	}
	return d.members, d.delays, d.delayed
}

// delay delays the slots of a member.
func (d *delayer) delay(memberID string) {
	if !d.copied {
		d.members, d.copied = maps.Clone(d.members), true
	}
	d.members[memberID] = Delayed
}

// Members that vanish at the same time are reaped at the same time. A member whose delay is over waits for others whose delay ends
// soon, but for maxLetting at most.
const (
	delayEndsSoon = 200 * time.Millisecond
	maxLetting    = 500 * time.Millisecond
)

func (d *delayer) alignReaps() {
	next := time.Duration(0) // the end of a delay that is still under way
	for memberID, first := range d.firstSeen {
		if end := first.End; d.members[memberID] == Lost && end > d.Now && end <= d.Now+delayEndsSoon && (next == 0 || end < next) {
			next = end
		}
	}
	if next == 0 {
		return
	}
	for memberID, first := range d.firstSeen {
		if d.members[memberID] == Reapable && d.Now < first.End+maxLetting {
			d.delay(memberID)
			d.draft.RequeueAt(next)
		}
	}
}

// delayUntil returns until when the slots of a member that vanished are delayed, given the number of all nodes, and why.
func (d *delayer) delayUntil(memberID string, all int) (until time.Duration, why cluster.Reason) {
	if restart, leaves := d.delays.Restarts[memberID]; leaves {
		closed := d.Snapshot.Peers[memberID].Assignment.Rec.Closed
		detail := fmt.Sprintf("it has left to be restarted, and is given %v to come back", d.graceOf(memberID))
		if !closed.At.IsZero() {
			detail += ", until " + closed.At.Add(d.graceOf(memberID)).UTC().Format("15:04:05 MST")
		}
		return restart.At + d.graceOf(memberID), cluster.Reason{Code: cluster.WhyDelayed, Node: restart.Node, Detail: detail}
	}
	absence, missed := d.delays.Vanished[memberID]
	if !missed {
		return 0, why
	}
	policy := d.Snapshot.Rebalance()
	why = cluster.Reason{Code: cluster.WhyDelayed, Node: absence.Node}
	if thaw := d.delays.FrozenAt + policy.Freeze(); d.delays.Frozen && d.Now < thaw {
		why.Detail = fmt.Sprintf("%d of %d nodes vanished at once, so their slots are not moved for %v",
			len(d.delays.Vanished), all, policy.Freeze())
		return thaw, why
	}
	why.Detail = fmt.Sprintf("it is given %v to come back", time.Duration(policy.LeaveDelay))
	return absence.At + time.Duration(policy.LeaveDelay), why
}

// ExplainDelays returns why slots of members are delayed, as ApplyDelays does. It is for readers that do not know when a member
// vanished, and adds the members whose state the leader has yet to confirm.
func ExplainDelays(f *round.Facts, m States, delays round.Delays, delayed map[string]cluster.Reason) map[string]cluster.Reason {
	d := &delayer{Facts: f, members: m, delays: delays, delayed: maps.Clone(delayed)}
	live := 0
	for memberID := range m {
		if m.Live(memberID) {
			live++
		}
	}
	for _, memberID := range d.MemberIDs {
		p := d.Snapshot.Peers[memberID]
		if until, why := d.delayUntil(memberID, live+d.expected()); until > d.Now {
			d.delayed[memberID] = why
		} else if p.Assignment.Rec != nil && p.Assignment.Rec.Closed == nil && !p.Assignment.Rec.Evicted && p.Member.Absent && p.Status.Absent {
			d.delayed[memberID] = cluster.Reason{Code: cluster.WhyDelayed, Node: d.NodeName(memberID), Detail: DelayEnds}
		} else if p.Assignment.Rec != nil && p.Assignment.Rec.Closed == nil && (p.Silent || !p.Live()) {
			d.delayed[memberID] = cluster.Reason{Code: cluster.WhyDelayed, Node: d.NodeName(memberID), Detail: SessionEnds}
		}
	}
	return d.delayed
}

// The conditions before the slots of a lost node are granted elsewhere, in their order.
const (
	SessionEnds = "what it had is granted elsewhere when its session has ended"
	DelayEnds   = "its session has ended, and what it had is granted elsewhere after the takeover delay"
)

// recordAbsences updates which members have vanished: those that have not returned, and that were reaped at most a session timeout
// ago.
func (d *delayer) recordAbsences(live map[string]bool) {
	absences := d.delays.Vanished
	for _, memberID := range d.MemberIDs {
		p := d.Snapshot.Peers[memberID]
		if _, known := absences[memberID]; !known && vanished(p) && (d.members[memberID] == Reapable || d.members[memberID] == Lost) {
			absences[memberID] = round.Absence{Node: d.NodeName(memberID), At: d.Now}
		}
	}
	for memberID, absence := range absences {
		p := d.Snapshot.Peers[memberID]
		// A member that leaves may look as if it had vanished, until its assignment is read.
		if live[absence.Node] || d.MovesNow(memberID) || p != nil && !vanished(p) || p == nil && d.Now > absence.At+d.Timeout {
			delete(absences, memberID)
		}
	}
}

// recordRestarts updates which members have left to be restarted, and since when: those that have not come back. They do not count as
// vanished.
func (d *delayer) recordRestarts(live map[string]bool) {
	d.delays.Restarts = map[string]round.Absence{}
	for _, memberID := range d.MemberIDs {
		if node := d.NodeName(memberID); d.members[memberID] == Reapable && !live[node] && d.graceOf(memberID) > 0 {
			restart, known := d.Memory.Delays.Restarts[memberID]
			if !known {
				restart = round.Absence{Node: node, At: d.Now}
			}
			d.delays.Restarts[memberID] = restart
		}
	}
}

// expected returns the number of members that are gone and whose nodes may come back.
func (d *delayer) expected() int { return len(d.delays.Vanished) + len(d.delays.Restarts) }

// liveNodes returns the names of the nodes that are live. It returns none if all members are live and none has vanished: then they
// are of no use.
func (d *delayer) liveNodes() map[string]bool {
	if len(d.delays.Vanished) == 0 && !slices.ContainsFunc(d.MemberIDs, func(memberID string) bool { return !d.members.Live(memberID) }) {
		return nil
	}
	live := make(map[string]bool, len(d.members))
	for _, memberID := range d.MemberIDs {
		if d.members.Live(memberID) {
			live[d.NodeName(memberID)] = true
		}
	}
	return live
}
