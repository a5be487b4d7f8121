package planner

import (
	"cmp"
	"slices"
)

// exact tries every table of a small world, as far as its steps go: most workers placed, then where they should rather be,
// then fewest moves.
type exact struct {
	*room
	tasks []int // the heaviest first
	cells []exactCell
	steps int
	now   [3]int64
	best  [3]int64
	last  []int   // by task: the last of its cells
	table []int32 // the best one, nil as long as it is the one that was there
}

// exactCell is a decision: how many of a task a node has.
type exactCell struct {
	task int
	node int32
}

// search replaces the plan by a better one where the world is small enough to try everything.
func (r *room) search() {
	const most = 64 // cells
	if !r.isShort() || len(r.share) > most {
		return
	}
	e := &exact{room: r, steps: roomSteps, last: make([]int, len(r.in.Tasks))}
	for t := range r.in.Tasks {
		e.tasks = append(e.tasks, t)
	}
	slices.SortStableFunc(e.tasks, func(a, b int) int { return cmp.Compare(r.cost(b), r.cost(a)) })
	before := r.stand()
	e.best = e.score()
	for _, t := range e.tasks {
		e.last[t] = -1
		for n := range int32(r.nodes) {
			if !r.in.Nodes[n].Gone && r.of[t].rank[n] >= 0 {
				e.last[t] = len(e.cells)
				e.cells = append(e.cells, exactCell{task: t, node: n})
			}
		}
	}
	for _, c := range e.cells {
		r.put(c.task, c.node, -r.share[c.task*r.nodes+int(c.node)])
	}
	e.now = [3]int64{}
	e.decide(0)
	r.restore(before)
	for i, c := range e.cells {
		if e.table != nil {
			r.put(c.task, c.node, e.table[i]-r.share[c.task*r.nodes+int(c.node)])
		}
	}
}

// score is what the plan as it stands costs.
func (e *exact) score() (s [3]int64) {
	for t := range e.in.Tasks {
		s[0] += e.short[t]
		for n := range int32(e.nodes) {
			if cell := t*e.nodes + int(n); !e.in.Nodes[n].Gone && e.of[t].rank[n] >= 0 {
				s[1] += int64(e.share[cell]) * int64(e.of[t].rank[n])
				s[2] += int64(max(e.have[cell]-e.share[cell], 0))
			}
		}
	}
	return s
}

// decide tries every count of the cells from one on.
func (e *exact) decide(at int) {
	if e.steps--; e.steps < 0 || !e.look(e.nodes+len(e.tasks)) || !e.hopeful(at) {
		return
	}
	if at == len(e.cells) {
		s := e.now
		for t := range e.in.Tasks {
			s[0] += e.short[t]
		}
		if slices.Compare(s[:], e.best[:]) < 0 {
			e.best, e.table = s, e.table[:0]
			for _, c := range e.cells {
				e.table = append(e.table, e.share[c.task*e.nodes+int(c.node)])
			}
		}
		return
	}
	c := e.cells[at]
	cell := c.task*e.nodes + int(c.node)
	most := int32(0)
	mark := len(e.log)
	for e.short[c.task] > 0 && e.fitsNow(c.task, c.node) {
		e.put(c.task, c.node, 1)
		most++
	}
	was := e.now
	for x := most; x >= 0; x-- {
		e.now[1] = was[1] + int64(x)*int64(e.of[c.task].rank[c.node])
		e.now[2] = was[2] + int64(max(e.have[cell]-x, 0))
		e.decide(at + 1)
		if x > 0 {
			e.back(mark + int(x) - 1)
		}
	}
	e.now = was
}

// hopeful reports whether the cells from one on may still lead to something better.
func (e *exact) hopeful(at int) bool {
	s := e.now
	open := int64(0) // room that is left
	for n := range int32(e.nodes) {
		if !e.in.Nodes[n].Gone {
			open += max(e.free(n), 0)
		}
	}
	for _, t := range slices.Backward(e.tasks) { // the lightest first: as many as there would be room for in one piece
		if e.last[t] < at { // none of its cells is still to be decided
			s[0] += e.short[t]
			continue
		}
		fit := min(e.short[t], open/e.cost(t))
		open -= fit * e.cost(t)
		s[0] += e.short[t] - fit
	}
	return slices.Compare(s[:], e.best[:]) < 0
}
