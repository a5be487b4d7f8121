// Package explain answers people's questions about decisions, and makes none.
//
// [Slot] explains why a slot is where it is, [Reasons] why slots have no place, [WhatIf] what a cluster would come to after a
// change, and [MayMove] whether a slot would stay on a node that an operator wants to move it to. All of them go through the
// stages of package reconcile up to the plan, as a dry run: no run starts or ends, and nothing is marked or removed. So what
// people read cannot drift from what the leader does.
//
// [Observe] and [Ailing] add what the worker's own node reports.
package explain
