package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
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
	stored   storedSpecs
	draft    *round.Draft
	current  bool // every grant has the present spec of its task
}

// release removes slots from assignments: it asks them back from members that should not have them, frees those that were given back,
// and lists those that were removed manually while they ran. Freeing requires the confirmation of the member; asking back requires
// nothing.
func release(s *Survey, plan *placement.Placement, selected releases, stored storedSpecs, draft *round.Draft) {
	d := &releaseWriter{plan, s.Barriers, s.pending, selected, stored, draft, false}
	after := 0 // the member after the last one that was looked at
	for _, memberID := range d.affected() {
		if !d.Members.Live(memberID) {
			continue
		}
		if draft.Full() {
			return
		}
		at, _ := slices.BinarySearch(d.MemberIDs, memberID)
		after = at + 1
		if !draft.Omits(round.PartAssignment, memberID) {
			d.releaseFrom(memberID)
		}
	}
	// Whether members after the last one would have to change is unknown if the draft is full.
	if slices.ContainsFunc(d.MemberIDs[after:], d.Members.Live) {
		draft.Full()
	}
}

// affected returns the members whose assignments may have to change.
func (d *releaseWriter) affected() []string {
	marks := d.NewMarks()
	for memberID := range d.releases {
		marks.Member(memberID)
	}
	for part := range d.Omitted {
		marks.Member(part.Name)
	}
	outdated := d.stored.outdated(d.Facts)
	d.current = d.Sums != nil && len(outdated) == 0
	for _, task := range outdated {
		marks.Task(task)
	}
	return marks.MemberIDs(func(m *ledger.Member) bool {
		return m.Releasing || m.Unlisted || m.Superseded && d.Members[m.ID] == members.Leaving
	})
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
	tidies := peer.Superseded != nil && d.Members[memberID] == members.Leaving // a leader that leaves waits until it is asked for nothing
	if len(asked) == 0 && len(adopted) == 0 && !changed && !tidies {
		if len(freed) == 0 {
			return
		}
		if d.mayStay(memberID, freed) {
			d.draft.Returned[memberID] = round.Returned{Assignment: &assignment, Freed: freed}
			setFreed(d.draft, assignment.Node, freed)
			return
		}
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
	addFreed(d.Facts, d.draft, assignment.Node, freed)
	setFreed(d.draft, assignment.Node, freed)
}

// askFor asks slots of an assignment back: it moves them from granted to releasing. It gives the other slots their tasks' present specs.
// It returns the slots that it asks back, and whether specs have changed.
//
// If the assignment would become too large, fewer entries are asked back, and the rest when there is room. Entries that are asked
// back as a whole go first, since they take less.
func (d *releaseWriter) askFor(memberID string, assignment *schema.Assignment, version int64) (asked []releaseEntry, changed bool) {
	granted, kept, asks := assignment.Granted, assignment.Releasing, d.releases[memberID]
	whole, part := toAskFor(granted, asks)
	entries := slices.Concat(whole, part)
	for most := len(entries); ; most /= 2 {
		var back []schema.Granted
		stay := []schema.Granted(granted)
		if most > 0 {
			picked := make(map[*schema.Granted]bool, most)
			for _, h := range entries[:most] {
				picked[h] = true
			}
			back, stay = schema.Split(granted, func(slot cluster.Slot, h *schema.Granted) bool { return picked[h] && asks[slot] != nil })
		}
		stay, changed = d.refresh(stay)
		asked = d.releaseEntries(asks, back, version)
		assignment.Granted, assignment.Releasing = round.NonNil(stay), slices.Clone(kept)
		for i := range asked {
			assignment.Releasing = append(assignment.Releasing, asked[i].Releasing)
		}
		assignment.Releasing = round.NonNil(assignment.Releasing)
		if most == 0 || d.fitsAssignment(memberID, assignment) {
			return asked, changed
		}
	}
}

// toAskFor returns the entries of which slots are to be asked back, all of them or some.
func toAskFor(granted []schema.Granted, asks map[cluster.Slot]*handover) (whole, part []*schema.Granted) {
	if len(asks) == 0 {
		return nil, nil
	}
	tasks := map[string]bool{}
	for slot := range asks {
		tasks[slot.Task] = true
	}
	for i := range granted {
		h, n := &granted[i], 0
		if !tasks[h.Task] && len(h.Slots) > 0 {
			continue
		}
		for _, index := range h.Slots {
			if asks[cluster.Slot{Task: h.Task, Index: index}] != nil {
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
func (d *releaseWriter) fitsAssignment(memberID string, assignment *schema.Assignment) bool {
	rough := schema.Rough(assignment.Granted) + schema.Rough(assignment.Releasing)
	if d.Snapshot.Peers[memberID].Assignment.Size+rough < schema.MaxAssignment {
		return true
	}
	return schema.Size(assignment) <= schema.MaxAssignment
}

// releaseEntries makes the entries of slots that are asked back, one for each reason.
func (d *releaseWriter) releaseEntries(asks map[cluster.Slot]*handover, back []schema.Granted, version int64) (list []releaseEntry) {
	var made []*handover
	for _, h := range back {
		first := len(list)
		for _, index := range h.Slots {
			a := asks[cluster.Slot{Task: h.Task, Index: index}]
			at := first
			for at < len(list) && *made[at] != *a {
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
	if d.current {
		return list, false
	}
	for i := range list {
		if d.stored.suits(d.Facts, &list[i]) {
			continue
		}
		if !changed {
			list, changed = slices.Clone(list), true
		}
		count, _ := list[i].WorkerCount()
		s := d.stored[list[i].Task]
		list[i].Count, list[i].Ref, list[i].Spec, list[i].Generation = &count, s.Ref, &s.Spec, s.Generation
	}
	return list, changed
}
