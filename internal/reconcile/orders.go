package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// obey takes what operators wanted done once, and is done with this decision, out of the record.
func (d *decider) obey() {
	e := d.Snapshot.Orders
	if !e.Good() || d.Snapshot.Epoch.Rec == nil || d.around(PartOrders, "") {
		return
	}
	term := d.Snapshot.Epoch.Rec.Term
	d.out.StepDown = e.Rec.StepDown == term
	rest := *e.Rec // with what later versions know
	next := &rest
	next.Restart, next.RunNow, next.Move = nil, nil, nil
	next.MoveNow = slices.DeleteFunc(slices.Clone(e.Rec.MoveNow), func(guid string) bool { return d.Snapshot.Peers[guid] == nil })
	if e.Rec.StepDown < term {
		next.StepDown = 0
	}
	for _, h := range e.Rec.Restart {
		if h.Token == 0 { // this decision acquits them, or cannot write that
			if d.around(PartSuspects, "") {
				next.Restart = append(next.Restart, h)
			}
		} else if left := d.granted(h); len(left) > 0 {
			h.Slots = left
			next.Restart = append(next.Restart, h)
		}
	}
	for _, o := range e.Rec.RunNow {
		if spec, known := d.Snapshot.Tasks[o.Task]; !d.begun[o.ID] && known && spec.Rec != nil && spec.Rec.Effective().Runs() && !spec.Rec.Deleted {
			next.RunNow = append(next.RunNow, o)
		}
	}
	for _, o := range e.Rec.Move {
		if d.moving[o.Slot] == o && !d.arrives(o) || d.comes(o) && d.displaces(o) {
			next.Move = append(next.Move, o)
		}
	}
	if len(next.Move) != len(e.Rec.Move) || len(next.RunNow) != len(e.Rec.RunNow) || next.StepDown != e.Rec.StepDown || len(next.MoveNow) != len(e.Rec.MoveNow) || schema.Count(next.Restart) != schema.Count(e.Rec.Restart) {
		d.out.Orders = next
	}
}

// granted returns which slots of a grant are still granted under its token.
func (d *decider) granted(h schema.Held) (left cluster.Indexes) {
	for _, guid := range d.guids {
		if rec := d.Snapshot.Peers[guid].Doc.Rec; rec != nil {
			for _, g := range rec.Slots {
				if g.Task == h.Task && g.Token == h.Token {
					for _, index := range h.Slots {
						if g.Slots.Contains(index) {
							left = append(left, index)
						}
					}
				}
			}
		}
	}
	slices.Sort(left)
	return left
}

// arrives tells whether this decision grants a slot to the node that it was ordered to.
func (d *decider) arrives(o schema.MoveOrder) bool {
	for _, doc := range d.out.Docs {
		if doc != nil && doc.Node == o.To {
			if h := schema.Find(doc.Slots, o.Slot); h != nil && h.Token != o.Token {
				return true
			}
		}
	}
	return false
}

// noteMoves notes which slots are to go to other nodes.
func (d *decider) noteMoves() {
	if !d.Snapshot.Orders.Good() {
		return
	}
	for _, o := range d.Snapshot.Orders.Rec.Move {
		switch there, going := d.ordered(o); {
		case going:
			d.moving[o.Slot] = o
		case there:
			d.moved[o.Slot] = o
		}
	}
}

// ordered reports whether a slot is where it was ordered to, or is still to go there.
func (d *decider) ordered(o schema.MoveOrder) (there, going bool) {
	if spec, known := d.specs[o.Slot.Task]; !known || spec.Paused || o.Slot.Index >= spec.WorkerNum {
		return false, false // the order is obsolete: there is no such slot to move
	}
	for _, guid := range d.guids {
		going = going || d.fates[guid] == works && d.nodeName(guid) == o.To
		if rec := d.Snapshot.Peers[guid].Doc.Rec; rec != nil {
			if grant := schema.Find(rec.Slots, o.Slot); grant != nil && (grant.Token != o.Token || d.nodeName(guid) == o.To) {
				return grant.Token != o.Token && d.nodeName(guid) == o.To, false
			}
		}
	}
	return false, going
}

// comes reports whether a slot is where it was ordered to, or is with this decision.
func (d *decider) comes(o schema.MoveOrder) bool {
	return d.moved[o.Slot] == o || d.moving[o.Slot] == o && d.arrives(o)
}

// displaces reports whether workers of the task still have to leave the node that a slot was ordered to, since it came. Until they
// do the order stands: else the slot, which came last, would be the first to leave.
func (d *decider) displaces(o schema.MoveOrder) bool {
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

// hurried tells whether a member that is gone is not to be waited for.
func (d *decider) hurried(guid string) bool {
	rec := d.Snapshot.Orders.Rec
	return rec != nil && !d.Snapshot.Orders.Absent && slices.Contains(rec.MoveNow, guid)
}

// toRestart returns which slots of a grant an operator wants started anew, nil for none.
func (d *decider) toRestart(h *schema.Held) cluster.Indexes {
	rec := d.Snapshot.Orders.Rec
	if rec == nil || d.Snapshot.Orders.Absent {
		return nil
	}
	for _, r := range rec.Restart {
		if r.Task == h.Task && r.Token == h.Token {
			return r.Slots
		}
	}
	return nil
}
