// Package planner decides which node should run which slot. It is a pure function: no clock,
// no randomness, no I/O, and nothing depends on the order of a map.
//
// # The model
//
// A plan is a table of shares: how many slots of a task a node gets. What makes one plan better
// than another, in this order:
//
//  1. No constraint is broken: the node has registered the work, has the required labels, has room
//     (capacity, maxPerNode), and gets nothing new while it is cordoned or draining.
//  2. As many slots as possible have a place.
//  3. They are where they should rather be: not on a draining node, not on the leader if it is to
//     have none, on nodes with the preferred labels.
//  4. Each task is spread: evenly over the zones that it asks for, then evenly over the nodes, each
//     by its weight.
//  5. The totals are balanced: nodes carry the same, each by its weight.
//  6. As few slots as possible move.
//  7. The leader has least ([cluster.LeaderLast]).
//
// # How
//
// Points 3 and 4 fix nearly everything: of a task with N slots every node gets the whole part of
// its ideal share, and what is left to choose is who gets the odd ones. [matrix.apportion] deals
// the whole parts, [matrix.aim] says how many odd ones each node should have over all tasks, and
// these are first left where they are and then dealt to those who lack most. That is fast,
// and the best plan wherever tasks do not compete for nodes. Where they do, [matrix.polish] looks for
// cycles of exchanges that improve the plan until there are none (Klein's method for flows of
// minimum cost; costs are compared in the order above), as far as its budget goes. What comes of all that is
// compared with what is there, and with the plan that is being carried out, and is the plan only if it is better ([matrix.rest]).
//
// The result is a target. It says nothing of how to get there: a slot that has to move is
// released and confirmed stopped before it is granted again, and that is not done here.
package planner

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Nobody is the owner of a slot that no node has.
const Nobody int32 = -1

// Node is a node that takes work.
type Node struct {
	Name     string
	Works    []string // as registered; compared by cluster.WorkName
	Labels   cluster.Labels
	Weight   int // its share against that of others; 0: 1
	Capacity int // the most that the weights of its workers may add up to; 0: no limit
	Leader   bool
	Cordoned bool // keeps what it has, gets nothing new
	Draining bool // keeps only what no other node can take
	Gone     bool // runs nothing, but what it has cannot be given away yet: it keeps exactly that
}

// Task is a task and who has its slots now.
type Task struct {
	Spec cluster.TaskSpec
	// Owner holds for each slot the node that has it, or had it under the same name, as an
	// index into Input.Nodes; Nobody for a slot that is free or has to leave its node. It has
	// Spec.WorkerNum elements, and is not changed.
	Owner []int32
	// Held says which slots are not to be placed; nil for none. They have no owner.
	Held []bool
	// Fixed leaves every slot where it is, or without a place: others are placed around it.
	Fixed bool
	// Token holds for each slot with an owner the token of its grant: of two that a node has, the one with the higher
	// token came to it later. Nil, or equal, where that is not known.
	Token []int64
	// Toward holds for each slot the node that it is to have by the plan that is being carried out, Nobody for none. Nil
	// where no plan is, or that is not known. Its length may differ from WorkerNum, and it is not changed.
	Toward []int32
}

// Input is what a plan is made from.
type Input struct {
	Nodes  []Node // sorted by name
	Tasks  []Task // sorted by name
	Leader cluster.LeaderPolicy
}

// Move is a slot that leaves its node.
type Move struct {
	Task, Slot int   // the task as an index into Input.Tasks
	From, To   int32 // nodes; To is Nobody if it has no place any more
	Why        cluster.Reason
}

// Plan is the target.
type Plan struct {
	// Target holds for each task and slot an index into Input.Nodes, or Nobody. Where nothing
	// changes it is the task's Owner itself.
	Target [][]int32
	// Moves are the slots whose owner is not their target, by task and slot.
	Moves []Move
	// Unplaced holds for each task why slots that are to be placed have no target, the zero
	// value where they have.
	Unplaced []cluster.Reason
}

// Make makes a plan. The same input gives the same plan.
func Make(in Input) Plan {
	m := newMatrix(in)
	m.solve()
	plan := Plan{Target: make([][]int32, len(in.Tasks)), Unplaced: make([]cluster.Reason, len(in.Tasks))}
	for t := range in.Tasks {
		plan.Target[t] = m.place(t, &plan)
	}
	return plan
}

// solve decides about every node's share of every task.
func (m *matrix) solve() {
	m.outline()
	m.handOver()
	m.keep()
	way := newWay(m)
	m.deal(way)
	way.balance()
	m.polish()
	m.makeRoom()
	m.rest()
}

// outline deals the whole parts and says who should have how many odd ones.
func (m *matrix) outline() {
	for t := range m.in.Tasks {
		m.apportionTask(t)
	}
	m.aim()
}

// matrix is the plan in the making. Cells are task*nodes + node.
type matrix struct {
	in     Input
	nodes  int
	of     []*class // by task: where it may run
	have   []int32  // by cell: slots that the node has now
	share  []int32  // by cell: slots that it is to have
	floors []int32  // by cell: share without odd ones, once polish may have changed that; else nil
	flags  []uint8  // by cell
	each   []int64  // by task: what one slot weighs
	count  []int64  // by task: slots to place
	short  []int64  // by task: slots that found no place

	weight []int64 // by node
	limit  []int64 // by node: capacity
	load   []int64 // by node: weights of the slots that it is to have
	room   []int64 // by node: how much more it should have, times fine; below 0: less
	spare  []bool  // by node: may have one odd one more than it has room for, or go without
	groups []group // who compete for odd ones
	ideal  []int64 // by node: the load that it should have, times fine; nil if there are no odd ones
	keeps  []int64 // by node: odd ones that it has and might keep
	unit   int64   // the greatest weight of a slot with odd ones
	even   bool    // all nodes weigh the same
	looked int     // the effort that was spent on polish and room, in looks

	measure *matrix // the ideal that plans are measured by; nil until that is asked for
	blind   bool    // zones that have more of a task are not favoured

	caps        []int64 // scratch
	order, need []int32
}

// Flags of a cell.
const (
	mayHaveOdd uint8 = 1 << iota
	hasOdd
	handedOver // had one that goes to another node
)

// group is the nodes of one pool that share the odd ones of a task.
type group struct {
	index int // in matrix.groups
	task  int
	zone  int32
	nodes []int32
	left  int64
}

func newMatrix(in Input) *matrix {
	n, cells := len(in.Nodes), len(in.Nodes)*len(in.Tasks)
	m := &matrix{
		in: in, nodes: n, of: classify(in),
		have: make([]int32, cells), share: make([]int32, cells), flags: make([]uint8, cells),
		each: make([]int64, len(in.Tasks)), count: make([]int64, len(in.Tasks)), short: make([]int64, len(in.Tasks)),
		weight: make([]int64, n), limit: make([]int64, n), load: make([]int64, n), room: make([]int64, n),
		caps: make([]int64, n), even: true,
	}
	first := max(slices.IndexFunc(in.Nodes, func(n Node) bool { return !n.Gone }), 0)
	for i, node := range in.Nodes {
		m.weight[i], m.limit[i] = int64(max(node.Weight, 1)), unlimited
		if node.Capacity > 0 {
			m.limit[i] = int64(node.Capacity)
		}
		m.even = m.even && (node.Gone || m.weight[i] == m.weight[first])
	}
	for t := range in.Tasks {
		m.each[t] = int64(in.Tasks[t].Spec.Cost())
		have := m.row(m.have, t)
		for _, n := range in.Tasks[t].Owner {
			if n >= 0 {
				have[n]++
			}
		}
		m.count[t] = int64(len(in.Tasks[t].Owner))
		for n := range in.Nodes {
			if in.Nodes[n].Gone || in.Tasks[t].Fixed {
				m.share[t*m.nodes+n] = have[n]
				m.load[n] += int64(have[n]) * m.cost(t)
				m.count[t] -= int64(have[n])
			}
		}
		if in.Tasks[t].Fixed {
			m.count[t] = 0
			continue
		}
		for _, held := range in.Tasks[t].Held {
			if held {
				m.count[t]--
			}
		}
	}
	return m
}

const unlimited = 1 << 40

func (m *matrix) row(cells []int32, t int) []int32 { return cells[t*m.nodes : (t+1)*m.nodes] }

func (m *matrix) cost(t int) int64 { return m.each[t] }

// give makes one odd slot of a task the node's.
func (m *matrix) give(g *group, n int32) {
	cell := g.task*m.nodes + int(n)
	m.flags[cell] |= hasOdd
	m.share[cell]++
	m.load[n] += m.cost(g.task)
	m.room[n] -= m.cost(g.task) * fine
	g.left--
}

// fits tells whether a node can have one more odd slot of a group.
func (m *matrix) fits(g *group, n int32) bool {
	return m.flags[g.task*m.nodes+int(n)]&(mayHaveOdd|hasOdd) == mayHaveOdd && m.load[n]+m.cost(g.task) <= m.limit[n]
}

// leads tells whether a node is the leader and to be spared.
func (m *matrix) leads(n int32) bool {
	return m.in.Nodes[n].Leader && m.in.Leader == cluster.LeaderLast
}

// place turns a task's shares into slots: what came last to a node with more than its share leaves it, the free ones are
// dealt round.
func (m *matrix) place(t int, plan *Plan) []int32 {
	task := &m.in.Tasks[t]
	held := func(i int) bool { return task.Held != nil && task.Held[i] }
	target, moved := task.Owner, len(plan.Moves)
	leave := m.surplus(t)
	if len(leave) > 0 {
		target = slices.Clone(target)
	}
	for _, i := range leave {
		target[i] = Nobody
		plan.Moves = append(plan.Moves, Move{Task: t, Slot: i, From: task.Owner[i], To: Nobody})
	}
	free := 0
	for i, n := range target {
		if n < 0 && !held(i) {
			free++
		}
	}
	if int64(free) > m.short[t] {
		if len(leave) == 0 {
			target = slices.Clone(target)
		}
		m.need = m.need[:0]
		for n, share := range m.row(m.share, t) {
			m.need = append(m.need, max(share-m.have[t*m.nodes+n], 0))
		}
		m.dealRound(target, m.need, held)
	}
	m.explain(t, target, plan, plan.Moves[moved:])
	return target
}

// surplus returns the slots of a task that leave their nodes, in order: of each node that has more than its share those
// that came to it last. A node that comes back so gets what it gave away when it left, and nothing is sent on by one
// restart after the other.
func (m *matrix) surplus(t int) []int {
	task := &m.in.Tasks[t]
	have, share := m.row(m.have, t), m.row(m.share, t)
	over := m.need[:0]
	found := false
	for n := range have {
		over = append(over, max(have[n]-share[n], 0))
		found = found || over[n] > 0
	}
	m.need = over
	if !found {
		return nil
	}
	var list []int
	for i, n := range task.Owner {
		if n >= 0 && over[n] > 0 {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b int) int {
		later := 0
		if task.Token != nil {
			later = cmp.Compare(task.Token[b], task.Token[a])
		}
		return cmp.Or(later, cmp.Compare(b, a))
	})
	list = slices.DeleteFunc(list, func(i int) bool {
		n := task.Owner[i]
		over[n]--
		return over[n] < 0
	})
	slices.Sort(list)
	return list
}

// dealRound gives the slots without a target to the nodes that still need some, in turn.
func (m *matrix) dealRound(target, need []int32, held func(int) bool) {
	m.order = m.order[:0]
	for n := range need {
		if need[n] > 0 {
			m.order = append(m.order, int32(n))
		}
	}
	at := 0
	for i := range target {
		if target[i] >= 0 || held(i) || len(m.order) == 0 {
			continue
		}
		n := m.order[at]
		target[i] = n
		if need[n]--; need[n] == 0 {
			m.order = slices.Delete(m.order, at, at+1)
		} else {
			at++
		}
		if at >= len(m.order) {
			at = 0
		}
	}
}
