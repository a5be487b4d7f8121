package reconcile

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/failures"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// placeSuspect returns the node that gets a slot: its target, or, for a suspect of several crashes, another node on which no other such
// suspect has just been started. It returns planner.Nobody if the suspect must wait for such a node.
func (d *granter) placeSuspect(slot cluster.Slot, target int32, suspects [][]cluster.Slot) int32 {
	if d.loops.Crashes(slot) < failures.CrashesToPart {
		return target
	}
	order := []int32{target}
	for n := range d.Nodes {
		if int32(n) != target && d.MayRun(n, slot.Task) {
			order = append(order, int32(n))
		}
	}
	for _, n := range order {
		if d.mayStartBeside(slot, suspects[n]) {
			suspects[n] = append(suspects[n], slot)
			return n
		}
	}
	return planner.Nobody
}

// suspectsByNode lists the suspects of several crashes that each node has.
func (d *granter) suspectsByNode() [][]cluster.Slot {
	if len(d.loops.Suspects) == 0 {
		return nil // and no slot is one
	}
	list := make([][]cluster.Slot, len(d.Nodes))
	for n, memberID := range d.Nodes {
		if d.In.Nodes[n].Gone {
			continue
		}
		for slot := range d.draft.Assignment(memberID).Each() {
			if d.loops.Crashes(slot) >= failures.CrashesToPart {
				list[n] = append(list[n], slot)
			}
		}
	}
	return list
}

// mayStartBeside reports whether a suspect may be started on a node with other suspects.
func (d *granter) mayStartBeside(slot cluster.Slot, others []cluster.Slot) bool {
	for _, other := range others {
		t := d.loops.Probations[other]
		if other == slot {
			continue
		}
		if t.Token == 0 || min(d.loops.Crashes(slot), t.Crashes) >= schema.CrashesToWithhold {
			return false // not started yet, or cleared first: either is an event of its own
		}
		if d.Now-t.At < failures.Apart {
			d.draft.RequeueAt(t.At + failures.Apart)
			return false
		}
	}
	return true
}
