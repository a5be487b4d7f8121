package solver

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// Limits of repair, so that a solution is never late. Effort is counted and not timed: the same problem gives the same solution.
const (
	repairBudget       = 4_000_000        // steps: looks at a node, a task, or an exchange between two nodes
	exactBudget        = 20_000           // branches of the exact search
	repairTries        = 12               // nodes on which room is made for one slot before the best of these ways is taken
	repairCancelBudget = cancelBudget / 8 // steps of cycle canceling to improve the result of repair
)

// repair places slots that are unplaced although there is free capacity. It works on the shares of the matrix, and keeps
// a log by which changes that lead nowhere are undone.
type repair struct {
	*model.Matrix
	log    []change
	budget int // steps that are left
}

// change is a change of a node's share of a task.
type change struct {
	task int
	node int32
	by   int32
}

// placeUnplaced finds nodes for unplaced slots. It takes the better of its result and the present shares, so that a cluster
// at rest stays at rest, even if the search runs out of budget. It costs nothing if all slots are placed, and none if all
// cost the same and cycle canceling came to its end: then no better solution exists.
func placeUnplaced(m *model.Matrix) {
	small, exhausted := len(m.Share) <= cancelCells, m.Effort > cancelBudget
	if m.NodeCount == 0 || len(m.Share) > cancelCellsIfUnplaced || !m.HasUnplaced() || !exhausted && !m.MixedCosts() {
		return
	}
	m.FreezeQuotas()
	solved := m.Save()
	r := &repair{Matrix: m, budget: repairBudget / 2}
	adopt(m, m.Current)
	r.bestFitDecreasing()
	if small {
		cancelWithin(m, repairCancelBudget)
	}
	current, cost := m.Save(), m.Cost()
	m.Restore(solved)
	r.log, r.budget = nil, r.budget+repairBudget/2
	r.bestFitDecreasing()
	if small { // in larger problems one exchange may take tasks × tasks × nodes steps, and the budget would find next to nothing
		r.placeAll()
		r.replaceHeavy()
		r.searchExactly()
		cancelWithin(m, repairCancelBudget)
	}
	if slices.Compare(m.Cost(), cost) >= 0 {
		m.Restore(current)
	}
}

// spend takes steps from the budget, and reports whether the budget had enough.
func (r *repair) spend(steps int) bool {
	r.budget -= steps
	r.Effort += steps
	return r.budget >= 0
}

// add gives a node more slots of a task, or fewer if by is negative.
func (r *repair) add(t int, n int32, by int32) {
	r.give(t, n, by)
	r.log = append(r.log, change{t, n, by})
}

// give does the same for good.
func (r *repair) give(t int, n int32, by int32) {
	r.Share[t*r.NodeCount+int(n)] += by
	r.Load[n] += int64(by) * r.Tasks[t].Cost
	r.Unplaced[t] -= int64(by)
}

// undoTo undoes all changes since a length of the log.
func (r *repair) undoTo(length int) {
	for len(r.log) > length {
		c := r.log[len(r.log)-1]
		r.add(c.task, c.node, -c.by)
		r.log = r.log[:len(r.log)-2]
	}
}

// accepts reports whether a node may have one more slot of a task, capacity aside.
func (r *repair) accepts(t int, n int32) bool {
	node, cell := &r.Nodes[n], t*r.NodeCount+int(n)
	if node.Gone || r.Penalty(t, n) == model.Ineligible || node.Closed && r.Share[cell] >= r.Current[cell] {
		return false
	}
	most := r.Tasks[t].MaxPerNode
	return most == 0 || int64(r.Share[cell]) < most
}

// fits reports whether a node can take one more slot of a task.
func (r *repair) fits(t int, n int32) bool {
	return r.FreeCapacity(n) >= r.Tasks[t].Cost && r.accepts(t, n)
}

// most returns how many unplaced slots of a task a node can take that can take one. If it takes back slots that it has now, only
// those count.
func (r *repair) most(t int, n int32) int64 {
	cell, task := t*r.NodeCount+int(n), &r.Tasks[t]
	most := min(r.Unplaced[t], r.FreeCapacity(n)/task.Cost)
	if task.MaxPerNode > 0 {
		most = min(most, task.MaxPerNode-int64(r.Share[cell]))
	}
	if back := r.Current[cell] - r.Share[cell]; back > 0 {
		most = min(most, int64(back))
	}
	return most
}

// movesIfTaken returns how many more slots move if a node gives up a slot of a task.
func (r *repair) movesIfTaken(t int, n int32) int64 {
	if cell := t*r.NodeCount + int(n); r.Share[cell] <= r.Current[cell] {
		return 1
	}
	return 0
}

// movesSavedIfGiven returns how many fewer slots move if a node gets one more slot of a task.
func (r *repair) movesSavedIfGiven(t int, n int32) int64 {
	if cell := t*r.NodeCount + int(n); r.Share[cell] < r.Current[cell] {
		return 1
	}
	return 0
}

// unplacedTasks returns the tasks with unplaced slots, by falling cost.
func (r *repair) unplacedTasks() (list []int) {
	for t := range r.Tasks {
		if r.Unplaced[t] > 0 {
			list = append(list, t)
		}
	}
	slices.SortStableFunc(list, func(a, b int) int { return cmp.Compare(r.Tasks[b].Cost, r.Tasks[a].Cost) })
	return list
}

// bestFitDecreasing places the slots for which there is room as it is, the most costly first.
func (r *repair) bestFitDecreasing() {
	for _, t := range r.unplacedTasks() {
		for r.Unplaced[t] > 0 && r.placeBestFit(t) {
		}
	}
}

// placeAll places slots for which there is room or room can be made, the most costly first. Slots that found no room are
// tried again after the others.
func (r *repair) placeAll() {
	for placed := true; placed; {
		placed = false
		for _, t := range r.unplacedTasks() {
			for r.Unplaced[t] > 0 && (r.placeBestFit(t) || r.placeByExchanges(t)) {
				placed = true
			}
		}
	}
}

// placeBestFit places slots of a task on the node that suits it best, as many as this node can take: further slots would find the
// same node.
func (r *repair) placeBestFit(t int) bool {
	if !r.spend(r.NodeCount) {
		return false
	}
	best := none
	for n := range int32(r.NodeCount) {
		if r.fits(t, n) && (best == none || r.fitsBetter(t, n, best)) {
			best = n
		}
	}
	if best != none {
		r.add(t, best, int32(r.most(t, best)))
	}
	return best != none
}

// fitsBetter reports whether a slot of a task goes to node a before node b: first where one was, then by penalty, then where
// the least capacity is left free.
func (r *repair) fitsBetter(t int, a, b int32) bool {
	return cmp.Or(cmp.Compare(r.movesSavedIfGiven(t, b), r.movesSavedIfGiven(t, a)),
		cmp.Compare(r.Penalty(t, a), r.Penalty(t, b)), cmp.Compare(r.FreeCapacity(a), r.FreeCapacity(b))) < 0
}
