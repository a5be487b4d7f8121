package reconcile

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// budget is the number of slots that may still be set in motion.
type budget struct {
	inFlight, maxInFlight int            // slots in flight, and how many may be; maxInFlight is 0 without limit
	out                   map[string]int // by task with a limit: how many more of its workers may be out of work
}

// budget counts the slots in motion: those that were asked back and are not confirmed stopped, those that were granted and are not
// claimed yet, and those that run nowhere although they have a place.
func (d *releaseSelector) budget() *budget {
	b := &budget{maxInFlight: d.Snapshot.Rebalance().MaxInFlight, out: map[string]int{}}
	limited := b.maxInFlight > 0
	for _, name := range d.Tasks {
		limited = limited || d.Specs[name].MaxUnavailable > 0
	}
	if !limited || len(d.candidates) == 0 {
		return b
	}
	running := d.running()
	for t, name := range d.Tasks {
		placed := 0
		for _, n := range d.Target.Target[t] {
			if n != planner.Nobody {
				placed++
			}
		}
		idle := max(placed-running[name], 0)
		if d.barriers[name] == nil { // all of them stop together, outside the budget
			b.inFlight += idle
		}
		if most := d.Specs[name].MaxUnavailable; most > 0 {
			b.out[name] = most - idle
		}
	}
	return b
}

// running counts the slots of each task that are granted, held under that grant, and not asked back already.
func (d *releaseSelector) running() map[string]int {
	running := make(map[string]int, len(d.Tasks))
	for _, memberID := range d.MemberIDs {
		if !d.Members.Live(memberID) {
			continue
		}
		p := d.Snapshot.Peers[memberID]
		for i := range p.Assignment.Rec.Granted {
			h := &p.Assignment.Rec.Granted[i]
			for _, held := range p.Status.Rec.Holding {
				if held.Task == h.Task && held.Token == h.Token {
					running[h.Task] += d.staying(memberID, h.Task, h.Slots, held.Slots)
				}
			}
		}
	}
	return running
}

// allows reports whether a slot may be set in motion, and counts it.
func (b *budget) allows(w *releaseCandidate) bool {
	if !w.running {
		return true // the slot is in motion already
	}
	out, limited := b.out[w.slot.Task]
	if b.maxInFlight > 0 && b.inFlight >= b.maxInFlight || limited && out <= 0 {
		return false
	}
	b.inFlight++
	if limited {
		b.out[w.slot.Task] = out - 1
	}
	return true
}

// staying counts the slots that are granted and held, and not asked back already.
func (d *releaseSelector) staying(memberID, task string, granted, held cluster.Indexes) (n int) {
	for i, j := 0, 0; i < len(granted) && j < len(held); {
		switch {
		case granted[i] < held[j]:
			i++
		case granted[i] > held[j]:
			j++
		default:
			if _, asked := d.releases[memberID][cluster.Slot{Task: task, Index: granted[i]}]; !asked {
				n++
			}
			i++
			j++
		}
	}
	return n
}
