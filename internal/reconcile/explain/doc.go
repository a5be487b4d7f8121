// Package explain answers people's questions about decisions, and makes none.
//
// [Slot] explains why a slot is where it is, [Reasons] why slots have no place, [WhatIf] how a cluster would look after a change,
// and [MayMove] whether a slot would stay on a node that an operator moves it to. All of them run the stages of package reconcile up
// to the plan, as a dry run: no run starts or ends, and nothing is marked or removed. So the explanations cannot differ from what
// the leader does.
//
// [Observe] and [Ailing] add the report of the worker's own node.
package explain
