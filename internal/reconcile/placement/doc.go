// Package placement is the plan of a leader's decision: which node should have each slot.
//
// [Make] describes members and slots to the planner, asks it for a target, and corrects that by what has happened to slots
// and nodes, of which the planner knows nothing.
//
//   - placement.go describes to the planner which nodes are there, which slots they have, and what must not be placed.
//   - toward.go keeps a leader on the plan that it is carrying out.
//   - corrections.go moves slots away from where they failed, and leaves where they are those that would gain nothing by a move.
//
// A plan asks nothing back and grants nothing: package reconcile does, as far as budgets and barriers allow.
package placement
