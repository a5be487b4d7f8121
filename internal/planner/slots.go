package planner

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
	"gitee.com/ken.yang/xconsumer/internal/planner/solver"
)

// assigner turns the shares of a solution into slots, and finds the reasons why slots move or have no node.
type assigner struct {
	in       Input
	problem  *model.Problem
	solution *solver.Solution

	counts, order []int32 // scratch
}

// row returns the part of the cells that belongs to a task.
func (a *assigner) row(cells []int32, t int) []int32 {
	return cells[t*len(a.in.Nodes) : (t+1)*len(a.in.Nodes)]
}

// assign finds a node for each slot of a task. Surplus slots leave their nodes, and free slots go to the nodes that are to have
// more, in turn.
func (a *assigner) assign(t int, plan *Plan) []int32 {
	task := &a.in.Tasks[t]
	withheld := func(i int) bool { return task.Withheld != nil && task.Withheld[i] }
	target, moved := task.Current, len(plan.Moves)
	leaving := a.surplus(t)
	if len(leaving) > 0 {
		target = a.in.Space.clone(target)
	}
	for _, i := range leaving {
		target[i] = Nobody
		plan.Moves = append(plan.Moves, Move{Task: t, Slot: i, From: task.Current[i], To: Nobody})
	}
	free := 0
	for i, n := range target {
		if n == Nobody && !withheld(i) {
			free++
		}
	}
	if int64(free) > a.solution.Unplaced[t] {
		if len(leaving) == 0 {
			target = a.in.Space.clone(target)
		}
		current := a.row(a.problem.Current, t)
		a.counts = a.counts[:0]
		for n, share := range a.row(a.solution.Share, t) {
			a.counts = append(a.counts, max(share-current[n], 0))
		}
		a.roundRobin(target, a.counts, withheld)
	}
	a.explain(t, target, plan, plan.Moves[moved:])
	return target
}

// surplus returns the slots of a task that leave their nodes, in order: of each node that has more than its share, those
// that came to it last. So a node that comes back gets the slots that it gave away when it left, and a series of restarts
// does not pass slots on from node to node.
func (a *assigner) surplus(t int) []int {
	task := &a.in.Tasks[t]
	current, share := a.row(a.problem.Current, t), a.row(a.solution.Share, t)
	over := a.counts[:0]
	found := false
	for n := range current {
		over = append(over, max(current[n]-share[n], 0))
		found = found || over[n] > 0
	}
	a.counts = over
	if !found {
		return nil
	}
	var list []int
	for i, n := range task.Current {
		if n != Nobody && over[n] > 0 {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(i, k int) int {
		later := 0
		if task.Token != nil {
			later = cmp.Compare(task.Token[k], task.Token[i])
		}
		return cmp.Or(later, cmp.Compare(k, i))
	})
	list = slices.DeleteFunc(list, func(i int) bool {
		n := task.Current[i]
		over[n]--
		return over[n] < 0
	})
	slices.Sort(list)
	return list
}

// roundRobin gives the slots without a target to the nodes that are to have more, in turn. missing is by node how many it is
// still to get.
func (a *assigner) roundRobin(target, missing []int32, withheld func(int) bool) {
	a.order = a.order[:0]
	for n := range missing {
		if missing[n] > 0 {
			a.order = append(a.order, int32(n))
		}
	}
	at := 0
	for i := range target {
		if target[i] != Nobody || withheld(i) || len(a.order) == 0 {
			continue
		}
		n := a.order[at]
		target[i] = n
		missing[n]--
		if missing[n] == 0 {
			a.order = slices.Delete(a.order, at, at+1)
		} else {
			at++
		}
		if at >= len(a.order) {
			at = 0
		}
	}
}
