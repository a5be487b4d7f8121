package failures

import (
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A worker that fails repeatedly on one node may run well on another: its slot goes elsewhere if its task declares that, and a node on
// which everything fails gets no slots.
const (
	// avoidFor is how long a slot does not go back to a node on which it failed. Each leader counts it from its own start.
	avoidFor = 10 * time.Minute
	// quarantineSlots is the number of slots that a node must have, all of which failed as often in a row.
	quarantineSlots    = 3
	quarantineFailures = 3
	// quarantineAfter is how long that must have lasted, while others ran well: a worker that was just started has not proved
	// that yet.
	quarantineAfter = 30 * time.Second
)

// finder finds failing slots and nodes.
type finder struct {
	*round.Facts
	members members.States
	draft   *round.Draft
	avoids  map[cluster.Slot]round.Avoid
	failing map[string]time.Duration // as in Memory
}

// Find returns the nodes that slots are to avoid, and the members on which everything has been failing, since when. It marks nodes that
// get no slots.
func Find(f *round.Facts, m members.States, draft *round.Draft) (avoids map[cluster.Slot]round.Avoid, since map[string]time.Duration) {
	d := &finder{f, m, draft, map[cluster.Slot]round.Avoid{}, map[string]time.Duration{}}
	d.find()
	return d.avoids, d.failing
}

func (d *finder) find() {
	for slot, nodes := range d.Memory.Avoids {
		kept := maps.Clone(nodes)
		maps.DeleteFunc(kept, func(_ string, since time.Duration) bool { return d.Now-since >= avoidFor })
		if len(kept) > 0 {
			d.avoids[slot] = kept
		}
	}
	bad := map[string]map[cluster.Slot]*schema.WorkerState{} // by member
	well := map[string]bool{}                                // tasks that fail somewhere: whether they run well anywhere
	for _, memberID := range d.Select(func(m *ledger.Member) bool { return m.Failing }) {
		if d.members[memberID] != members.Active {
			continue
		}
		workers := d.Snapshot.Peers[memberID].Status.Rec.Workers
		for i := range workers {
			if w := &workers[i]; w.InRow > 0 {
				if bad[memberID] == nil {
					bad[memberID] = map[cluster.Slot]*schema.WorkerState{}
				}
				bad[memberID][w.Slot], well[w.Slot.Task] = w, false
			}
		}
	}
	if len(bad) == 0 {
		return
	}
	for _, memberID := range d.MemberIDs {
		if d.members[memberID] == members.Active {
			d.compare(d.Snapshot.Peers[memberID], bad[memberID], well)
		}
	}
	for _, memberID := range d.MemberIDs {
		d.quarantine(memberID, bad, well)
	}
}

// compare examines the slots that a member holds of tasks that fail somewhere. Slots that are no longer granted to the member do not
// count.
func (d *finder) compare(p *view.Peer, bad map[cluster.Slot]*schema.WorkerState, well map[string]bool) {
	for i := range p.Status.Rec.Holding {
		h := &p.Status.Rec.Holding[i]
		if _, fails := well[h.Task]; !fails {
			continue
		}
		for _, index := range h.Slots {
			slot := cluster.Slot{Task: h.Task, Index: index}
			if grant := schema.Find(p.Assignment.Rec.Granted, slot); grant == nil || grant.Token != h.Token {
				delete(bad, slot)
				continue
			}
			if w := bad[slot]; w != nil {
				d.avoid(slot, p.Assignment.Rec.Node, w)
				continue
			}
			well[slot.Task] = true
		}
	}
}

// avoid adds a node to those that a slot is to avoid, once the slot has failed there as often as its task allows.
func (d *finder) avoid(slot cluster.Slot, node string, w *schema.WorkerState) {
	most := d.Specs[slot.Task].Restart.Elsewhere
	if most == 0 || w.InRow < most {
		return
	}
	if d.avoids[slot] == nil {
		d.avoids[slot] = round.Avoid{}
	}
	if _, known := d.avoids[slot][node]; !known {
		d.avoids[slot][node] = d.Now
	}
}

// quarantine marks a node on which everything fails while the tasks run well elsewhere: the node is then the likely cause. At most
// a third of the nodes are marked.
func (d *finder) quarantine(memberID string, all map[string]map[cluster.Slot]*schema.WorkerState, well map[string]bool) {
	if d.members[memberID] != members.Active || d.DryRun {
		return
	}
	rec, bad := d.Snapshot.Peers[memberID].Assignment.Rec, all[memberID]
	if n := schema.Count(rec.Granted); n < quarantineSlots || len(bad) < n {
		return
	}
	elsewhere, reason := false, ""
	for _, slot := range slices.SortedFunc(maps.Keys(bad), cluster.Slot.Compare) {
		if bad[slot].InRow < quarantineFailures || failsElsewhere(memberID, slot.Task, all) {
			return
		}
		reason = bad[slot].Error
		elsewhere = elsewhere || well[slot.Task]
	}
	if !elsewhere {
		return
	}
	since, known := d.Memory.Failing[memberID]
	if !known {
		since = d.Now
	}
	d.failing[memberID] = since
	if d.Now < since+quarantineAfter {
		d.draft.RequeueAt(since + quarantineAfter)
		return
	}
	marked, nodes := 0, 0
	for _, other := range d.MemberIDs {
		if d.members[other] == members.Active {
			nodes++
			if d.draft.Quarantined(d.Facts, other) {
				marked++
			}
		}
	}
	if d.draft.Quarantined(d.Facts, memberID) || 3*(marked+1) > nodes || d.draft.Full() || d.draft.Omits(round.PartMark, rec.Node) {
		return
	}
	mark := d.Snapshot.Mark(rec.Node)
	mark.Quarantine = &schema.Quarantine{Member: memberID, Error: schema.Cut(reason, 10*schema.ShortError)}
	d.draft.Mark(rec.Node, &mark)
	d.draft.AddStep(cluster.Decided{Step: cluster.StepQuarantine, Node: rec.Node},
		cluster.Reason{Code: cluster.WhyQuarantined, Node: rec.Node, Detail: reason})
}

// failsElsewhere reports whether a worker of a task fails on another member.
func failsElsewhere(memberID, task string, all map[string]map[cluster.Slot]*schema.WorkerState) bool {
	for other, bad := range all {
		for slot := range bad {
			if other != memberID && slot.Task == task {
				return true
			}
		}
	}
	return false
}
