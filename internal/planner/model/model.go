// Package model is the planner's problem in numbers: the decisions to make, the constraints, and the cost of a solution. It
// does not search; package solver does.
//
//   - A [Problem] is nodes, tasks, and the slots that nodes have now.
//   - A [Matrix] is a solution in the making: the share of each task that each node is to have, one row for each task and
//     one column for each node.
//   - An [Eligibility] lists the nodes that can run a task, and those that run it best.
//   - Quotas and target loads define an even spread. The ideal share is about one task: the number of its slots that a node
//     would have if slots could be cut into fractions. Every node gets its ideal share rounded down, its lower quota. The
//     other slots of a task are its remainders, for which nodes compete (quota.go). The target load is about all tasks
//     together: the load of a node, in fractions of slots, once all remainders are distributed (target.go).
//   - [Costs] compare solutions, level by level (cost.go).
package model

// Unlimited is the capacity of a node without a limit.
const Unlimited = 1 << 40

// Ineligible is the penalty of a slot on a node that cannot run it.
const Ineligible = -1

// Problem is the input of the solver. It is not changed.
//
// Counts by cell have one element for each task and node, at index task*len(Nodes)+node.
type Problem struct {
	Nodes   []Node
	Tasks   []Task
	Current []int32 // by cell: the slots that the node has now
	// InProgress holds, by cell, the shares of the solution that is being carried out. It is nil if there is none.
	InProgress []int32
	Space      *Space // for matrices; nil to allocate them
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
