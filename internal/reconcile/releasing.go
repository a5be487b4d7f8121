package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// released are slots that are asked back for the same reason, and who is to have them.
type released struct {
	schema.SlotRange
	to string
}

// releasing takes slots out of assignments.
type releasing struct {
	*placement
	barriers barriers
	pending  pendingRuns
	releases releases
	commit   *commit
}

// release takes slots out of assignments: it asks them back from members that should not have them,
// frees those that were given back, and lists those that a hand took out while they ran. Nobody has to agree to
// that, so it is always valid.
func release(s *survey, p *placement, asked releases, c *commit) {
	d := &releasing{p, s.barriers, s.pending, asked, c}
	for _, memberID := range d.memberIDs {
		if !d.members.live(memberID) {
			continue
		}
		if c.full() {
			return
		}
		if c.leavesOut(PartAssignment, memberID) {
			continue
		}
		p := d.Snapshot.Peers[memberID]
		assignment, version := *p.Assignment.Rec, p.Assignment.Version+1
		freed, kept := schema.Split(assignment.Releasing, func(slot cluster.Slot, h *schema.SlotRange) bool {
			return d.stopped(memberID, slot, h) && !d.barriers.keeps(d.facts, d.members, memberID, h) && !d.pending.of(slot)
		})
		assignment.Releasing = nonNil(kept)
		asked, changed := d.askFor(memberID, &assignment, version)
		adopted := assignment.Adopt(p.Status.Rec.Holding, version)
		if len(freed) == 0 && len(asked) == 0 && len(adopted) == 0 && !changed {
			continue
		}
		const reason = 120 // bytes that an entry takes more when it is asked back
		c.write(memberID, &assignment, reason*(len(asked)+2*len(adopted)))
		for _, h := range adopted {
			c.move(cluster.Decided{Step: cluster.StepRelease, Task: h.Task, Slots: h.Slots, Node: assignment.Node, Token: h.Token}, *h.Why)
		}
		for _, e := range asked {
			c.move(cluster.Decided{Step: cluster.StepRelease, Task: e.Task, Slots: e.Slots, Node: assignment.Node, To: e.to, Token: e.Token}, *e.Why)
		}
		for _, h := range freed {
			why := cluster.Reason{Code: cluster.WhyUnlisted, Node: assignment.Node} // unless its entry says more
			if h.Why != nil {
				why = *h.Why
			}
			c.move(cluster.Decided{Step: cluster.StepFree, Task: h.Task, Slots: h.Slots, Node: assignment.Node, Token: h.Token}, why)
			c.leaveFor(h, why)
		}
	}
}

// askFor moves the slots of an assignment that are to be asked back to those that are, and gives the others their tasks'
// present specs; it returns what it asks back, and whether specs have changed. An assignment that would be too large
// for that has the specs that it had, or is asked for less: what remains is asked for when there is room, and
// the more of an entry there is to ask for, the sooner, since what is whole takes less.
func (d *releasing) askFor(memberID string, assignment *schema.Assignment, version int64) (asked []released, changed bool) {
	granted, kept, asks := assignment.Granted, assignment.Releasing, d.releases[memberID]
	whole, part := toAskFor(granted, asks)
	entries := slices.Concat(whole, part)
	for refreshed, most := true, len(entries); ; {
		var back []schema.SlotRange
		stay := granted
		if most > 0 {
			picked := map[*schema.SlotRange]bool{}
			for _, h := range entries[:most] {
				picked[h] = true
			}
			back, stay = schema.Split(granted, func(slot cluster.Slot, h *schema.SlotRange) bool {
				_, back := asks[slot]
				return back && picked[h]
			})
		}
		changed = false
		if refreshed {
			stay, changed = d.refresh(stay)
		}
		asked = d.releaseEntries(asks, back, version)
		assignment.Granted, assignment.Releasing = nonNil(stay), slices.Clone(kept)
		for i := range asked {
			assignment.Releasing = append(assignment.Releasing, asked[i].SlotRange)
		}
		assignment.Releasing = nonNil(assignment.Releasing)
		switch {
		case most == 0 && !changed || d.fitsAssignment(memberID, assignment, changed):
			return asked, changed
		case changed:
			d.commit.out.Full = append(d.commit.out.Full, assignment.Node)
			refreshed = false
		default:
			most /= 2
		}
	}
}

// toAskFor returns the entries of which slots are to be asked back, all of them or some.
func toAskFor(granted []schema.SlotRange, asks map[cluster.Slot]handover) (whole, part []*schema.SlotRange) {
	if len(asks) == 0 {
		return nil, nil
	}
	for i := range granted {
		h, n := &granted[i], 0
		for _, index := range h.Slots {
			if _, back := asks[cluster.Slot{Task: h.Task, Index: index}]; back {
				n++
			}
		}
		switch {
		case n == len(h.Slots):
			whole = append(whole, h)
		case n > 0:
			part = append(part, h)
		}
	}
	return whole, part
}

// fitsAssignment reports whether an assignment is within its bound. What is far from it is not measured.
func (d *releasing) fitsAssignment(memberID string, assignment *schema.Assignment, changed bool) bool {
	rough := schema.Rough(assignment.Granted) + schema.Rough(assignment.Releasing)
	if changed {
		for i := range assignment.Granted {
			rough += d.commit.sizeOf(&assignment.Granted[i])
		}
	}
	if d.Snapshot.Peers[memberID].Assignment.Size+rough < schema.MaxAssignment {
		return true
	}
	return schema.Size(assignment) <= schema.MaxAssignment
}

// releaseEntries makes the entries of slots that are asked back, those that are asked back for the same
// reason together.
func (d *releasing) releaseEntries(asks map[cluster.Slot]handover, back []schema.SlotRange, version int64) (list []released) {
	var made []handover
	for _, h := range back {
		first := len(list)
		for _, index := range h.Slots {
			a := asks[cluster.Slot{Task: h.Task, Index: index}]
			at := first
			for at < len(list) && made[at] != a {
				at++
			}
			if at == len(list) {
				why := a.why
				why.Detail = schema.Cut(why.Detail, schema.ShortError)
				entry := schema.SlotRange{Task: h.Task, Token: h.Token, Version: version, Why: &why, Unknown: h.Unknown}
				if count, told := h.Told(); told {
					entry.Count = &count
				}
				list = append(list, released{entry, a.to})
				made = append(made, a)
			}
			list[at].Slots = append(list[at].Slots, index)
		}
	}
	return list
}

// refresh gives grants their task's present spec; what their workers were told of their number stays. The list is
// copied if one changes.
func (p *releasing) refresh(list []schema.SlotRange) (fresh []schema.SlotRange, changed bool) {
	for i := range list {
		t, known := p.rank[list[i].Task]
		if !known || *list[i].Spec == p.in.Tasks[t].Spec {
			continue
		}
		if !changed {
			list, changed = slices.Clone(list), true
		}
		count, _ := list[i].Told()
		spec := p.in.Tasks[t].Spec
		list[i].Count, list[i].Spec = &count, &spec
	}
	return list, changed
}
