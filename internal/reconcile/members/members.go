package members

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// State is the leader's classification of a member.
type State int

// The states of a member.
const (
	Active       State = iota // live: takes work
	Leaving                   // live: its slots are to be moved away
	Lost                      // it cannot be asked, and may still run something: its slots stay with it
	Delayed                   // nothing of it can run, but its slots stay with it for now
	Reapable                  // nothing of it can run: its assignment is deleted
	AwaitingRuns              // nothing of it can run, but its report is not yet in an agenda
	Unknown                   // undecided for now
)

// States are the states of all members, by MemberID.
type States map[string]State

// Live reports whether a member is live, so that it responds to its assignment.
func (m States) Live(memberID string) bool { return m[memberID] == Active || m[memberID] == Leaving }

// Retains reports whether a member that is not live keeps its slots for now: they are neither asked back nor granted elsewhere.
func (m States) Retains(memberID string) bool { return m[memberID] == Lost || m[memberID] == Delayed }

// IsBack reports whether the node of a member has returned as another member.
func (m States) IsBack(f *round.Facts, memberID string) bool {
	name := f.NodeName(memberID)
	for other := range m {
		if m.Live(other) && other != memberID && f.NodeName(other) == name {
			return true
		}
	}
	return false
}

// classifier finds the states of members.
type classifier struct {
	*round.Facts
	draft     *round.Draft
	firstSeen map[string]round.FirstSeen
}

// Classify returns the state of every member, and the first sights of those that may have to be given up. It writes damaged
// assignments again, and names the member that is to be evicted.
func Classify(f *round.Facts, draft *round.Draft) (States, map[string]round.FirstSeen) {
	d := &classifier{f, draft, map[string]round.FirstSeen{}}
	states := make(States, len(f.MemberIDs))
	for _, memberID := range f.MemberIDs {
		states[memberID] = d.classify(memberID, f.Snapshot.Peers[memberID])
	}
	return states, d.firstSeen
}

func (d *classifier) classify(memberID string, p *view.Peer) State {
	assignment := p.Assignment
	switch {
	case assignment.Absent && d.Reaped[memberID]:
		d.draft.Out.Forget = append(d.draft.Out.Forget, memberID)
		return Unknown
	case assignment.Absent:
		return d.assignmentMissing(memberID, p)
	case !assignment.Good():
		return d.assignmentUnusable(memberID, p)
	case assignment.Rec.Closed != nil:
		return Reapable
	case assignment.Rec.Evicted:
		if d.leaseOverAfter(memberID, assignment.Version, d.TimeoutOf(memberID)+d.TakeoverDelayOf(memberID), d.Now) {
			return Reapable
		}
		return Lost
	case p.Member.Absent && p.Status.Absent:
		if p.Member.Read < assignment.Read || p.Status.Read < assignment.Read {
			d.draft.RequeueMemberAt(memberID, d.Now) // absent when read before the assignment proves nothing
			return Lost
		}
		if d.leaseOverAfter(memberID, assignment.Version, d.TakeoverDelayOf(memberID), min(p.Member.Read, p.Status.Read)) {
			return Reapable
		}
		return Lost
	case p.Member.Absent || p.Status.Absent:
		return d.partiallyDeleted(memberID, p)
	case p.Member.Rec == nil || !p.Status.Good():
		return Lost // edited manually; its slots stay with it
	case StopsToRestart(d.Facts, memberID):
		return Lost // its slots wait for it; when it has left, ApplyDelays delays them
	case p.Status.Rec.Leaving:
		return Leaving
	case memberID == d.Self && d.Leaving: // it would ask back new grants of its own as soon as it has read its status
		return Leaving
	}
	return Active
}

// StopsToRestart reports whether a live member stops, and its slots are to wait for its node.
func StopsToRestart(f *round.Facts, memberID string) bool {
	p := f.Snapshot.Peers[memberID]
	leaves := p.Status.Rec != nil && p.Status.Rec.Leaving || memberID == f.Self && f.Leaving
	return leaves && p.Member.Rec != nil && p.Member.Rec.RestartGrace > 0 && !f.Drained(memberID) && !f.MovesNow(memberID)
}

// partiallyDeleted returns the state of a member of which one key is absent and another one is not. The end of a session deletes
// both at once. So if a second read shows the same, a key was deleted manually, and absence no longer proves that the session has
// ended: if the other key were deleted too, the member would seem to be gone while it continues. It is evicted, which stops it: it
// can no longer write its heartbeat.
func (d *classifier) partiallyDeleted(memberID string, p *view.Peer) State {
	there := p.Status.Read
	if p.Status.Absent {
		there = p.Member.Read
	}
	if d.confirmedAfter(memberID, p.Assignment.Version, anyDelay, there) {
		d.evict(memberID)
	}
	return Lost
}

// evict requests the eviction of a member, unless another one is evicted, or its assignment is left out of commits.
func (d *classifier) evict(memberID string) {
	if d.draft.Out.Evict == "" && !d.draft.Omits(round.PartAssignment, memberID) {
		d.draft.Out.Evict = memberID
	}
}

// The versions of the assignment in the first sight of a member that has none.
const (
	noKeys                int64 = -1 // no other key of it exists either
	keysWithoutAssignment int64 = -2 // other keys of it exist
)

// anyDelay is a delay after which any later read confirms the first sight.
const anyDelay time.Duration = 1

// confirmedAfter reports whether a member may be given up: its first sight, with its assignment at a version, was repeated at least a
// delay later, at the time given. Another version or another delay makes it a first sight again.
func (d *classifier) confirmedAfter(memberID string, version int64, delay, seen time.Duration) bool {
	return d.confirmedBy(memberID, version, delay, seen, 0)
}

// leaseOverAfter reports the same of a member whose heartbeat key has been deleted: it can no longer renew its lease. If the last
// heartbeat is known, the member's session timeout after that is enough, however the session ended and whenever that was seen.
func (d *classifier) leaseOverAfter(memberID string, version int64, delay, seen time.Duration) bool {
	leaseOver := time.Duration(0)
	if last := d.Snapshot.Peers[memberID].LastHeartbeat; last != 0 {
		leaseOver = last + d.TimeoutOf(memberID)
	}
	return d.confirmedBy(memberID, version, delay, seen, leaseOver)
}

// confirmedBy is the common part. The member may be given up at leaseOver, 0 for an unknown time, if that is before the end of the delay.
func (d *classifier) confirmedBy(memberID string, version int64, delay, seen, leaseOver time.Duration) bool {
	first, ok := d.Memory.FirstSeen[memberID]
	if !ok || first.Assignment != version || first.Delay != delay {
		first = round.FirstSeen{At: d.Now, Assignment: version, Delay: delay}
	}
	first.End = first.At + first.Delay
	if leaseOver != 0 {
		first.End = min(first.End, leaseOver)
	}
	d.firstSeen[memberID] = first
	if seen >= first.End {
		return true
	}
	d.draft.RequeueMemberAt(memberID, first.End)
	return false
}

// assignmentMissing returns the state of a member whose assignment is missing although this leader did not delete it. The slots that
// the assignment granted may run, so nothing is granted until that is resolved.
func (d *classifier) assignmentMissing(memberID string, p *view.Peer) State {
	d.draft.Block("the assignment of " + d.NodeName(memberID) + " is missing")
	if p.Live() {
		if p.Status.Read < p.Assignment.Read || !p.Status.Good() || p.Member.Rec == nil {
			at := d.Now
			if p.Status.Read >= p.Assignment.Read {
				at += d.TakeoverDelayOf(memberID)
			}
			d.draft.RequeueMemberAt(memberID, at)
			d.orphanedKeys(memberID, p)
			return Unknown
		}
		d.evict(memberID)
		return Unknown
	}
	if !p.Member.Absent || !p.Status.Absent {
		d.draft.RequeueMemberAt(memberID, d.Now+d.TakeoverDelayOf(memberID))
		d.orphanedKeys(memberID, p)
		return Unknown
	}
	if d.confirmedAfter(memberID, noKeys, d.TimeoutOf(memberID)+d.TakeoverDelayOf(memberID), d.Now) {
		d.draft.Out.Forget = append(d.draft.Out.Forget, memberID)
	}
	return Unknown
}

// orphanedKeys handles a member without an assignment whose other keys are absent too, or cannot be used, so that it is unknown what
// the member holds. If the member lives, it has noticed that its assignment is missing, and stops. Keys that still exist when its
// lease must be over are deleted, whichever session created them: otherwise nothing would ever be granted again.
func (d *classifier) orphanedKeys(memberID string, p *view.Peer) {
	if d.confirmedAfter(memberID, keysWithoutAssignment, d.TimeoutOf(memberID)+d.TakeoverDelayOf(memberID), p.Assignment.Read) {
		d.evict(memberID)
	}
}

// assignmentUnusable returns the state of a member whose assignment was edited manually. The last good one is written again if nothing
// can have happened in between. Otherwise everything that the member's status holds is asked back.
func (d *classifier) assignmentUnusable(memberID string, p *view.Peer) State {
	draft := d.draft
	draft.Block("the assignment of " + d.NodeName(memberID) + " cannot be used")
	assignment := p.Assignment
	if draft.Full() || draft.Omits(round.PartAssignment, memberID) {
		return Unknown // left to the next commit
	}
	if assignment.Rec != nil && assignment.RecAt == assignment.Version-1 {
		again := *assignment.Rec
		draft.Write(memberID, &again, 0)
		draft.AddStep(
			cluster.Decided{Step: cluster.StepRewrite, Node: again.Node},
			cluster.Reason{Code: cluster.WhyEdited, Detail: "the assignment"},
		)
		return Unknown
	}
	switch {
	case p.Live() && p.Status.Good() && p.Member.Rec != nil && p.Status.Read >= assignment.Read:
		m := p.Member.Rec
		fresh := &schema.Assignment{Node: m.Node, Host: m.Host, SessionTimeout: m.SessionTimeout, Granted: []schema.Granted{}}
		fresh.Releasing = schema.AskedBack(p.Status.Rec.Holding, assignment.Version+1)
		draft.Write(memberID, fresh, 0)
		draft.AddStep(
			cluster.Decided{Step: cluster.StepRewrite, Node: m.Node},
			cluster.Reason{Code: cluster.WhyEdited, Detail: "the assignment was damaged"},
		)
	case p.Member.Absent && p.Status.Absent:
		// It may have been marked as evicted: the longest lease has to be over.
		if d.confirmedAfter(memberID, assignment.Version, d.TimeoutOf(memberID)+d.TakeoverDelayOf(memberID), d.Now) {
			return Reapable
		}
	default:
		draft.RequeueMemberAt(memberID, d.Now+d.TakeoverDelayOf(memberID))
	}
	return Unknown
}
