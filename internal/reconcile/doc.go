// Package reconcile is the leader's decision: which slots to ask back, to free and to grant, from what was read.
//
// # The model
//
//	            leader                                        follower (every member)
//	view ─▶ Decide ─▶ commit ─▶ assignments/<id> ─▶ Follow ─▶ claim ─▶ start
//	  ▲                                                │ stop ─▶ confirmed
//	  └─────────────────── status/<id> ◀───────────────┘
//
// A [round.Draft] is a decision in the making, which the stages fill one after the other. A [round.Decision] is the finished draft:
// the records to write, and the steps by which people read what is done to slots. A commit is what the leader makes of a decision
// in the store: all of its records or none.
//
// A move is a slot that changes its node: an operator asks for it (a request), or the plan contains it. It takes several steps
// (release, free, grant), in decisions that follow one another.
//
// A slot is in at most one assignment. To move it the leader releases it (from slots to releasing, at version v of the
// assignment), the member stops it and confirms that (a status with applied ≥ v that does not hold it), the leader frees it
// and grants it elsewhere, with a higher token. A member claims a slot before it starts it: one commit that checks its
// assignment and names the slot in its status. So a start that comes late fails in the store.
//
// This package has the decision alone. [Decide] is a pure function from a [round.World] to a [round.Decision]: it reads no
// clock and no store, and the same world gives the same decision. Package leader makes worlds from what it has read and
// commits decisions; package follower is the other half of the protocol. To every commit the leader adds the check of its own
// candidate key and the write of the epoch at the version that it read, so no stage mentions them: a leader that no longer
// leads commits nothing. That nothing of a member can run has one exception, which a task asks for: with whenDisconnected = "continue"
// its workers run on without a lease, and may then run twice.
//
// # The packages
//
//	 explain
//	    │
//	reconcile ───────────┬───────────┐
//	    │                │           │
//	placement        failures      runs
//	    │                │           │
//	    └───▶ members ◀──┘           │
//	             │                   │
//	             └────▶ round ◀──────┘
//
// Package round has what all stages share: the world, the draft, and the decision. A stage that is large enough
// has a package of its own; the others are files of this one. The word assignment stands for the record of an assignment, and
// agenda for the record of a task's runs.
//
// # The stages
//
// decide and [Inspect] list the stages. Each takes values and returns what it finds out; what is to be written goes into the
// draft, and no stage changes anything else; where two stages give a reason why a task's slots have no place, the later one counts. Two
// findings cut a decision short. An eviction replaces all that it would write (Evict). While an assignment is missing or cannot
// be read, a decision is blocked: it grants nothing, and takes nothing away that it could not grant again. Before the plan:
//
//   - [runs.Advance] takes in what members report of runs, ends runs, and begins those that are due.
//   - [members.Classify] finds the state of every member: it is active, it leaves, it is lost, or nothing of it can run. Three
//     things prove the last: its assignment is closed; its keys were absent twice, read after the assignment and with the
//     takeover delay in between; or it is evicted and the longest lease that it can have had is over. Package members has a
//     table of the words.
//   - [members.ApplyDelays] lets the slots of members wait that are likely to be back, or that others follow.
//   - [members.ExpireDrains] lets members leave whose drain is past its deadline.
//   - [members.Reap] deletes the assignments of members of which nothing can run, and so frees their slots.
//   - findInvalidGrants (invalid.go) finds grants that must not be: doubled, refused, or under a token that no leader gave.
//   - findBarriers (barriers.go) finds the tasks whose count of workers changes: all stop before one starts with the new count.
//   - [failures.FindCrashLoops] finds slots that may have taken down their nodes, and withholds the worst of them.
//   - [failures.Find] finds slots that fail on their nodes, and nodes on which everything does.
//   - findMoves (requests.go) finds the slots that operators move.
//
// The plan, and what is done about it:
//
//   - [Place] asks for the node of every slot ([placement.Make]), and returns why slots have none.
//   - selectReleases (select.go, budget.go, nodechanges.go) picks the slots to ask back: all that must not run on where they
//     are, and of the others as many as the budget of moves allows.
//   - release (release.go) writes that into assignments, and frees the slots that their members gave back.
//   - grant (grants.go, placesuspect.go) gives slots that no assignment lists to their nodes: the slots of a task that a node gets by one
//     commit are one entry, under one new token.
//   - applyRequests (requests.go) takes requests that are done out of the record of requests.
//   - remove (remove.go) removes the records of deleted tasks and of marks that want nothing, when there is nothing else to write.
//
// Part of the order is protocol. A slot is free only once the draft, as it has grown so far, lists it nowhere: so Reap and
// release come before grant, and grants last of all that touches assignments. Advance comes before Reap, which keeps what runs
// still need; selectReleases before release; requests are done once all that they ask for is written. The rest of the order is
// free.
//
// Package explain goes through the same stages as far as the plan, as a dry run, and answers people's questions from it.
package reconcile
