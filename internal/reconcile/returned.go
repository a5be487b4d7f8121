package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A node that joins takes a slot from each of many others, which are granted nothing at that moment. To write the assignment of each
// only to take the release out would be a third of all writes. So a release that its member has confirmed may stay listed when the slot is
// granted elsewhere: the grant has a higher token, and supersedes the release. It then counts no longer for doubles, barriers, plans and
// steps, also when the status of the member is gone. Only another grant of the slot still needs the member's word, or its end.

// mayStay reports whether an assignment may list slots further that its member gave back, once they are granted elsewhere. A member
// that leaves is to have an empty assignment, and slots with another count of workers hold up those with the present one.
func (d *releaseWriter) mayStay(memberID string, freed []schema.Releasing) bool {
	return d.Members[memberID] == members.Active && !slices.ContainsFunc(freed, func(h schema.Releasing) bool {
		return !h.MayStay() || round.OfResize(&h) || d.OtherCount(&h)
	})
}

// setFreed records why slots left their node, for the stage that grants them. A slot that is known to be free left another node later.
func setFreed(draft *round.Draft, node string, freed []schema.Releasing) {
	for slot, h := range schema.Each(freed) {
		if _, known := draft.FreedWhy[slot]; !known {
			draft.FreedWhy[slot] = h.WhyOr(cluster.Reason{Code: cluster.WhyUnlisted, Node: node})
		}
	}
}

// addFreed adds the steps of slots that were given back, without those that are known to be free.
func addFreed(f *round.Facts, draft *round.Draft, node string, freed []schema.Releasing) {
	fresh, _ := schema.Split(freed, func(slot cluster.Slot, _ *schema.Releasing) bool {
		_, known := f.FreedWhy[slot]
		return !known
	})
	for i := range fresh {
		h := &fresh[i]
		draft.AddStep(cluster.Decided{Step: cluster.StepFree, Task: h.Task, Slots: h.Slots, Node: node, Token: h.Token},
			h.WhyOr(cluster.Reason{Code: cluster.WhyUnlisted, Node: node}))
	}
}

// leaveReturned decides which assignments are written only because their members gave slots back. An assignment is not written if all
// of these slots are granted by this decision, which supersedes the releases, or by one in a moment. The steps of slots that are free
// now go before the steps from the given index on, which grant them.
func leaveReturned(f *round.Facts, grants handedOut, before int, draft *round.Draft) {
	after := slices.Clone(draft.Out.Steps[before:])
	draft.Out.Steps = draft.Out.Steps[:before]
	for _, memberID := range slices.Sorted(maps.Keys(draft.Returned)) {
		r := draft.Returned[memberID]
		now, rest := schema.Split(r.Freed, func(slot cluster.Slot, _ *schema.Releasing) bool { return grants.now[slot] })
		_, stay := schema.Split(rest, func(slot cluster.Slot, _ *schema.Releasing) bool { return grants.later[slot] })
		_, written := draft.Out.Assignments[memberID]
		if !written && len(stay) > 0 && !draft.Full() {
			draft.Write(memberID, r.Assignment, 0)
			written = true
		}
		if written {
			now, rest = r.Freed, nil
		}
		addFreed(f, draft, r.Assignment.Node, now)
		for slot := range schema.Each(rest) { // still listed
			if _, known := f.FreedWhy[slot]; !known {
				delete(draft.FreedWhy, slot)
			}
		}
	}
	draft.Out.Steps = append(draft.Out.Steps, after...)
}
