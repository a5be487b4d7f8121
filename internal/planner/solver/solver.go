// Package solver decides how many slots of each task every node gets. It works on numbers alone, as package model defines
// them. Names, labels and reasons belong to package planner, which states the problem and turns the numbers into slots.
//
// # The problem
//
// A solution is a matrix of shares, one row for each task and one column for each node. Solutions are compared by their
// costs in the order of the cost levels (see model.CostUnplaced and the constants after it), each level outranking all later ones:
// lexicographic optimization.
//
// # The algorithms
//
// Solve takes these steps, each of which improves on the step before it:
//
//  1. Apportionment (model/quota.go). Every node gets its lower quota of every task: its ideal share, rounded down. The slots
//     that are left are the remainder of the task, and the nodes with a fractional ideal share compete for them. This is
//     the largest remainder method, except that step 3 decides who rounds up (Balinski and Young, Fair
//     Representation, 1982). Rounding a whole matrix, so that rows and columns both come out right, is known as
//     controlled rounding (Cox and Ernst, 1982).
//  2. Target loads (model/target.go). All remainders together are poured over the nodes like water, up to one level for
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
//  7. The incumbents (incumbent.go). The result is used only if it is strictly better than the present shares, and than
//     the plan that is being carried out.
//
// # What is promised
//
// The same problem gives the same solution, and the constraints always hold. The solution has the least cost if all slots
// cost the same, all nodes weigh the same, and cycle canceling applies to the problem and comes to its end. In other
// cases it is a good solution, not necessarily the best: with different costs the problem contains bin packing, which is
// NP-hard. Effort is bounded, and it is counted in steps and never timed, so that a solution does not depend on the machine.
package solver

import "gitee.com/ken.yang/xconsumer/internal/planner/model"

// Solution is the number of slots of each task that every node is to have.
type Solution struct {
	Share    []int32 // by cell
	Load     []int64 // by node: the costs of its slots
	Unplaced []int64 // by task: the slots that no node can take
	Effort   int     // the steps that were spent on cycle canceling and repair

	matrix *model.Matrix
}

// Solve solves the problem.
func Solve(p *model.Problem) *Solution {
	m := model.NewMatrix(p)
	solve(m)
	return &Solution{Share: m.Share, Load: m.Load, Unplaced: m.Unplaced, Effort: m.Effort, matrix: m}
}

// UpperQuota returns the most slots of a task that an even spread lets a node have: its ideal share, rounded up.
func (s *Solution) UpperQuota(t int, n int32) int64 {
	return s.matrix.UpperQuota(t*s.matrix.NodeCount + int(n))
}

// Cost returns the cost of the present placement, as far as slots may stay where they are, by cost level. Solutions are
// compared by such costs.
func Cost(p *model.Problem) []int64 {
	m := model.NewMatrix(p)
	m.SetQuotas(model.FavorCurrent)
	m.FreezeQuotas()
	for _, r := range m.Remainders {
		m.Unplaced[r.Task] += r.Left // no node has rounded up yet
	}
	adopt(m, m.Current)
	return m.Cost()
}

// solve takes the steps that the package comment lists.
func solve(m *model.Matrix) {
	r := newRounding(m, m.SetQuotas(model.FavorCurrent))
	r.transfer()
	r.retain()
	paths := newAugmentingPaths(r)
	r.distribute(paths)
	paths.balance()
	cancelCycles(m)
	placeUnplaced(m)
	keepIncumbent(m)
}
