// Package cluster holds the nouns of xconsumer as values: what nodes, tasks, slots and
// grants are, what a cluster looks like at a moment ([State]) and what happens in it
// ([Event]). It does no I/O, and depends on the standard library alone.
//
// # The model
//
// A cluster is a named group of nodes. A node is one process with a name; each session
// that it joins with makes it a new [Member], identified by a MemberID. A task ([TaskSpec])
// declares that a work should run in a number of workers; each of them is a [Slot], as in
// "test01#0". The leader grants every slot to at most one member at a time; a [Grant]
// carries a fencing token that rises over the whole cluster.
package cluster
