package planner

import (
	"cmp"
	"slices"
)

// way finds who can make way for whom: a chain of nodes, each of which takes an odd one and
// passes another one on, down to a node that lacks some. Such a chain evens the loads out, and
// where there is none they are as even as they can be.
type way struct {
	*matrix
	dealt  [][]*group // by node: odd ones that it was dealt and did not have; they move anyway
	from   []int32    // by node: who passes something on to it, Nobody for where the chain begins
	by     []*group   // by node: what is passed on to it
	seen   []int32    // by node: the search that has seen it
	passed []int32    // by group: the search in which everybody who can take one was reached
	search int32
	ends   func(n int32) bool
	queue  []int32
	head   int // of the queue: who comes next
	effort int
}

// wayEffort bounds the steps of all searches of a plan.
const wayEffort = 50_000_000

func newWay(m *matrix) *way {
	return &way{matrix: m, dealt: make([][]*group, m.nodes), from: make([]int32, m.nodes), by: make([]*group, m.nodes),
		seen: make([]int32, m.nodes), passed: make([]int32, len(m.groups)), effort: wayEffort}
}

// note remembers an odd one that was dealt.
func (w *way) note(g *group, n int32) {
	if cell := g.task*w.nodes + int(n); w.have[cell] < w.share[cell] {
		w.dealt[n] = append(w.dealt[n], g)
	}
}

// forNew makes way for an odd one that nobody has, best so that nothing more moves.
func (w *way) forNew(g *group) bool {
	for _, free := range []bool{true, false} {
		w.begin(func(n int32) bool { return w.lack(n) > 0 })
		for _, n := range g.nodes {
			if w.fits(g, n) {
				w.reach(n, Nobody, g)
			}
		}
		if w.find(free) {
			return true
		}
	}
	return false
}

// balance passes odd ones on from nodes that carry more to nodes that carry less until nothing
// helps any more.
func (w *way) balance() {
	if w.unit == 0 {
		return
	}
	for _, free := range []bool{true, false} {
		for w.improve(free) {
		}
	}
}

// improve finds one chain that evens the loads out.
func (w *way) improve(free bool) bool {
	step := w.unit * fine
	if !w.even {
		return w.chain(free, func(x int64) bool { return x >= step }, func(x int64) bool { return x < 0 }) ||
			w.chain(free, func(x int64) bool { return x > 0 }, func(x int64) bool { return x <= -step })
	}
	// From the fullest level down. What a level reaches in vain is no use to those below it either, so
	// it stays reached.
	order := make([]int32, w.nodes)
	for n := range order {
		order[n] = int32(n)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(w.load[b], w.load[a]) })
	least := w.excess(order[len(order)-1], w.load[order[len(order)-1]])
	var level int64
	w.begin(func(n int32) bool { return w.excess(n, w.load[n]) < level-step })
	for i := 0; i < len(order); {
		if level = w.excess(order[i], w.load[order[i]]); level-least <= step {
			return false
		}
		for ; i < len(order) && w.excess(order[i], w.load[order[i]]) == level; i++ {
			if w.seen[order[i]] != w.search {
				w.reach(order[i], Nobody, nil)
			}
		}
		if w.find(free) {
			return true
		}
	}
	return false
}

// chain looks for a chain from one of the nodes whose excess is much to one where it is little.
func (w *way) chain(free bool, much, little func(excess int64) bool) bool {
	w.begin(func(n int32) bool { return little(w.excess(n, w.load[n])) })
	for n := range int32(w.nodes) {
		if much(w.excess(n, w.load[n])) {
			w.reach(n, Nobody, nil)
		}
	}
	return len(w.queue) > 0 && w.find(free)
}

// excess is what a node carries beyond what it should, times fine. Where all nodes weigh the same,
// what counts is who carries more than whom.
func (m *matrix) excess(n int32, load int64) int64 {
	if m.even {
		return load * fine
	}
	return load*fine - m.ideal[n]
}

func (w *way) begin(ends func(n int32) bool) {
	w.search++
	w.ends, w.head = ends, 0
	w.queue = w.queue[:0]
}

func (w *way) reach(n, from int32, by *group) {
	w.seen[n], w.from[n], w.by[n] = w.search, from, by
	w.queue = append(w.queue, n)
}

// find goes on from the nodes that were reached, and passes along the first chain that it finds.
// With free it tries only what moves no further slot.
func (w *way) find(free bool) bool {
	for ; w.head < len(w.queue) && w.effort > 0; w.head++ {
		at := w.queue[w.head]
		if free {
			for _, h := range w.dealt[at] {
				if w.pass(h, at) {
					return true
				}
			}
			continue
		}
		for i := range w.groups {
			if w.pass(&w.groups[i], at) {
				return true
			}
		}
	}
	return false
}

// pass reaches those to whom a node could pass its odd one of a group. When a chain may
// end with one of them, it passes everything on and returns true.
func (w *way) pass(h *group, at int32) bool {
	w.effort--
	if w.passed[h.index] == w.search || w.flags[h.task*w.nodes+int(at)]&hasOdd == 0 || w.of[h.task].zone[at] != h.zone {
		return false
	}
	w.effort -= len(h.nodes)
	w.passed[h.index] = w.search
	for _, n := range h.nodes {
		if w.seen[n] == w.search || !w.fits(h, n) {
			continue
		}
		w.reach(n, at, h)
		if w.ends(n) {
			w.carry(n)
			return true
		}
	}
	return false
}

// carry passes the odd ones on along the chain that ends with a node.
func (w *way) carry(end int32) {
	for n := end; n != Nobody && w.by[n] != nil; n = w.from[n] {
		g := w.by[n]
		if from := w.from[n]; from != Nobody {
			w.take(g, from)
		}
		w.fillUp(g, n)
		w.note(g, n)
	}
}

// take takes a node's odd one of a group away.
func (m *matrix) take(g *group, n int32) {
	cell, cost := g.task*m.nodes+int(n), m.cost(g.task)
	m.flags[cell] &^= hasOdd
	m.share[cell]--
	m.load[n] -= cost
	m.room[n] += cost * fine
	g.left++
}
