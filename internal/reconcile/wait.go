package reconcile

import (
	"fmt"
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Waits is what a leader remembers of what it waits for.
type Waits struct {
	// Gone are the members that vanished without a word, and when that was first seen.
	Gone map[string]Absence
	// Frozen says that too many vanished at once, since FrozenAt.
	Frozen   bool
	FrozenAt time.Duration
	// Failing are the members on which everything fails and elsewhere nothing of the same tasks does, and
	// since when.
	Failing map[string]time.Duration
	// Drains are the nodes to be drained, and when their marks were first seen.
	Drains map[string]time.Duration
	// Nodes identifies the nodes at the last decision, Changed is when they last changed, and Held
	// since when moves for balance are held for a burst of changes to end, 0 if they are not.
	Nodes         string
	Changed, Held time.Duration
	Departures    Departures
	// Gathers is since when grants wait for the nodes of a cluster that starts, 0 if they do not.
	Gathers time.Duration
	Toward  Toward
}

// Absence is the first sight of a member that vanished.
type Absence struct {
	Node string
	At   time.Duration
}

func newWaits(old Waits) Waits {
	next := old
	next.Gone, next.Drains, next.Failing = maps.Clone(old.Gone), map[string]time.Duration{}, map[string]time.Duration{}
	if next.Gone == nil {
		next.Gone = map[string]Absence{}
	}
	return next
}

// vanished tells whether a member is gone without having left on purpose, and was not removed.
func vanished(p *view.Peer) bool {
	doc := p.Doc.Rec
	switch {
	case doc == nil || doc.Evicted:
		return false
	case doc.Closed != nil:
		return !doc.Closed.Clean
	}
	return p.Member.Absent && p.Status.Absent
}

// wait lets the slots of members that vanished wait: for a while, since a node that crashed is
// often back at once; or for longer if many vanished at once, since then it is more likely that
// something else is wrong.
func (d *decider) wait() {
	live := map[string]bool{}
	for _, guid := range d.guids {
		if f := d.fates[guid]; f == works || f == leaves {
			live[d.nodeName(guid)] = true
		}
	}
	d.noteAbsences(live)
	d.together()
	d.emptyTogether()
	policy := d.Snapshot.Moving()
	all := len(live) + len(d.out.Waits.Gone)
	switch tooMany := policy.FreezeAbove > 0 && float64(len(d.out.Waits.Gone)) > policy.FreezeAbove*float64(all); {
	case !tooMany:
		d.out.Waits.Frozen = false
	case !d.out.Waits.Frozen:
		d.out.Waits.Frozen, d.out.Waits.FrozenAt = true, d.Now
	}
	for _, guid := range d.guids {
		if until, why := d.waitsFor(guid, all); d.fates[guid] == buried && d.Now < until {
			d.fates[guid] = waits
			d.waiting[guid] = why
			d.wake(until)
		}
	}
	d.drains()
}

// Members that vanish at the same time are buried at the same time: those whose wait is over let the others catch up whose
// wait ends soon, for a moment.
const (
	soon       = 200 * time.Millisecond
	maxLetting = 500 * time.Millisecond
)

func (d *decider) together() {
	next := time.Duration(0) // the end of a wait that is still under way
	for guid, look := range d.out.Looks {
		if end := look.At + look.Wait; d.fates[guid] == waits && end > d.Now && end <= d.Now+soon && (next == 0 || end < next) {
			next = end
		}
	}
	if next == 0 {
		return
	}
	for guid, look := range d.out.Looks {
		if d.fates[guid] == buried && d.Now < look.At+look.Wait+maxLetting {
			d.fates[guid] = waits
			d.wake(next)
		}
	}
}

// waitsFor returns until when the slots of a member that vanished wait, of so many nodes in all, and why.
func (d *decider) waitsFor(guid string, all int) (until time.Duration, why cluster.Reason) {
	absence, missed := d.out.Waits.Gone[guid]
	if !missed {
		return 0, why
	}
	policy := d.Snapshot.Moving()
	why = cluster.Reason{Code: cluster.WhyWaiting, Node: absence.Node}
	if thaw := d.out.Waits.FrozenAt + policy.Freeze(); d.out.Waits.Frozen && d.Now < thaw {
		why.Detail = fmt.Sprintf("%d of %d nodes vanished at once, so nothing of theirs is moved for %v", len(d.out.Waits.Gone), all, policy.Freeze())
		return thaw, why
	}
	why.Detail = fmt.Sprintf("it is given %v to come back", time.Duration(policy.LeaveDelay))
	return absence.At + time.Duration(policy.LeaveDelay), why
}

// explainWaits notes why slots of members that vanished wait, for who does not know since when they are
// gone.
func (d *decider) explainWaits() {
	live := 0
	for _, f := range d.fates {
		if f == works || f == leaves {
			live++
		}
	}
	for _, guid := range d.guids {
		p := d.Snapshot.Peers[guid]
		if until, why := d.waitsFor(guid, live+len(d.out.Waits.Gone)); until > d.Now {
			d.waiting[guid] = why
		} else if p.Doc.Rec != nil && p.Doc.Rec.Closed == nil && !p.Doc.Rec.Evicted && p.Member.Absent && p.Status.Absent {
			d.waiting[guid] = cluster.Reason{Code: cluster.WhyWaiting, Node: d.nodeName(guid), Detail: delayEnds}
		} else if p.Doc.Rec != nil && p.Doc.Rec.Closed == nil && (p.Silent || !p.Live()) {
			d.waiting[guid] = cluster.Reason{Code: cluster.WhyWaiting, Node: d.nodeName(guid), Detail: sessionEnds}
		}
	}
}

// What is waited for before what a lost node had is granted elsewhere: one after the other.
const (
	sessionEnds = "what it had is granted elsewhere when its session has ended"
	delayEnds   = "its session has ended, and what it had is granted elsewhere after the takeover delay"
)

// noteAbsences brings up to date who vanished: whoever is not back, and was not buried longer ago than
// a session timeout.
func (d *decider) noteAbsences(live map[string]bool) {
	gone := d.out.Waits.Gone
	for _, guid := range d.guids {
		p := d.Snapshot.Peers[guid]
		if _, known := gone[guid]; !known && vanished(p) && (d.fates[guid] == buried || d.fates[guid] == waits) {
			gone[guid] = Absence{Node: d.nodeName(guid), At: d.Now}
		}
	}
	for guid, absence := range gone {
		p := d.Snapshot.Peers[guid]
		// Whoever leaves may look as if it had vanished, until its document is read.
		if live[absence.Node] || d.hurried(guid) || p != nil && !vanished(p) || p == nil && d.Now > absence.At+d.Timeout {
			delete(gone, guid)
		}
	}
}

// drains lets go of what nobody else can take once a drain is over its deadline: the node counts
// as leaving then.
func (d *decider) drains() {
	for node, e := range d.Snapshot.Marks {
		if e.Rec == nil || e.Rec.Drain == nil || e.Rec.Drain.Deadline == 0 {
			continue
		}
		since, known := d.Waits.Drains[node]
		if !known {
			since = d.Now
		}
		d.out.Waits.Drains[node] = since
		end := since + time.Duration(e.Rec.Drain.Deadline)
		if d.Now < end {
			d.wake(end)
			continue
		}
		for guid, f := range d.fates {
			if f == works && d.nodeName(guid) == node {
				d.fates[guid] = leaves
			}
		}
	}
}

// drained tells whether a member that is to leave is so because of a drain.
func (d *decider) drained(guid string) bool {
	p := d.Snapshot.Peers[guid]
	return d.Snapshot.Mark(d.nodeName(guid)).Drain != nil && (p.Status.Rec == nil || !p.Status.Rec.Leaving)
}

// departureOf says why a member's slots are free.
func departureOf(p *view.Peer) cluster.Reason {
	why := cluster.Reason{Code: cluster.WhyLost}
	if doc := p.Doc.Rec; doc != nil {
		why.Node = doc.Node
		switch {
		case doc.Closed != nil && doc.Closed.Clean:
			why.Code = cluster.WhyLeft
		case doc.Evicted:
			why.Code = cluster.WhyEvicted
		case doc.Closed != nil && doc.Closed.Cause != "lost":
			why.Detail = doc.Closed.Cause
		}
	}
	return why
}
