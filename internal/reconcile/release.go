package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// releaseEntry is slots that are asked back for the same reason, with their next node.
type releaseEntry struct {
	schema.Releasing
	to string
}

// releaseWriter removes slots from assignments.
type releaseWriter struct {
	*placement.Placement
	barriers barriers
	pending  round.PendingRuns
	releases releases
	draft    *round.Draft
}

// release removes slots from assignments: it asks them back from members that should not have them, frees those that were given back,
// and lists those that were removed manually while they ran. Freeing requires the confirmation of the member; asking back requires
// nothing.
func release(s *Survey, plan *placement.Placement, selected releases, draft *round.Draft) {
	d := &releaseWriter{plan, s.Barriers, s.pending, selected, draft}
	for _, memberID := range d.MemberIDs {
		if !d.Members.Live(memberID) {
			continue
		}
		if draft.Full() {
			return
		}
		if !draft.Omits(round.PartAssignment, memberID) {
			d.releaseFrom(memberID)
		}
	}
}

// releaseFrom removes slots from one member's assignment.
func (d *releaseWriter) releaseFrom(memberID string) {
	peer := d.Snapshot.Peers[memberID]
	assignment, version := *peer.Assignment.Rec, peer.Assignment.Version+1
	freed, kept := schema.Split(assignment.Releasing, func(slot cluster.Slot, h *schema.Releasing) bool {
		return d.Stopped(memberID, slot, h) && !d.barriers.keeps(d.Facts, d.Members, memberID, h) && !d.pending.Keeps(slot)
	})
	assignment.Releasing = round.NonNil(kept)
	asked, changed := d.askFor(memberID, &assignment, version)
	adopted := assignment.Adopt(peer.Status.Rec.Holding, version)
	if len(freed) == 0 && len(asked) == 0 && len(adopted) == 0 && !changed {
		return
	}
	const reason = 120 // bytes that an entry takes more when it is asked back
	d.draft.Write(memberID, &assignment, reason*(len(asked)+2*len(adopted)))
	add := func(step cluster.Step, r *schema.SlotRange, to string, why cluster.Reason) {
		d.draft.AddStep(cluster.Decided{Step: step, Task: r.Task, Slots: r.Slots, Node: assignment.Node, To: to, Token: r.Token}, why)
	}
	for _, h := range adopted {
		add(cluster.StepRelease, &h.SlotRange, "", *h.Why)
	}
	for _, e := range asked {
		add(cluster.StepRelease, &e.SlotRange, e.to, *e.Why)
	}
	for _, h := range freed {
		why := cluster.Reason{Code: cluster.WhyUnlisted, Node: assignment.Node} // unless its entry has a reason
		if h.Why != nil {
			why = *h.Why
		}
		add(cluster.StepFree, &h.SlotRange, "", why)
		d.draft.SetFreed(&h.SlotRange, why)
	}
}

// askFor asks slots of an assignment back: it moves them from granted to releasing. It gives the other slots their tasks' present specs.
// It returns the slots that it asks back, and whether specs have changed.
//
// If the assignment would become too large, it keeps its present specs. If it still would, fewer entries are asked back, and the
// rest when there is room. Entries that are asked back as a whole go first, since they take less.
func (d *releaseWriter) askFor(memberID string, assignment *schema.Assignment, version int64) (asked []releaseEntry, changed bool) {
	granted, kept, asks := assignment.Granted, assignment.Releasing, d.releases[memberID]
	whole, part := toAskFor(granted, asks)
	entries := slices.Concat(whole, part)
	for refreshed, most := true, len(entries); ; {
		var back []schema.Granted
		stay := granted
		if most > 0 {
			picked := map[*schema.Granted]bool{}
			for _, h := range entries[:most] {
				picked[h] = true
			}
			back, stay = schema.Split(granted, func(slot cluster.Slot, h *schema.Granted) bool {
				_, leaves := asks[slot]
				return leaves && picked[h]
			})
		}
		changed = false
		if refreshed {
			stay, changed = d.refresh(stay)
		}
		asked = d.releaseEntries(asks, back, version)
		assignment.Granted, assignment.Releasing = round.NonNil(stay), slices.Clone(kept)
		for i := range asked {
			assignment.Releasing = append(assignment.Releasing, asked[i].Releasing)
		}
		assignment.Releasing = round.NonNil(assignment.Releasing)
		switch {
		case most == 0 && !changed || d.fitsAssignment(memberID, assignment, changed):
			return asked, changed
		case changed:
			d.draft.Out.Full = append(d.draft.Out.Full, assignment.Node)
			refreshed = false
		default:
			most /= 2
		}
	}
}

// toAskFor returns the entries of which slots are to be asked back, all of them or some.
func toAskFor(granted []schema.Granted, asks map[cluster.Slot]handover) (whole, part []*schema.Granted) {
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

// fitsAssignment reports whether an assignment is within its bound. An assignment far below the bound is not measured.
func (d *releaseWriter) fitsAssignment(memberID string, assignment *schema.Assignment, changed bool) bool {
	rough := schema.Rough(assignment.Granted) + schema.Rough(assignment.Releasing)
	if changed {
		for i := range assignment.Granted {
			rough += d.draft.SizeOf(&assignment.Granted[i])
		}
	}
	if d.Snapshot.Peers[memberID].Assignment.Size+rough < schema.MaxAssignment {
		return true
	}
	return schema.Size(assignment) <= schema.MaxAssignment
}

// releaseEntries makes the entries of slots that are asked back, one for each reason.
func (d *releaseWriter) releaseEntries(asks map[cluster.Slot]handover, back []schema.Granted, version int64) (list []releaseEntry) {
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
				entry := schema.Releasing{SlotRange: h.SlotRange, Version: version, Why: &why}
				entry.Slots = nil
				if count, known := h.WorkerCount(); known {
					entry.Count = &count
				}
				list = append(list, releaseEntry{entry, a.to})
				made = append(made, a)
			}
			list[at].Slots = append(list[at].Slots, index)
		}
	}
	return list
}

// refresh gives grants their task's present spec, but not a new count of workers. It copies the list if an entry changes.
func (d *releaseWriter) refresh(list []schema.Granted) (fresh []schema.Granted, changed bool) {
	for i := range list {
		t, known := d.Rank[list[i].Task]
		if !known || *list[i].Spec == d.In.Tasks[t].Spec {
			continue
		}
		if !changed {
			list, changed = slices.Clone(list), true
		}
		count, _ := list[i].WorkerCount()
		spec := d.In.Tasks[t].Spec
		list[i].Count, list[i].Spec = &count, &spec
	}
	return list, changed
}
