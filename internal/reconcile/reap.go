package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// reap deletes the documents of members of which nothing can run, as far as one commit goes, and returns the states of all
// members after that.
func reap(f *facts, m members, pending pendingRuns, c *commit) members {
	next := maps.Clone(m)
	for _, guid := range f.guids {
		p := f.Snapshot.Peers[guid]
		switch {
		case m[guid] != reapable:
		case c.full():
			next[guid] = lost // for the next commit
		case pending.ofDoc(p.Doc.Rec):
			next[guid] = settled
			closeSettled(f, guid, p, pending, c)
		default:
			c.write(guid, nil, 0)
			if p.Done.Rec != nil && !p.Done.Absent {
				c.extra++
			}
			why := departureOf(p)
			c.move(cluster.Decided{Step: cluster.StepReap, Node: f.nodeName(guid)}, why)
			if p.Doc.Rec != nil {
				c.free(p.Doc.Rec.Node, p.Doc.Rec.Slots, p.Doc.Rec.Releasing, why)
			}
		}
	}
	return next
}

// closeSettled takes everything that does not await its agenda out of the document of a member of which nothing runs. It closes
// the document: no later leader has to find out again that nothing runs, or to wait for the node to come back.
func closeSettled(f *facts, guid string, p *view.Peer, pending pendingRuns, c *commit) {
	await := func(slot cluster.Slot, _ *schema.Held) bool { return pending.of(slot) }
	slots, freed := schema.Split(p.Doc.Rec.Slots, await)
	releasing, returned := schema.Split(p.Doc.Rec.Releasing, await)
	for _, h := range slices.Concat(slots, releasing) {
		task, _ := cluster.SplitRun(h.Task)
		c.out.Unplaced[task] = cluster.Reason{Code: cluster.WhyWaiting, Node: p.Doc.Rec.Node,
			Detail: "what it says of the end of " + h.Task + " is kept until the agenda of " + task + " can be read and written"}
	}
	if len(freed)+len(returned) == 0 {
		return
	}
	doc := *p.Doc.Rec
	closed := schema.Closed{By: f.Self, Cause: "lost"}
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
	c.write(guid, &doc, 0)
	c.free(doc.Node, freed, returned, why)
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
