// Package planner decides which node should run which slot. It is a pure function: no clock,
// no randomness, no I/O, and nothing depends on the order of a map.
//
// # The model
//
// Of a task with N slots every node that may run it gets N/nodes or one more; what the plan
// chooses is who gets the odd ones. It chooses, in this order:
//
//  1. Place every slot for which there is a node at all (the node has registered the work).
//  2. Spread each task: two nodes' shares of it differ by at most one.
//  3. Balance the totals: two nodes' totals differ by at most one. Where nodes have registered
//     different works this is approached, not guaranteed.
//  4. Move as little as possible: a slot stays on its node while that node's share allows it.
//  5. Give the odd ones to the leader last ([cluster.LeaderLast]).
//
// The result is a target. It says nothing of how to get there: a slot that has to move is
// released and confirmed stopped before it is granted again, and that is not done here.
package planner

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Nobody is the owner of a slot that no node has.
const Nobody = -1

// Node is a node that takes work.
type Node struct {
	Name   string
	Works  []string // as registered, sorted; compared by cluster.WorkName
	Leader bool
}

// Task is a task and who has its slots now.
type Task struct {
	Spec cluster.TaskSpec
	// Owner holds for each slot the node that has it, or had it under the same name, as an
	// index into Input.Nodes; Nobody for a slot that is free or has to leave its node. It has
	// Spec.WorkerNum elements.
	Owner []int
	// Held says which slots are not to be placed; nil for none. They have no owner.
	Held []bool
}

// placeable returns how many slots of the task are to be placed.
func (t *Task) placeable() int {
	n := t.Spec.WorkerNum
	for _, held := range t.Held {
		if held {
			n--
		}
	}
	return n
}

// Input is what a plan is made from.
type Input struct {
	Nodes  []Node // sorted by name
	Tasks  []Task // sorted by name
	Leader cluster.LeaderPolicy
}

// Reason says why a slot could not be placed.
type Reason string

// The reasons.
const (
	NoNode Reason = "no node takes work"
	NoWork Reason = "no live node has registered its work"
)

// Plan is the target.
type Plan struct {
	// Target holds for each task and slot an index into Input.Nodes, or Nobody.
	Target [][]int
	// Unplaced holds for each task why its slots have no target, "" where they have.
	Unplaced []Reason
}

// Make makes a plan. The same input gives the same plan.
func Make(in Input) Plan {
	m := newMatrix(in)
	m.keepExtras()
	m.dealExtras()
	m.balance()
	plan := Plan{Target: make([][]int, len(in.Tasks)), Unplaced: make([]Reason, len(in.Tasks))}
	for t := range in.Tasks {
		plan.Target[t] = m.place(t)
		switch {
		case len(in.Nodes) == 0:
			plan.Unplaced[t] = NoNode
		case m.rows[t].eligible == nil:
			plan.Unplaced[t] = NoWork
		}
	}
	return plan
}

// row is a task in the matrix.
type row struct {
	eligible []int  // nodes that may run it, ascending; nil if none
	may      []bool // the same by node
	base     int    // what every eligible node gets
	left     int    // odd ones not given to anybody yet
	extra    []bool // by node: has an odd one
	have     []int  // by node: slots it has now
}

// matrix is the plan in the making: shares by task and node.
type matrix struct {
	in   Input
	rows []row
	load []int // by node, over all tasks
}

func newMatrix(in Input) *matrix {
	m := &matrix{in: in, rows: make([]row, len(in.Tasks)), load: make([]int, len(in.Nodes))}
	works := make([]map[string]bool, len(in.Nodes))
	for n, node := range in.Nodes {
		works[n] = make(map[string]bool, len(node.Works))
		for _, w := range node.Works {
			works[n][cluster.WorkName(w)] = true
		}
	}
	for t, task := range in.Tasks {
		r := row{may: make([]bool, len(in.Nodes)), extra: make([]bool, len(in.Nodes)), have: make([]int, len(in.Nodes))}
		name := cluster.WorkName(task.Spec.WorkName)
		for n := range in.Nodes {
			if works[n][name] {
				r.eligible = append(r.eligible, n)
			}
		}
		if in.Leader == cluster.LeaderNone && len(r.eligible) > 1 {
			r.eligible = slices.DeleteFunc(r.eligible, func(n int) bool { return in.Nodes[n].Leader })
		}
		for _, n := range r.eligible {
			r.may[n] = true
		}
		for _, owner := range task.Owner {
			if owner != Nobody && r.may[owner] {
				r.have[owner]++
			}
		}
		if len(r.eligible) > 0 {
			r.base = task.placeable() / len(r.eligible)
			r.left = task.placeable() % len(r.eligible)
		}
		for _, n := range r.eligible {
			m.load[n] += r.base
		}
		m.rows[t] = r
	}
	return m
}

// keepExtras leaves odd ones where they are, as far as there are any.
func (m *matrix) keepExtras() {
	for t := range m.rows {
		r := &m.rows[t]
		for r.left > 0 {
			n := m.lightest(r, func(n int) bool { return r.have[n] > r.base })
			if n == Nobody {
				break
			}
			m.give(t, n)
		}
	}
}

// dealExtras gives the remaining odd ones to whoever has least.
func (m *matrix) dealExtras() {
	for t := range m.rows {
		r := &m.rows[t]
		for r.left > 0 {
			m.give(t, m.lightest(r, func(int) bool { return true }))
		}
	}
}

func (m *matrix) give(t, n int) {
	m.rows[t].extra[n] = true
	m.rows[t].left--
	m.load[n]++
}

// lightest returns the node with the least load that may still get an odd one; of equals one
// that does not lead, then the first.
func (m *matrix) lightest(r *row, fits func(int) bool) int {
	best := Nobody
	for _, n := range r.eligible {
		if r.extra[n] || !fits(n) {
			continue
		}
		if best == Nobody || m.lighter(n, best) {
			best = n
		}
	}
	return best
}

func (m *matrix) lighter(a, b int) bool {
	if m.load[a] != m.load[b] {
		return m.load[a] < m.load[b]
	}
	return m.in.Leader == cluster.LeaderLast && m.in.Nodes[b].Leader && !m.in.Nodes[a].Leader
}

// balance passes odd ones on from nodes that have at least two more than another one. Every
// step lowers the sum of the squares of the loads, so it ends.
func (m *matrix) balance() {
	order := make([]int, len(m.load))
	for n := range order {
		order[n] = n
	}
	for m.balanceOnce(order) {
	}
}

func (m *matrix) balanceOnce(order []int) bool {
	slices.SortStableFunc(order, func(a, b int) int {
		switch { // of equals the leader gives first and gets last
		case m.lighter(a, b):
			return -1
		case m.lighter(b, a):
			return 1
		}
		return 0
	})
	for i := len(order) - 1; i > 0; i-- {
		from := order[i]
		for _, to := range order {
			if m.load[from]-m.load[to] < 2 {
				break
			}
			if t := m.passable(from, to); t != Nobody {
				m.rows[t].extra[from], m.rows[t].extra[to] = false, true
				m.load[from]--
				m.load[to]++
				return true
			}
		}
	}
	return false
}

// passable returns the task whose odd one goes from one node to another at the least cost:
// best one that the receiver has already, then one that the giver does not have yet.
func (m *matrix) passable(from, to int) int {
	best, bestCost := Nobody, 3
	for t := range m.rows {
		r := &m.rows[t]
		if !r.extra[from] || r.extra[to] || !r.may[to] {
			continue
		}
		cost := 1
		if r.have[from] > r.base {
			cost++
		}
		if r.have[to] > r.base {
			cost--
		}
		if cost < bestCost {
			best, bestCost = t, cost
		}
	}
	return best
}

// place turns a task's shares into slots: the lowest indexes stay where they are, the free
// ones are dealt round.
func (m *matrix) place(t int) []int {
	r, owner := &m.rows[t], m.in.Tasks[t].Owner
	target := make([]int, len(owner))
	need := make([]int, len(m.in.Nodes))
	for _, n := range r.eligible {
		need[n] = r.base
		if r.extra[n] {
			need[n]++
		}
	}
	for i, n := range owner {
		target[i] = Nobody
		if n != Nobody && need[n] > 0 {
			target[i] = n
			need[n]--
		}
	}
	if r.eligible == nil {
		return target
	}
	next := 0
	for i := range target {
		if held := m.in.Tasks[t].Held; target[i] != Nobody || held != nil && held[i] {
			continue
		}
		for need[r.eligible[next]] == 0 {
			next = (next + 1) % len(r.eligible)
		}
		target[i] = r.eligible[next]
		need[r.eligible[next]]--
		next = (next + 1) % len(r.eligible)
	}
	return target
}
