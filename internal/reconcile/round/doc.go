// Package round has the input and the output of one round of the leader.
//
//	World ─▶ Facts ─▶ the stages ─▶ Draft ─▶ Decision
//	  ▲                                         │
//	  └───────────────── Memory ◀───────────────┘
//
// A round is one turn of the leader's loop: it reads, decides and commits. A [World] is everything that a leader decides from: the
// snapshot, the time, and its [Memory] of the last decision. [Facts] are the world in the form that the stages need; no stage
// changes them. A [Draft] is an unfinished decision, and the only value that stages change. A [Decision] is what the leader is to
// write, to report and to remember.
//
// The stages are in the neighbouring packages, and package reconcile lists them in their order. Nothing here decides anything, and
// nothing here reads a clock or a store.
package round
