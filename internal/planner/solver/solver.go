// Package solver decides how many slots of each task every node gets. It works on numbers alone: names, labels and
// reasons belong to package planner, which states the problem and turns the numbers into slots.
//
// # The problem
//
// A solution is a matrix of shares, one row for each task and one column for each node. Solutions are compared by their
// costs in the order of the cost levels (see costUnplaced and the constants after it), each level outranking all later ones:
// lexicographic optimization.
//
// # The algorithms
//
// Solve takes these steps, each of which improves on the step before it:
//
//  1. Apportionment (quota.go). Every node gets its lower quota of every task: its ideal share, rounded down. The slots
//     that are left are the remainder of the task, and the nodes with a fractional ideal share compete for them. This is
//     the largest remainder method, except that step 3 decides who rounds up (Balinski and Young, Fair
//     Representation, 1982). Rounding a whole matrix, so that rows and columns both come out right, is known as
//     controlled rounding (Cox and Ernst, 1982).
//  2. Target loads (target.go). All remainders together are poured over the nodes like water, up to one level for
//     each set of nodes. That is max-min fairness (Bertsekas and Gallager, Data Networks, section 6.5.2).
//  3. Rounding (remainder.go). Remainder slots stay with nodes that have them now. The others go to the nodes with most
//     headroom below their target load.
//  4. Augmenting paths (path.go). A breadth-first search finds chains of nodes along which remainder slots are passed
//     on, from a node that carries too much to one that carries too little. Where no such path exists, loads are as even
//     as they can be (Harvey and others, Semi-matchings for bipartite graphs and load balancing, 2006).
//  5. Cycle canceling (mincost.go). Shares are a flow of minimum cost, and a cycle of negative cost in the residual network
//     is an improvement (Klein, 1967; cycles are found by the Bellman-Ford method). This matters
//     where tasks compete for nodes.
//  6. Repair (repair.go, exchange.go, exact.go). Where slots of different costs stay unplaced, lighter slots make room for
//     heavier ones: best-fit decreasing, then shifts and swaps between two nodes as for the generalized assignment
//     problem (Martello and Toth, Knapsack Problems, 1990, chapter 7), then branch and bound if the problem is small.
//  7. The incumbents (incumbent.go). The result is used only if it is strictly better than what nodes have now, and than
//     the plan that is being carried out.
//
// # What is promised
//
// The same problem gives the same solution, and the constraints always hold. The solution has the least cost if all slots
// cost the same, all nodes weigh the same, and cycle canceling applies to the problem and comes to its end. In other
// cases it is a good solution, not necessarily the best: with different costs the problem contains bin packing, which is
// NP-hard. Effort is bounded, and it is counted in steps and never timed, so that a solution does not depend on the machine.
package solver

// Unlimited is the capacity of a node without a limit.
const Unlimited = 1 << 40

// Ineligible is the penalty of a slot on a node that cannot run it.
const Ineligible = -1

// Problem is what a solution is found for. It is not changed.
//
// Counts by cell have one element for each task and node, at index task*len(Nodes)+node.
type Problem struct {
	Nodes   []Node
	Tasks   []Task
	Current []int32 // by cell: the slots that the node has now
	// InProgress holds, by cell, the shares of the solution that is being carried out. It is nil if there is none.
	InProgress []int32
}

// Node is a node that takes slots.
type Node struct {
	Weight   int64 // its share relative to other nodes; at least 1
	Capacity int64 // the most that the costs of its slots may add up to
	Closed   bool  // takes no slot of a task beyond those that it has now
	Gone     bool  // has exactly what it has now
	Spared   bool  // has least where everything else is equal
}

// Task is a number of equal slots.
type Task struct {
	Cost       int64 // of one slot; at least 1
	Slots      int64 // to be placed, including those that nodes have now
	MaxPerNode int64 // 0: no limit
	Fixed      bool  // every node has exactly what it has now
	Eligible   *Eligibility
}

// Solution says how many slots of each task every node is to have.
type Solution struct {
	Share    []int32 // by cell
	Load     []int64 // by node: the costs of its slots
	Unplaced []int64 // by task: the slots that no node can take
	Effort   int     // the steps that were spent on cycle canceling and repair

	matrix *matrix
}

// Solve solves the problem.
func Solve(p *Problem) *Solution {
	m := newMatrix(p)
	m.solve()
	return &Solution{Share: m.share, Load: m.load, Unplaced: m.unplaced, Effort: m.effort, matrix: m}
}

// UpperQuota returns the most slots of a task that an even spread lets a node have: its ideal share, rounded up.
func (s *Solution) UpperQuota(t int, n int32) int64 {
	return s.matrix.upperQuota(t*s.matrix.nodes + int(n))
}

// Cost returns what the slots cost where they are now, as far as they may stay there, by cost level. Solutions are compared by
// such costs.
func Cost(p *Problem) []int64 {
	m := newMatrix(p)
	m.setQuotas(favorCurrent)
	m.freezeQuotas()
	for _, r := range m.remainders {
		m.unplaced[r.task] += r.left // no node has rounded up yet
	}
	m.adopt(m.Current)
	return m.cost()
}

func (m *matrix) solve() {
	r := newRounding(m, m.setQuotas(favorCurrent))
	r.transfer()
	r.retain()
	paths := newAugmentingPaths(r)
	r.distribute(paths)
	paths.balance()
	m.cancelCycles()
	m.placeUnplaced()
	m.keepIncumbent()
}

// Whether quotas favor zones that have more of a task now.
const (
	favorCurrent  = true
	ignoreCurrent = false
)

// setQuotas gives every node its lower quotas, and finds the target loads. It returns nil if there are no remainders.
func (m *matrix) setQuotas(favor bool) *waterFilling {
	a := apportionment{matrix: m, favorCurrent: favor, maxSlots: make([]int64, m.nodes)}
	for t := range m.Tasks {
		a.apportionTask(t)
	}
	return m.setTargetLoads()
}
