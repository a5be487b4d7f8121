package reconcile

import (
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// What fails again and again on one node may do well on another: a slot goes elsewhere if its task says so, and
// a node on which everything fails is given nothing.
const (
	// avoidFor is how long a slot does not go back to a node on which it failed. Each leader counts it
	// anew.
	avoidFor = 10 * time.Minute
	// quarantineSlots is how many slots a node must have, all of which failed as often in a row.
	quarantineSlots    = 3
	quarantineFailures = 3
	// quarantineAfter is how long that must have been so, and others have done well: who has just been
	// started has not shown that yet.
	quarantineAfter = 30 * time.Second
)

// Avoid are the nodes that a slot does not go to, by name, and since when.
type Avoid map[string]time.Duration

// failing notes which slots are to go elsewhere, and which nodes are to be given nothing.
func (d *decider) failing() {
	d.out.Avoids = map[cluster.Slot]Avoid{}
	for slot, nodes := range d.Avoids {
		kept := maps.Clone(nodes)
		maps.DeleteFunc(kept, func(_ string, since time.Duration) bool { return d.Now-since >= avoidFor })
		if len(kept) > 0 {
			d.out.Avoids[slot] = kept
		}
	}
	bad := map[string]map[cluster.Slot]*schema.WorkerState{} // by member
	well := map[string]bool{}                                // tasks that fail somewhere: whether they run well anywhere
	for _, guid := range d.guids {
		if d.fates[guid] != works {
			continue
		}
		workers := d.Snapshot.Peers[guid].Status.Rec.Workers
		for i := range workers {
			if w := &workers[i]; w.InRow > 0 {
				if bad[guid] == nil {
					bad[guid] = map[cluster.Slot]*schema.WorkerState{}
				}
				bad[guid][w.Slot], well[w.Slot.Task] = w, false
			}
		}
	}
	if len(bad) == 0 {
		return
	}
	for _, guid := range d.guids {
		if d.fates[guid] == works {
			d.compare(d.Snapshot.Peers[guid], bad[guid], well)
		}
	}
	for _, guid := range d.guids {
		d.quarantine(guid, bad, well)
	}
}

// compare goes through what a member holds of the tasks that fail somewhere: what is not granted to it any more
// says nothing.
func (d *decider) compare(p *view.Peer, bad map[cluster.Slot]*schema.WorkerState, well map[string]bool) {
	for i := range p.Status.Rec.Holding {
		h := &p.Status.Rec.Holding[i]
		if _, fails := well[h.Task]; !fails {
			continue
		}
		for _, index := range h.Slots {
			slot := cluster.Slot{Task: h.Task, Index: index}
			if grant := schema.Find(p.Doc.Rec.Slots, slot); grant == nil || grant.Token != h.Token {
				delete(bad, slot)
				continue
			}
			if w := bad[slot]; w != nil {
				d.avoid(slot, p.Doc.Rec.Node, w)
				continue
			}
			well[slot.Task] = true
		}
	}
}

// avoid notes that a slot is to go elsewhere.
func (d *decider) avoid(slot cluster.Slot, node string, w *schema.WorkerState) {
	most := d.specs[slot.Task].Restart.Elsewhere
	if most == 0 || w.InRow < most {
		return
	}
	if d.out.Avoids[slot] == nil {
		d.out.Avoids[slot] = Avoid{}
	}
	if _, known := d.out.Avoids[slot][node]; !known {
		d.out.Avoids[slot][node] = d.Now
	}
}

// quarantine marks a node on which all fails, while it does well elsewhere: the node is to blame, then. At most
// a third of the nodes are marked so.
func (d *decider) quarantine(guid string, all map[string]map[cluster.Slot]*schema.WorkerState, well map[string]bool) {
	if d.fates[guid] != works || d.Unsettled {
		return
	}
	rec, bad := d.Snapshot.Peers[guid].Doc.Rec, all[guid]
	if n := schema.Count(rec.Slots); n < quarantineSlots || len(bad) < n {
		return
	}
	elsewhere, reason := false, ""
	for _, slot := range slices.SortedFunc(maps.Keys(bad), cluster.Slot.Compare) {
		if bad[slot].InRow < quarantineFailures || failsElsewhere(guid, slot.Task, all) {
			return
		}
		reason = bad[slot].Error
		elsewhere = elsewhere || well[slot.Task]
	}
	if !elsewhere {
		return
	}
	since, known := d.Waits.Failing[guid]
	if !known {
		since = d.Now
	}
	d.out.Waits.Failing[guid] = since
	if d.Now < since+quarantineAfter {
		d.wake(since + quarantineAfter)
		return
	}
	marked, nodes := 0, 0
	for _, other := range d.guids {
		if d.fates[other] == works {
			nodes++
			if d.quarantined(other) {
				marked++
			}
		}
	}
	if d.quarantined(guid) || 3*(marked+1) > nodes || d.full() || d.around(PartMark, rec.Node) {
		return
	}
	mark := d.Snapshot.Mark(rec.Node)
	mark.Quarantine = &schema.Quarantine{Member: guid, Error: schema.Cut(reason, 10*schema.ShortError)}
	d.out.Marks[rec.Node] = &mark
	d.extra++
	d.move(schema.Move{Step: "quarantine", Node: rec.Node, Why: cluster.Reason{Code: cluster.WhyQuarantined, Node: rec.Node, Detail: reason}})
}

// failsElsewhere tells whether a worker of a task fails on another member.
func failsElsewhere(guid, task string, all map[string]map[cluster.Slot]*schema.WorkerState) bool {
	for other, bad := range all {
		for slot := range bad {
			if other != guid && slot.Task == task {
				return true
			}
		}
	}
	return false
}

// quarantined tells whether a member is given nothing.
func (d *decider) quarantined(guid string) bool {
	node := d.nodeName(guid)
	mark := d.Snapshot.Mark(node)
	if next := d.out.Marks[node]; next != nil {
		mark = *next
	}
	return mark.Quarantine != nil && mark.Quarantine.Member == guid
}

// elsewhere gives slots that are to avoid their target another one, where there is room.
func (d *decider) elsewhere(plan *planner.Plan) {
	if len(d.out.Avoids) == 0 {
		return
	}
	load := d.loads(plan)
	for _, slot := range slices.SortedFunc(maps.Keys(d.out.Avoids), cluster.Slot.Compare) {
		t, known := d.rank[slot.Task]
		if !known || slot.Index >= len(plan.Target[t]) {
			continue
		}
		from := plan.Target[t][slot.Index]
		if from == planner.Nobody {
			continue
		}
		if _, avoid := d.out.Avoids[slot][d.in.Nodes[from].Name]; !avoid {
			continue
		}
		to := d.other(plan, slot, t, load)
		if to == planner.Nobody {
			continue
		}
		cost := d.in.Tasks[t].Spec.Cost()
		load[from], load[to] = load[from]-cost, load[to]+cost
		plan.Target[t] = slices.Clone(plan.Target[t])
		plan.Target[t][slot.Index] = to
		plan.Moves = slices.DeleteFunc(plan.Moves, func(m planner.Move) bool { return m.Task == t && m.Slot == slot.Index })
		if owner := d.in.Tasks[t].Owner[slot.Index]; owner != planner.Nobody && owner != to {
			plan.Moves = append(plan.Moves, planner.Move{Task: t, Slot: slot.Index, From: owner, To: to,
				Why: cluster.Reason{Code: cluster.WhyFailing, Node: d.in.Nodes[owner].Name}})
		}
	}
}

// failedForGood yields the slots, and their tasks in the plan, that have failed for good on the nodes that have them.
func (d *decider) failedForGood(yield func(t int, slot cluster.Slot)) {
	for n, guid := range d.nodes {
		status := d.Snapshot.Peers[guid].Status.Rec
		if d.fates[guid] != works || status == nil {
			continue
		}
		for i := range status.Workers {
			slot := status.Workers[i].Slot
			t, known := d.rank[slot.Task]
			if !known || status.Workers[i].State != cluster.WorkerGivenUp || slot.Index >= len(d.in.Tasks[t].Owner) || d.in.Tasks[t].Owner[slot.Index] != int32(n) {
				continue
			}
			if _, run := cluster.SplitRun(slot.Task); run == "" {
				yield(t, slot)
			}
		}
	}
}

// ownFailed has others of their task leave a node before those that have failed for good on it: where such a slot goes it is
// tried again, which nobody has asked for.
func (d *decider) ownFailed() {
	d.failedForGood(func(t int, slot cluster.Slot) { d.in.Tasks[t].Token[slot.Index] = stays })
}

// stayFailed leaves slots that have failed for good where they are, if they were to move for balance alone and there is room:
// nothing of them runs, so nothing is gained.
func (d *decider) stayFailed(plan *planner.Plan) {
	if len(plan.Moves) == 0 {
		return
	}
	type place struct{ task, slot int }
	var moves map[place]int   // by slot; built once a slot has failed for good
	var load []int            // by node
	counts := map[int][]int{} // by task and node; the targets of these tasks are copies
	stay := map[int]bool{}    // moves that are not made
	d.failedForGood(func(t int, slot cluster.Slot) {
		if moves == nil {
			moves, load = make(map[place]int, len(plan.Moves)), d.loads(plan)
			for i, m := range plan.Moves {
				moves[place{m.Task, m.Slot}] = i
			}
		}
		at, moved := moves[place{t, slot.Index}]
		if !moved {
			return
		}
		m := plan.Moves[at]
		switch m.Why.Code {
		case cluster.WhySpread, cluster.WhyBalance, cluster.WhyPreferred:
		default:
			return
		}
		if counts[t] == nil {
			plan.Target[t] = slices.Clone(plan.Target[t])
			counts[t] = make([]int, len(d.nodes))
			for _, n := range plan.Target[t] {
				if n != planner.Nobody {
					counts[t][n]++
				}
			}
		}
		spec, node := d.in.Tasks[t].Spec, &d.in.Nodes[m.From]
		if node.Capacity > 0 && load[m.From]+spec.Cost() > node.Capacity || spec.MaxPerNode > 0 && counts[t][m.From] >= spec.MaxPerNode {
			return
		}
		load[m.From] += spec.Cost()
		counts[t][m.From]++
		if m.To != planner.Nobody {
			load[m.To] -= spec.Cost()
			counts[t][m.To]--
		}
		plan.Target[t][slot.Index] = m.From
		stay[at] = true
	})
	if len(stay) == 0 {
		return
	}
	made := make([]planner.Move, 0, len(plan.Moves)-len(stay))
	for i, m := range plan.Moves {
		if !stay[i] {
			made = append(made, m)
		}
	}
	plan.Moves = made
}

// loads returns the weights of what nodes are to have.
func (d *decider) loads(plan *planner.Plan) []int {
	load := make([]int, len(d.nodes))
	for t, targets := range plan.Target {
		for _, n := range targets {
			if n != planner.Nobody {
				load[n] += d.in.Tasks[t].Spec.Cost()
			}
		}
	}
	return load
}

// have counts the slots of a task that a node is to have.
func have(targets []int32, node int32) (n int) {
	for _, at := range targets {
		if at == node {
			n++
		}
	}
	return n
}

// other returns the node with the least work on which a slot may run and has not failed; the one that it is on
// if that is one.
func (d *decider) other(plan *planner.Plan, slot cluster.Slot, t int, load []int) int32 {
	spec := d.specs[slot.Task]
	best := planner.Nobody
	for n := range d.nodes {
		node := &d.in.Nodes[n]
		_, avoid := d.out.Avoids[slot][node.Name]
		if avoid || !d.mayRun(n, slot.Task) || node.Capacity > 0 && load[n]+spec.Cost() > node.Capacity {
			continue
		}
		if spec.MaxPerNode > 0 && have(plan.Target[t], int32(n)) >= spec.MaxPerNode {
			continue
		}
		if int32(n) == d.in.Tasks[t].Owner[slot.Index] {
			return int32(n)
		}
		if best == planner.Nobody || load[n] < load[best] {
			best = int32(n)
		}
	}
	return best
}
