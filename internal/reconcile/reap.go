package reconcile

import (
	"maps"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// reap deletes the assignments of members of which nothing can run, as far as one commit goes, and returns the states of all
// members after that.
func reap(f *facts, m members, pending pendingRuns, c *commit) members {
	next := maps.Clone(m)
	for _, memberID := range f.memberIDs {
		p := f.Snapshot.Peers[memberID]
		switch {
		case m[memberID] != reapable:
		case c.full():
			next[memberID] = lost // for the next commit
		case pending.ofAssignment(p.Assignment.Rec):
			next[memberID] = settled
			closeSettled(f, memberID, p, pending, c)
		default:
			c.write(memberID, nil, 0)
			if p.Completions.Rec != nil && !p.Completions.Absent {
				c.extra++
			}
			why := departureOf(p)
			c.move(cluster.Decided{Step: cluster.StepReap, Node: f.nodeName(memberID)}, why)
			if p.Assignment.Rec != nil {
				c.free(p.Assignment.Rec.Node, p.Assignment.Rec.Granted, p.Assignment.Rec.Releasing, why)
			}
		}
	}
	return next
}

// closeSettled takes everything that does not await its agenda out of the assignment of a member of which nothing runs. It closes
// the assignment: no later leader has to find out again that nothing runs, or to wait for the node to come back.
func closeSettled(f *facts, memberID string, p *view.Peer, pending pendingRuns, c *commit) {
	assignment := *p.Assignment.Rec
	granted, freed := schema.Split(assignment.Granted, func(slot cluster.Slot, _ *schema.Granted) bool { return pending.of(slot) })
	releasing, returned := schema.Split(assignment.Releasing, func(slot cluster.Slot, _ *schema.Releasing) bool { return pending.of(slot) })
	assignment.Granted, assignment.Releasing = nonNil(granted), nonNil(releasing)
	for h := range assignment.Ranges() {
		task, _ := cluster.SplitRun(h.Task)
		c.out.Unplaced[task] = cluster.Reason{Code: cluster.WhyWaiting, Node: assignment.Node,
			Detail: "what it says of the end of " + h.Task + " is kept until the agenda of " + task + " can be read and written"}
	}
	if len(freed)+len(returned) == 0 {
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
	closed.Clean = true
	assignment.Closed = &closed
	c.write(memberID, &assignment, 0)
	c.free(assignment.Node, freed, returned, why)
}

// departureOf says why a member's slots are free.
func departureOf(p *view.Peer) cluster.Reason {
	why := cluster.Reason{Code: cluster.WhyLost}
	if assignment := p.Assignment.Rec; assignment != nil {
		why.Node = assignment.Node
		switch {
		case assignment.Evicted:
			why.Code = cluster.WhyEvicted
		case assignment.Closed == nil || assignment.Closed.Cause == schema.CauseLost:
		case assignment.Closed.Clean:
			why.Code = cluster.WhyLeft
		default:
			why.Detail = assignment.Closed.Cause
		}
	}
	return why
}
