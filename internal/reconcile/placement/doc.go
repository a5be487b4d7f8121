// Package placement is the plan of a leader's decision: which node should have each slot.
//
// [Make] describes members and slots to the planner, gets a target from it, and corrects that by the history of slots and nodes, which
// the planner does not see.
//
//   - placement.go describes to the planner which nodes exist, which slots they have, and which slots must not be placed.
//   - toward.go keeps a leader on the plan that it is carrying out.
//   - corrections.go moves slots away from nodes where they failed, and keeps slots in place that would gain nothing by a move.
//
// A plan asks nothing back and grants nothing: package reconcile does, as far as budgets and barriers allow.
package placement
