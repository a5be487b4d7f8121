package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// moveRequests are the slots that operators asked to be moved: those that are still to go to another node, and those that are
// there, and for which others may have to leave.
type moveRequests struct {
	going, arrived map[cluster.Slot]schema.MoveRequest
}

func findMoves(f *facts, m members) moveRequests {
	found := moveRequests{map[cluster.Slot]schema.MoveRequest{}, map[cluster.Slot]schema.MoveRequest{}}
	if !f.Snapshot.Requests.Good() {
		return found
	}
	for _, o := range f.Snapshot.Requests.Rec.Move {
		switch there, going := ordered(f, o, m); {
		case going:
			found.going[o.Slot] = o
		case there:
			found.arrived[o.Slot] = o
		}
	}
	return found
}

// ordered reports whether a slot is where it was ordered to, or is still to go there.
func ordered(f *facts, o schema.MoveRequest, m members) (there, going bool) {
	if spec, known := f.specs[o.Slot.Task]; !known || spec.Paused || o.Slot.Index >= spec.WorkerNum {
		return false, false // the order is obsolete: there is no such slot to move
	}
	for _, memberID := range f.memberIDs {
		going = going || m[memberID] == active && f.nodeName(memberID) == o.To
		if rec := f.Snapshot.Peers[memberID].Assignment.Rec; rec != nil {
			if grant := schema.Find(rec.Granted, o.Slot); grant != nil && (grant.Token != o.Token || f.nodeName(memberID) == o.To) {
				return grant.Token != o.Token && f.nodeName(memberID) == o.To, false
			}
		}
	}
	return false, going
}

// requests is what operators asked for once, and how much of that is done.
type requests struct {
	*placement
	moves  moveRequests
	asked  releases
	commit *commit
}

// applyRequests takes what operators asked for once, and is done with this decision, out of the record.
func applyRequests(s *survey, p *placement, asked releases, c *commit) {
	d := &requests{p, s.moves, asked, c}
	e := d.Snapshot.Requests
	if !e.Good() || d.Snapshot.Epoch.Rec == nil || c.leavesOut(PartRequests, "") {
		return
	}
	term := d.Snapshot.Epoch.Rec.Term
	c.out.StepDown = e.Rec.StepDown == term
	rest := *e.Rec // with what later versions know
	next := &rest
	next.Restart, next.RunNow, next.Move = nil, nil, nil
	next.MoveNow = slices.DeleteFunc(slices.Clone(e.Rec.MoveNow), func(memberID string) bool { return d.Snapshot.Peers[memberID] == nil })
	if e.Rec.StepDown < term {
		next.StepDown = 0
	}
	for _, h := range e.Rec.Restart {
		if h.Token == 0 { // this decision clears them, or cannot write that
			if c.leavesOut(PartSuspects, "") {
				next.Restart = append(next.Restart, h)
			}
		} else if left := d.granted(h); len(left) > 0 {
			h.Slots = left
			next.Restart = append(next.Restart, h)
		}
	}
	for _, o := range e.Rec.RunNow {
		if task := d.Snapshot.Tasks[o.Task].Rec; !s.begun[o.ID] && task != nil && task.Effective().Runs() && !task.Deleted {
			next.RunNow = append(next.RunNow, o)
		}
	}
	for _, o := range e.Rec.Move {
		if d.moves.going[o.Slot] == o && !d.arrives(o) || d.comes(o) && d.displaces(o) {
			next.Move = append(next.Move, o)
		}
	}
	if len(next.Move) != len(e.Rec.Move) || len(next.RunNow) != len(e.Rec.RunNow) || next.StepDown != e.Rec.StepDown ||
		len(next.MoveNow) != len(e.Rec.MoveNow) || schema.Count(next.Restart) != schema.Count(e.Rec.Restart) {
		c.out.Requests = next
	}
}

// arrives reports whether this decision grants a slot to the node that it was ordered to.
func (d *requests) arrives(o schema.MoveRequest) bool {
	for _, assignment := range d.commit.out.Assignments {
		if assignment != nil && assignment.Node == o.To {
			if h := schema.Find(assignment.Granted, o.Slot); h != nil && h.Token != o.Token {
				return true
			}
		}
	}
	return false
}

// comes reports whether a slot is where it was ordered to, or is with this decision.
func (d *requests) comes(o schema.MoveRequest) bool {
	return d.moves.arrived[o.Slot] == o || d.moves.going[o.Slot] == o && d.arrives(o)
}

// displaces reports whether workers of the task still have to leave the node that a slot was ordered to, since it came. Until they
// do the order stands: else the slot, which came last, would be the first to leave.
func (d *requests) displaces(o schema.MoveRequest) bool {
	t, known := d.rank[o.Slot.Task]
	return known && slices.ContainsFunc(d.target.Moves, func(m planner.Move) bool {
		slot := cluster.Slot{Task: o.Slot.Task, Index: m.Slot}
		if m.Task != t || slot == o.Slot || m.From < 0 || d.in.Nodes[m.From].Name != o.To {
			return false
		}
		_, asked := d.asked[d.nodes[m.From]][slot]
		return !asked
	})
}
