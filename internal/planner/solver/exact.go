package solver

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// exact searches all shares of a small problem by branch and bound, as far as its budget goes.
type exact struct {
	*repair
	tasks []int // the most costly first
	cells []exactCell
	last  []int     // by task: the last of its cells
	found []int32   // by cell: the best shares; nil as long as nothing is better than the solution that was there
	best  exactCost // of the best shares
	now   exactCost // of the cells that are decided, and no unplaced slots
	left  int       // branches
}

// exactCell is one decision: how many slots of a task a node has.
type exactCell struct {
	task int
	node int32
}

// exactCost is the cost that the exact search compares: unplaced slots, then penalties, then moves.
type exactCost [3]int64

func (c *exactCost) less(o *exactCost) bool { return slices.Compare(c[:], o[:]) < 0 }

// searchExactly replaces the solution by a better one where the problem is small enough to try everything.
func (r *repair) searchExactly() {
	const maxCells = 64
	if !r.HasUnplaced() || len(r.Share) > maxCells {
		return
	}
	e := &exact{repair: r, left: exactBudget, last: make([]int, len(r.Tasks))}
	for t := range r.Tasks {
		e.tasks = append(e.tasks, t)
	}
	slices.SortStableFunc(e.tasks, func(a, b int) int { return cmp.Compare(r.Tasks[b].Cost, r.Tasks[a].Cost) })
	before := r.Save()
	e.best = e.score()
	for _, t := range e.tasks {
		e.last[t] = -1
		for n := range int32(r.NodeCount) {
			if !r.Nodes[n].Gone && r.Penalty(t, n) != model.Ineligible {
				e.last[t] = len(e.cells)
				e.cells = append(e.cells, exactCell{task: t, node: n})
			}
		}
	}
	for _, c := range e.cells {
		r.add(c.task, c.node, -r.Share[c.task*r.NodeCount+int(c.node)])
	}
	e.branch(0)
	r.Restore(before)
	for i, slots := range e.found {
		c := e.cells[i]
		r.add(c.task, c.node, slots-r.Share[c.task*r.NodeCount+int(c.node)])
	}
}

// score returns the cost of the solution as it stands.
func (e *exact) score() (c exactCost) {
	for t := range e.Tasks {
		c[0] += e.Unplaced[t]
		for n := range int32(e.NodeCount) {
			if cell := t*e.NodeCount + int(n); !e.Nodes[n].Gone && e.Penalty(t, n) != model.Ineligible {
				c[1] += int64(e.Share[cell]) * int64(e.Penalty(t, n))
				c[2] += int64(max(e.Current[cell]-e.Share[cell], 0))
			}
		}
	}
	return c
}

// branch tries every number of slots for the cells from one on.
func (e *exact) branch(at int) {
	e.left--
	if e.left < 0 || !e.spend(e.NodeCount+len(e.tasks)) || !e.mayImprove(at) {
		return
	}
	if at == len(e.cells) {
		e.finish()
		return
	}
	c := e.cells[at]
	cell := c.task*e.NodeCount + int(c.node)
	most := int32(0)
	length := len(e.log)
	for e.Unplaced[c.task] > 0 && e.fits(c.task, c.node) {
		e.add(c.task, c.node, 1)
		most++
	}
	before := e.now
	for slots := most; slots >= 0; slots-- {
		e.now[1] = before[1] + int64(slots)*int64(e.Penalty(c.task, c.node))
		e.now[2] = before[2] + int64(max(e.Current[cell]-slots, 0))
		e.branch(at + 1)
		if slots > 0 {
			e.undoTo(length + int(slots) - 1)
		}
	}
	e.now = before
}

// finish keeps the shares if they are the best so far.
func (e *exact) finish() {
	total := e.now
	for t := range e.Tasks {
		total[0] += e.Unplaced[t]
	}
	if !total.less(&e.best) {
		return
	}
	e.best, e.found = total, e.found[:0]
	for _, c := range e.cells {
		e.found = append(e.found, e.Share[c.task*e.NodeCount+int(c.node)])
	}
}

// mayImprove reports whether the cells from one on may still lead to something better. Its bound takes all free capacity
// for one piece, and fills it with the least costly slots first.
func (e *exact) mayImprove(at int) bool {
	bound := e.now
	free := int64(0)
	for n := range int32(e.NodeCount) {
		if !e.Nodes[n].Gone {
			free += max(e.FreeCapacity(n), 0)
		}
	}
	for _, t := range slices.Backward(e.tasks) {
		if e.last[t] < at { // all of its cells are decided
			bound[0] += e.Unplaced[t]
			continue
		}
		fit := min(e.Unplaced[t], free/e.Tasks[t].Cost)
		free -= fit * e.Tasks[t].Cost
		bound[0] += e.Unplaced[t] - fit
	}
	return bound.less(&e.best)
}
