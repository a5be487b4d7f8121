package placement

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
)

// The planner sees nodes and slots, but not their history. The history corrects its plan: a slot goes to another node than the one where
// it failed, and a slot that would gain nothing by a move, or lose by it, stays.

// avoidFailures gives slots another node than those on which they failed, where there is room.
func (p *Placement) avoidFailures(avoids map[cluster.Slot]round.Avoid) {
	plan := &p.Target
	if len(avoids) == 0 {
		return
	}
	load := p.loads()
	for _, slot := range slices.SortedFunc(maps.Keys(avoids), cluster.Slot.Compare) {
		t, known := p.Rank[slot.Task]
		if !known || slot.Index >= len(plan.Target[t]) {
			continue
		}
		from := plan.Target[t][slot.Index]
		if from == planner.Nobody {
			continue
		}
		if _, avoid := avoids[slot][p.In.Nodes[from].Name]; !avoid {
			continue
		}
		to := p.other(slot, t, load, avoids[slot])
		if to == planner.Nobody {
			continue
		}
		cost := p.In.Tasks[t].Spec.Cost()
		load[from], load[to] = load[from]-cost, load[to]+cost
		plan.Target[t] = slices.Clone(plan.Target[t])
		plan.Target[t][slot.Index] = to
		plan.Moves = slices.DeleteFunc(plan.Moves, func(m planner.Move) bool { return m.Task == t && m.Slot == slot.Index })
		if owner := p.In.Tasks[t].Current[slot.Index]; owner != planner.Nobody && owner != to {
			plan.Moves = append(plan.Moves, planner.Move{Task: t, Slot: slot.Index, From: owner, To: to,
				Reason: cluster.Reason{Code: cluster.WhyFailing, Node: p.In.Nodes[owner].Name}})
		}
	}
}

// failedForGood yields the slots, and their tasks in the plan, that have failed permanently on their nodes.
func (p *Placement) failedForGood(yield func(t int, slot cluster.Slot)) {
	if p.Sums != nil && !slices.ContainsFunc(p.Sums.Members, func(m *ledger.Member) bool { return m.GivenUp }) {
		return
	}
	for n, memberID := range p.Nodes {
		status := p.Snapshot.Peers[memberID].Status.Rec
		if p.Members[memberID] != members.Active || status == nil {
			continue
		}
		for i := range status.Workers {
			slot := status.Workers[i].Slot
			t, known := p.Rank[slot.Task]
			if !known || status.Workers[i].State != cluster.WorkerGivenUp || round.IsRun(slot.Task) {
				continue
			}
			if owner := p.In.Tasks[t].Current; slot.Index < len(owner) && owner[slot.Index] == int32(n) {
				yield(t, slot)
			}
		}
	}
}

// keepFailed leaves slots that have failed permanently where they are, if they were to move only for balance and there is room:
// nothing of them runs, so a move gains nothing.
func (p *Placement) keepFailed() {
	plan := &p.Target
	if len(plan.Moves) == 0 {
		return
	}
	type place struct{ task, slot int }
	var moves map[place]int     // by slot; built once a slot has failed permanently
	var load []int              // by node
	counts := map[int][]int32{} // by task and node; the targets of these tasks are copies
	stay := map[int]bool{}      // moves that are not made
	p.failedForGood(func(t int, slot cluster.Slot) {
		if moves == nil {
			moves, load = make(map[place]int, len(plan.Moves)), p.loads()
			for i, m := range plan.Moves {
				moves[place{m.Task, m.Slot}] = i
			}
		}
		at, moved := moves[place{t, slot.Index}]
		if !moved {
			return
		}
		m := plan.Moves[at]
		if !evens(m.Reason.Code) {
			return
		}
		if counts[t] == nil {
			plan.Target[t] = slices.Clone(plan.Target[t])
			counts[t] = p.countByNode(t)
		}
		spec, node := p.In.Tasks[t].Spec, &p.In.Nodes[m.From]
		if node.Capacity > 0 && load[m.From]+spec.Cost() > node.Capacity || spec.MaxPerNode > 0 && int(counts[t][m.From]) >= spec.MaxPerNode {
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

// evens reports whether the reason of a move is only balance: its target is not better able to run the slot.
func evens(code cluster.ReasonCode) bool {
	return code == cluster.WhySpread || code == cluster.WhyBalance || code == cluster.WhyPreferred
}

// countByNode returns how many slots of a task each node has under the plan.
func (p *Placement) countByNode(t int) []int32 {
	counts := p.Space.Counts(len(p.Nodes))
	for _, n := range p.Target.Target[t] {
		if n != planner.Nobody {
			counts[n]++
		}
	}
	return counts
}

// keepRuns leaves workers of runs where they are until they have ended, if they were to move only for comfort: they would start over.
func (p *Placement) keepRuns(avoids map[cluster.Slot]round.Avoid) {
	plan := &p.Target
	stays := func(m planner.Move) bool {
		return round.IsRun(p.Tasks[m.Task]) && Urgency(m.Reason.Code) >= ForComfort
	}
	if !slices.ContainsFunc(plan.Moves, stays) {
		return
	}
	made, copied := make([]planner.Move, 0, len(plan.Moves)), map[int]bool{}
	for _, m := range plan.Moves {
		if !stays(m) {
			made = append(made, m)
			continue
		}
		if !copied[m.Task] {
			plan.Target[m.Task], copied[m.Task] = slices.Clone(plan.Target[m.Task]), true
		}
		plan.Target[m.Task][m.Slot] = m.From
	}
	plan.Moves = made
	p.placeElsewhere(avoids)
}

// placeElsewhere finds other nodes for slots that are to start in the room of workers of runs that stay.
func (p *Placement) placeElsewhere(avoids map[cluster.Slot]round.Avoid) {
	plan, load := &p.Target, p.loads()
	for t, name := range p.Tasks {
		if !round.IsRun(name) {
			continue
		}
		cost, copied := p.In.Tasks[t].Spec.Cost(), false
		for i, n := range plan.Target[t] {
			if n == planner.Nobody || p.In.Tasks[t].Current[i] != planner.Nobody {
				continue
			}
			if most := p.In.Nodes[n].Capacity; most == 0 || load[n] <= most {
				continue
			}
			if !copied {
				plan.Target[t], copied = slices.Clone(plan.Target[t]), true
			}
			load[n] -= cost
			plan.Target[t][i] = planner.Nobody
			slot := cluster.Slot{Task: name, Index: i}
			to := p.other(slot, t, load, avoids[slot])
			plan.Target[t][i] = to
			if to == planner.Nobody {
				plan.Unplaced[t] = cluster.Reason{Code: cluster.WhyFull}
			} else {
				load[to] += cost
			}
		}
	}
}

// loads returns the weights of nodes under the plan.
func (p *Placement) loads() []int {
	load := make([]int, len(p.Nodes))
	for t, targets := range p.Target.Target {
		for _, n := range targets {
			if n != planner.Nobody {
				load[n] += p.In.Tasks[t].Spec.Cost()
			}
		}
	}
	return load
}

// have counts the slots of a task that a node has under the plan.
func have(targets []int32, node int32) (n int) {
	for _, at := range targets {
		if at == node {
			n++
		}
	}
	return n
}

// other returns the node with the least load on which a slot may run and has not failed; its present node, if that is one.
func (p *Placement) other(slot cluster.Slot, t int, load []int, avoid round.Avoid) int32 {
	spec := p.Specs[slot.Task]
	best := planner.Nobody
	for n := range p.Nodes {
		node := &p.In.Nodes[n]
		_, failed := avoid[node.Name]
		if failed || !p.MayRun(n, slot.Task) || node.Capacity > 0 && load[n]+spec.Cost() > node.Capacity {
			continue
		}
		if spec.MaxPerNode > 0 && have(p.Target.Target[t], int32(n)) >= spec.MaxPerNode {
			continue
		}
		if int32(n) == p.In.Tasks[t].Current[slot.Index] {
			return int32(n)
		}
		if best == planner.Nobody || load[n] < load[best] {
			best = int32(n)
		}
	}
	return best
}

// urgencies is the order in which moves get the budget.
var urgencies = map[cluster.ReasonCode]int{
	cluster.WhyDraining: 0, cluster.WhyQuarantined: 0,
	cluster.WhyFailing: 1, cluster.WhyNoLabel: 1, cluster.WhyNoWork: 1, cluster.WhyFull: 1, cluster.WhyPerNode: 1,
	cluster.WhyTaskChanged: 2, cluster.WhyRestart: 2, cluster.WhyMoved: 2, cluster.WhyLeaderFree: 3, cluster.WhyPreferred: 3,
	cluster.WhySpread: 4, cluster.WhyBalance: 5,
}

// Urgency returns the urgency of a move for a reason: the lowest value gets the budget first.
func Urgency(code cluster.ReasonCode) int { return urgencies[code] }

// ForComfort is the urgency from which on a move only improves a good placement.
const ForComfort = 3
