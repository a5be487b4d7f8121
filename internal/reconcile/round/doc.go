// Package round is what one round of the leader goes by and what comes of it.
//
//	World ─▶ Facts ─▶ the stages ─▶ Draft ─▶ Decision
//	  ▲                                         │
//	  └───────────────── Memory ◀───────────────┘
//
// A round is one turn of the leader's loop: it reads, decides and commits. A [World] is all that a leader decides from: what it
// has read, the time, and its [Memory] of the last decision. [Facts] are the world in the form in which the stages ask for it; no
// stage changes them. A [Draft] is a decision in the making, and the only thing that stages change. A [Decision] is what the
// leader is to write, to report and to remember.
//
// The stages are in the packages beside this one, and package reconcile lists them in their order. Nothing here decides
// anything, and nothing here reads a clock or a store.
package round
