package reconcile

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// memberState is what the leader makes of a member.
type memberState int

const (
	active   memberState = iota // live: takes work
	leaving                     // live: its slots are to be moved away
	lost                        // gone or unknown: its slots wait
	reapable                    // nothing of it can run: its assignment is deleted
	settled                     // nothing of it runs, but what its assignment lists still awaits an agenda
	unknown                     // nothing can be decided about it
)

// members are the states of all members, by GUID.
type members map[string]memberState

// live reports whether a member is there, so that it answers what it is asked.
func (m members) live(guid string) bool { return m[guid] == active || m[guid] == leaving }

// isBack reports whether the node of a member that is gone has come back.
func (m members) isBack(f *facts, guid string) bool {
	name := f.nodeName(guid)
	for other := range m {
		if m.live(other) && other != guid && f.nodeName(other) == name {
			return true
		}
	}
	return false
}

// FirstSeen is the first sight of a member that is gone or has to go.
type FirstSeen struct {
	At         time.Duration // when it was decided so, on the lease clock
	Assignment int64         // the version of its assignment then
	Delay      time.Duration // from At until its slots may be given away
}

// classifier finds out what becomes of members.
type classifier struct {
	*facts
	commit    *commit
	firstSeen map[string]FirstSeen
}

// classify returns the state of every member, and since when those that are gone have been seen so. It writes assignments
// again that were damaged, and names who is to be evicted.
func classify(f *facts, c *commit) (members, map[string]FirstSeen) {
	d := &classifier{f, c, map[string]FirstSeen{}}
	states := make(members, len(f.guids))
	for _, guid := range f.guids {
		states[guid] = d.classify(guid, f.Snapshot.Peers[guid])
	}
	return states, d.firstSeen
}

func (d *classifier) classify(guid string, p *view.Peer) memberState {
	assignment := p.Assignment
	switch {
	case assignment.Absent && d.Reaped[guid]:
		d.commit.out.Forget = append(d.commit.out.Forget, guid)
		return unknown
	case assignment.Absent:
		return d.assignmentMissing(guid, p)
	case !assignment.Good():
		return d.assignmentUnusable(guid, p)
	case assignment.Rec.Closed != nil:
		return reapable
	case assignment.Rec.Evicted:
		if d.confirmedGone(guid, assignment.Version, d.timeoutOf(guid)+d.takeoverDelay(guid), d.Now) {
			return reapable
		}
		return lost
	case p.Member.Absent && p.Status.Absent:
		if p.Member.Read < assignment.Read || p.Status.Read < assignment.Read {
			d.commit.requeueMemberAt(guid, d.Now) // absent when read before the assignment proves nothing
			return lost
		}
		if d.confirmedGone(guid, assignment.Version, d.takeoverDelay(guid), min(p.Member.Read, p.Status.Read)) {
			return reapable
		}
		return lost
	case p.Member.Absent || p.Status.Absent:
		return d.partiallyDeleted(guid, p)
	case p.Member.Rec == nil || !p.Status.Good():
		return lost // edited by hand; what it has stays with it
	case p.Status.Rec.Leaving:
		return leaving
	case guid == d.Self && d.Leaving: // what it gave itself now it would ask back as soon as it has read its status
		return leaving
	}
	return active
}

// partiallyDeleted: one of the member's keys is absent and another one is not. The end of a session takes them all
// at once, so if that is still so when it is read again, a hand has done it, and what is absent
// proves nothing: were the rest deleted too, the member would look like one that is gone
// while it goes on. It is evicted: that stops it by its heartbeat, which it cannot write any longer.
func (d *classifier) partiallyDeleted(guid string, p *view.Peer) memberState {
	there := p.Status.Read
	if p.Status.Absent {
		there = p.Member.Read
	}
	if d.confirmedGone(guid, p.Assignment.Version, 1, there) {
		d.evict(guid)
	}
	return lost
}

// evict has a member evicted, if no other one is.
func (d *classifier) evict(guid string) {
	if d.commit.out.Evict == "" {
		d.commit.out.Evict = guid
	}
}

// confirmedGone reports whether a member that was first seen like this some time ago may be given up:
// it was seen so again, at the time given, long enough after the first sight.
func (d *classifier) confirmedGone(guid string, version int64, delay, seen time.Duration) bool {
	first, ok := d.Memory.FirstSeenGone[guid]
	if !ok || first.Assignment != version || first.Delay != delay {
		first = FirstSeen{At: d.Now, Assignment: version, Delay: delay}
	}
	d.firstSeen[guid] = first
	if seen >= first.At+first.Delay {
		return true
	}
	d.commit.requeueMemberAt(guid, first.At+first.Delay)
	return false
}

// assignmentMissing: an assignment that this leader did not delete is missing. What it granted may run, so
// nothing is granted until that is cleared up.
func (d *classifier) assignmentMissing(guid string, p *view.Peer) memberState {
	d.commit.block("the assignment of " + d.nodeName(guid) + " is missing")
	if p.Live() {
		if p.Status.Read < p.Assignment.Read || !p.Status.Good() || p.Member.Rec == nil {
			at := d.Now
			if p.Status.Read >= p.Assignment.Read {
				at += d.takeoverDelay(guid)
			}
			d.commit.requeueMemberAt(guid, at)
			d.orphanedKeys(guid, p)
			return unknown
		}
		d.evict(guid)
		return unknown
	}
	if !p.Member.Absent || !p.Status.Absent {
		d.commit.requeueMemberAt(guid, d.Now+d.takeoverDelay(guid))
		d.orphanedKeys(guid, p)
		return unknown
	}
	if d.confirmedGone(guid, -1, d.timeoutOf(guid)+d.takeoverDelay(guid), d.Now) {
		d.commit.out.Forget = append(d.commit.out.Forget, guid)
	}
	return unknown
}

// orphanedKeys: of a member without an assignment other keys are missing, too, or cannot be used, so that nobody knows what it
// holds. Who has such keys and lives has heard that its assignment is missing. If they are still there when its lease would
// be over they go, whoever has made them: else nothing would ever be granted again.
func (d *classifier) orphanedKeys(guid string, p *view.Peer) {
	const version = -2 // of no assignment, and not as for a member of whom nothing is left
	if d.confirmedGone(guid, version, d.timeoutOf(guid)+d.takeoverDelay(guid), p.Assignment.Read) {
		d.evict(guid)
	}
}

// assignmentUnusable: an assignment was edited by hand. The last good one is written again if nothing
// can have happened in between; else what the member says it holds is asked back.
func (d *classifier) assignmentUnusable(guid string, p *view.Peer) memberState {
	c := d.commit
	c.block("the assignment of " + d.nodeName(guid) + " cannot be used")
	assignment := p.Assignment
	if c.full() || c.leavesOut(PartAssignment, guid) {
		return unknown // for the next commit
	}
	if assignment.Rec != nil && assignment.RecAt == assignment.Version-1 {
		again := *assignment.Rec
		c.write(guid, &again, 0)
		c.move(cluster.Decided{Step: cluster.StepRewrite, Node: again.Node}, cluster.Reason{Code: cluster.WhyEdited, Detail: "the assignment"})
		return unknown
	}
	switch {
	case p.Live() && p.Status.Good() && p.Member.Rec != nil && p.Status.Read >= assignment.Read:
		m := p.Member.Rec
		fresh := &schema.Assignment{Node: m.Node, Host: m.Host, SessionTimeout: m.SessionTimeout, Slots: []schema.SlotRange{}}
		fresh.Releasing = schema.AskedBack(p.Status.Rec.Holding, assignment.Version+1)
		c.write(guid, fresh, 0)
		c.move(cluster.Decided{Step: cluster.StepRewrite, Node: m.Node}, cluster.Reason{Code: cluster.WhyEdited, Detail: "the assignment was lost"})
	case p.Member.Absent && p.Status.Absent:
		// It may have been marked as evicted: the longest lease has to be over.
		if d.confirmedGone(guid, assignment.Version, d.timeoutOf(guid)+d.takeoverDelay(guid), d.Now) {
			return reapable
		}
	default:
		c.requeueMemberAt(guid, d.Now+d.takeoverDelay(guid))
	}
	return unknown
}
