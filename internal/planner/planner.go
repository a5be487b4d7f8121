// Package planner decides which node should run which slot. It is a pure function: no clock,
// no randomness, no I/O, and no dependence on the order of a map.
//
// # The model
//
// A plan is a matrix of shares: how many slots of each task every node gets. One plan is better than another by the first
// of these goals in which they differ:
//
//  1. No constraint is broken: the node has registered the work, has the required labels, has room
//     (capacity, maxPerNode), and gets nothing new while it is cordoned or draining.
//  2. As many slots as possible have a place.
//  3. They are where they should rather be: not on a draining node, not on the leader if it is to
//     have none, on nodes with the preferred labels.
//  4. Each task is spread: evenly over the zones of its spread label, then evenly over the nodes, each
//     by its weight.
//  5. The totals are balanced: nodes carry the same, each by its weight.
//  6. As few slots as possible move.
//  7. The leader has least ([cluster.LeaderLast]).
//
// # How
//
// Nearly everything depends only on how many slots of each task a node has. So the input is stated as a problem in numbers
// (problem.go, eligibility.go), package solver finds the shares, and these are turned into slots again (slots.go): of a
// node's surplus, the slots that came to it last leave. Reasons are found afterwards, by comparing the shares with the
// present ones (reason.go). Package solver names its algorithms and their sources.
//
// # What is not promised
//
// The result is a target. It does not define the way there: a slot that must move is released and confirmed stopped before
// it is granted again, and that happens elsewhere.
//
// The plan is not always the best one by these goals. Where workers or nodes weigh differently, finding the best one is a
// packing problem, for which only bounded searches are affordable; where the cluster is large and every slot has a place,
// tasks that compete for nodes are not improved further. Loads are then within one slot of their targets, rather than
// equal.
//
// Two promises always hold: the effort for a plan is bounded, and a plan is replaced only by a strictly better one, so that
// in a cluster where nothing happens, plans come to an end.
package planner

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner/solver"
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
	Cordoned bool // keeps its slots, gets no new ones
	Draining bool // keeps only the slots that no other node can take
	Gone     bool // runs nothing, but its slots cannot be given away yet: it keeps exactly those
}

// Task is a task with the present owners of its slots.
type Task struct {
	Spec cluster.TaskSpec
	// Current holds for each slot the node that has it, or had it under the same name, as an
	// index into Input.Nodes; Nobody for a slot that is free or has to leave its node. It has
	// Spec.WorkerNum elements, and is not changed.
	Current []int32
	// Withheld marks the slots that are withheld: they are not to be placed, and have no owner. Nil for none.
	Withheld []bool
	// Fixed leaves every slot where it is, or without a place: others are placed around it.
	Fixed bool
	// Token holds for each slot with an owner the token of its grant: of two slots that a node has, the one with the higher
	// token came to it later. Nil, or equal, if that is unknown.
	Token []int64
	// InProgress holds for each node how many slots it is to have by the plan that is being carried out. It is nil if no plan is
	// being carried out, or if that plan is unknown, and it is not changed.
	InProgress []int32
}

// Input is the input of a plan.
type Input struct {
	Nodes  []Node // sorted by name
	Tasks  []Task // sorted by name
	Leader cluster.LeaderPolicy
	// Space is memory that earlier plans have used; nil to allocate everything. No plan depends on it.
	Space *Space `json:"-"`
}

// Move is a slot that leaves its node.
type Move struct {
	Task, Slot int   // the task as an index into Input.Tasks
	From, To   int32 // nodes; To is Nobody if it has no place any longer
	Reason     cluster.Reason
}

// Plan is the target.
type Plan struct {
	// Target holds for each task and slot an index into Input.Nodes, or Nobody. For a task that does not change it is
	// Task.Current itself. Like that, it may have memory of Input.Space.
	Target [][]int32
	// Moves are the slots whose owner is not their target, by task and slot.
	Moves []Move
	// Unplaced holds for each task why slots that are to be placed have no target, the zero
	// value where they have.
	Unplaced []cluster.Reason
}

// Make makes a plan. The same input gives the same plan.
func Make(in Input) Plan {
	in.Space.matrices().Begin()
	problem := newProblem(in)
	a := &assigner{in: in, problem: problem, solution: solver.Solve(problem)}
	plan := Plan{Target: make([][]int32, len(in.Tasks)), Unplaced: make([]cluster.Reason, len(in.Tasks))}
	for t := range in.Tasks {
		plan.Target[t] = a.assign(t, &plan)
	}
	return plan
}
