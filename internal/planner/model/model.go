// Package model is the planner's problem in numbers: what is to be decided, what must hold, and what a solution costs. It
// searches for nothing; package solver does.
//
//   - A [Problem] is nodes, tasks, and the slots that nodes have now.
//   - A [Matrix] is a solution in the making: the share of each task that each node is to have, one row for each task and
//     one column for each node.
//   - An [Eligibility] says which nodes can run a task, and which of them run it best.
//   - Quotas and target loads say what an even spread would be. The ideal share is of one task: what a node would have of it
//     if slots could be cut into fractions. Every node gets that rounded down, its lower quota; what is left of a task are its
//     remainders, for which nodes compete (quota.go). The target load is of all tasks together: what a node would carry, in
//     fractions of slots, once all remainders are distributed (target.go).
//   - [Costs] compare solutions, level by level (cost.go).
package model

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
