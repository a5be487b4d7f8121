package reconcile

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// placeSuspect returns the node that gets a slot: its target, or for a suspect of several crashes another
// one where no other such suspect has just been started. It returns planner.Nobody if it has to
// wait for that.
func (d *granter) placeSuspect(slot cluster.Slot, target int32, suspects [][]cluster.Slot) int32 {
	if d.loops.crashes(slot) < crashesToPart {
		return target
	}
	order := []int32{target}
	for n := range d.nodes {
		if int32(n) != target && d.mayRun(n, slot.Task) {
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
	list := make([][]cluster.Slot, len(d.nodes))
	if len(d.loops.suspects) == 0 {
		return list
	}
	for n, memberID := range d.nodes {
		if d.in.Nodes[n].Gone {
			continue
		}
		for slot := range d.commit.assignment(memberID).Each() {
			if d.loops.crashes(slot) >= crashesToPart {
				list[n] = append(list[n], slot)
			}
		}
	}
	return list
}

// mayStartBeside reports whether a suspect may be started beside others.
func (d *granter) mayStartBeside(slot cluster.Slot, others []cluster.Slot) bool {
	for _, other := range others {
		t := d.loops.probations[other]
		if other == slot {
			continue
		}
		if t.Token == 0 || min(d.loops.crashes(slot), t.Crashes) >= schema.CrashesToHold {
			return false // not started yet, or cleared first: either is an event of its own
		}
		if d.Now-t.At < apart {
			d.commit.requeueAt(t.At + apart)
			return false
		}
	}
	return true
}
