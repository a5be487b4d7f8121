package reconcile

import (
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// fate is what the leader makes of a member.
type fate int

const (
	works   fate = iota // live: takes work
	leaves              // live: its slots are to be moved away
	waits               // gone or unknown: its slots wait
	buried              // its document is being deleted
	rests               // nothing of it runs: what its document lists still awaits an agenda
	missing             // nothing can be decided about it
)

// bury deletes the document of a member that is to be buried.
func (d *decider) bury(guid string, p *view.Peer) {
	switch {
	case d.fates[guid] != buried:
	case d.full():
		d.fates[guid] = waits // for the next commit
	case d.anyAwaitsAgenda(p.Doc.Rec):
		d.fates[guid] = rests
		d.freeRest(guid, p)
	default:
		d.write(guid, nil, 0)
		if p.Done.Rec != nil && !p.Done.Absent {
			d.extra++
		}
		why := departureOf(p)
		d.move(schema.Move{Step: "bury", Node: d.nodeName(guid), Why: why})
		if p.Doc.Rec != nil {
			d.free(p.Doc.Rec.Node, p.Doc.Rec.Slots, p.Doc.Rec.Releasing, why)
		}
	}
}

// freeRest takes everything that does not await its agenda out of the document of a member of which nothing runs. It closes
// the document: no later leader has to find out again that nothing runs, or to wait for the node to come back.
func (d *decider) freeRest(guid string, p *view.Peer) {
	await := func(slot cluster.Slot, _ *schema.Held) bool { return d.awaitsAgenda(slot) }
	slots, freed := schema.Split(p.Doc.Rec.Slots, await)
	releasing, returned := schema.Split(p.Doc.Rec.Releasing, await)
	for _, h := range slices.Concat(slots, releasing) {
		task, _ := cluster.SplitRun(h.Task)
		d.out.Unplaced[task] = cluster.Reason{Code: cluster.WhyWaiting, Node: p.Doc.Rec.Node, Detail: "what it says of the end of " + h.Task + " is kept until the agenda of " + task + " can be read and written"}
	}
	if len(freed)+len(returned) == 0 {
		return
	}
	doc := *p.Doc.Rec
	closed := schema.Closed{By: d.Self, Cause: "lost"}
	switch {
	case doc.Closed != nil:
		closed = *doc.Closed
		closed.StartedLast60s = nil // they are suspected in this commit
	case doc.Evicted:
		closed.Cause = "evicted"
	}
	why := departureOf(p)
	closed.Clean = true
	doc.Slots, doc.Releasing, doc.Closed = nonNil(slots), nonNil(releasing), &closed
	d.write(guid, &doc, 0)
	d.free(doc.Node, freed, returned, why)
}

// free notes that slots which a member had or was to give back are free, and why: what it was asked for it leaves for that reason.
func (d *decider) free(node string, slots, releasing []schema.Held, why cluster.Reason) {
	for i, list := range [][]schema.Held{slots, releasing} {
		for _, h := range list {
			because := why
			if i == 1 && h.Why != nil {
				because = *h.Why
			}
			d.leaveFor(h, because)
			d.move(schema.Move{Step: "free", Task: h.Task, Slots: h.Slots, Node: node, Token: h.Token, Why: because})
		}
	}
}

func (d *decider) fateOf(guid string, p *view.Peer) fate {
	doc := p.Doc
	switch {
	case doc.Absent && d.Buried[guid]:
		d.out.Forget = append(d.out.Forget, guid)
		return missing
	case doc.Absent:
		return d.missingDoc(guid, p)
	case !doc.Good():
		return d.unusableDoc(guid, p)
	case doc.Rec.Closed != nil:
		return buried
	case doc.Rec.Evicted:
		if d.waited(guid, doc.Version, d.timeoutOf(p)+d.graceOf(p), d.Now) {
			return buried
		}
		return waits
	case p.Member.Absent && p.Status.Absent:
		if p.Member.Read < doc.Read || p.Status.Read < doc.Read {
			d.lookAt(guid, d.Now) // absent when read before the document proves nothing
			return waits
		}
		if d.waited(guid, doc.Version, d.graceOf(p), min(p.Member.Read, p.Status.Read)) {
			return buried
		}
		return waits
	case p.Member.Absent || p.Status.Absent:
		return d.torn(guid, p)
	case p.Member.Rec == nil || !p.Status.Good():
		return waits // edited by hand; what it has stays with it
	case p.Status.Rec.Leaving:
		return leaves
	case guid == d.Self && d.Leaving: // what it gave itself now it would ask back as soon as it has read its status
		return leaves
	}
	return works
}

// torn: one of the member's keys is absent and another one is not. The end of a session takes them all
// at once, so if that is still so when it is read again, a hand has done it, and what is absent
// proves nothing any more: were the rest deleted too, the member would look like one that is gone
// while it goes on. It is evicted: that stops it by its heartbeat, which it cannot write any more.
func (d *decider) torn(guid string, p *view.Peer) fate {
	there := p.Status.Read
	if p.Status.Absent {
		there = p.Member.Read
	}
	if d.waited(guid, p.Doc.Version, 1, there) && d.out.Evict == "" {
		d.out.Evict = guid
	}
	return waits
}

// waited tells whether a member that was first seen like this some time ago may be given up:
// it was seen so again, at the time given, long enough after the first sight.
func (d *decider) waited(guid string, version int64, wait, seen time.Duration) bool {
	look, ok := d.Looks[guid]
	if !ok || look.Doc != version || look.Wait != wait {
		look = Look{At: d.Now, Doc: version, Wait: wait}
	}
	d.out.Looks[guid] = look
	if seen >= look.At+look.Wait {
		return true
	}
	d.lookAt(guid, look.At+look.Wait)
	return false
}

// lookAt asks for a member to be read again at a time.
func (d *decider) lookAt(guid string, at time.Duration) {
	if n := len(d.out.Look); n == 0 || d.out.Look[n-1] != guid {
		d.out.Look = append(d.out.Look, guid)
	}
	d.wake(at)
}

// wake asks for a decision at a time.
func (d *decider) wake(at time.Duration) {
	if d.out.Again == 0 || at < d.out.Again {
		d.out.Again = at
	}
}

// missingDoc: a document that this leader did not bury is missing. What it granted may run, so
// nothing is granted until that is cleared up.
func (d *decider) missingDoc(guid string, p *view.Peer) fate {
	d.block("the document of " + d.nodeName(guid) + " is missing")
	if p.Live() {
		if p.Status.Read < p.Doc.Read || !p.Status.Good() || p.Member.Rec == nil {
			at := d.Now
			if p.Status.Read >= p.Doc.Read {
				at += d.graceOf(p)
			}
			d.lookAt(guid, at)
			d.remainder(guid, p)
			return missing
		}
		if d.out.Evict == "" {
			d.out.Evict = guid
		}
		return missing
	}
	if !p.Member.Absent || !p.Status.Absent {
		d.lookAt(guid, d.Now+d.graceOf(p))
		d.remainder(guid, p)
		return missing
	}
	if d.waited(guid, -1, d.timeoutOf(p)+d.graceOf(p), d.Now) {
		d.out.Forget = append(d.out.Forget, guid)
	}
	return missing
}

// remainder: of a member without a document other keys are missing, too, or cannot be used, so that nobody knows what it
// holds. Who has such keys and lives has heard that its document is missing. If they are still there when its lease would
// be over they go, whoever has made them: else nothing would ever be granted again.
func (d *decider) remainder(guid string, p *view.Peer) {
	const version = -2 // of no document, and not as for a member of whom nothing is left
	if d.waited(guid, version, d.timeoutOf(p)+d.graceOf(p), p.Doc.Read) && d.out.Evict == "" {
		d.out.Evict = guid
	}
}

// unusableDoc: a document was edited by hand. The last good one is written again if nothing
// can have happened in between; else what the member says it holds is asked back.
func (d *decider) unusableDoc(guid string, p *view.Peer) fate {
	d.block("the document of " + d.nodeName(guid) + " cannot be used")
	doc := p.Doc
	if d.full() || d.around(PartDoc, guid) {
		return missing // for the next commit
	}
	if doc.Rec != nil && doc.RecAt == doc.Version-1 {
		again := *doc.Rec
		d.write(guid, &again, 0)
		d.move(schema.Move{Step: "rewrite", Node: again.Node, Why: cluster.Reason{Code: cluster.WhyEdited, Detail: "the document"}})
		return missing
	}
	switch {
	case p.Live() && p.Status.Good() && p.Member.Rec != nil && p.Status.Read >= doc.Read:
		m := p.Member.Rec
		fresh := &schema.Doc{Node: m.Node, Host: m.Host, SessionTimeout: m.SessionTimeout, Slots: []schema.Held{}}
		fresh.Releasing = schema.AskedBack(p.Status.Rec.Holding, doc.Version+1)
		d.write(guid, fresh, 0)
		d.move(schema.Move{Step: "rewrite", Node: m.Node, Why: cluster.Reason{Code: cluster.WhyEdited, Detail: "the document was lost"}})
	case p.Member.Absent && p.Status.Absent:
		// It may have been marked as evicted: the longest lease has to be over.
		if d.waited(guid, doc.Version, d.timeoutOf(p)+d.graceOf(p), d.Now) {
			return buried
		}
	default:
		d.lookAt(guid, d.Now+d.graceOf(p))
	}
	return missing
}

// graceOf returns the takeover delay of a member.
func (d *decider) graceOf(p *view.Peer) time.Duration {
	if d.Grace == coord.OwnTimeout {
		return d.timeoutOf(p)
	}
	return d.Grace
}

// timeoutOf returns the session timeout of a member, the longest known where its own is not.
func (d *decider) timeoutOf(p *view.Peer) time.Duration {
	if p.Doc.Rec != nil && p.Doc.Rec.SessionTimeout > 0 {
		return time.Duration(p.Doc.Rec.SessionTimeout)
	}
	if p.Member.Rec != nil && p.Member.Rec.SessionTimeout > 0 {
		return time.Duration(p.Member.Rec.SessionTimeout)
	}
	longest := d.Timeout
	for _, p := range d.Snapshot.Peers {
		if p.Doc.Rec != nil {
			longest = max(longest, time.Duration(p.Doc.Rec.SessionTimeout))
		}
		if p.Member.Rec != nil {
			longest = max(longest, time.Duration(p.Member.Rec.SessionTimeout))
		}
	}
	return longest
}

func (d *decider) nodeName(guid string) string {
	if p := d.Snapshot.Peers[guid]; p != nil {
		if p.Doc.Rec != nil {
			return p.Doc.Rec.Node
		}
		if p.Member.Rec != nil {
			return p.Member.Rec.Node
		}
	}
	return guid
}
