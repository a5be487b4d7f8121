// Package reconcile is the leader's decision: which slots to ask back, to free and to grant, given the state of the store.
//
// # The model
//
//	            leader                                        follower (every member)
//	view ─▶ Decide ─▶ commit ─▶ assignments/<id> ─▶ Follow ─▶ claim ─▶ start
//	  ▲                                                │ stop ─▶ confirmed
//	  └─────────────────── status/<id> ◀───────────────┘
//
// A [round.Draft] is an unfinished decision, which the stages fill one after another. A [round.Decision] is the finished draft: the
// records to write, and the steps that describe the changes of slots to people. A commit is the write of a decision to the store:
// all of its records or none.
//
// A move is a slot that changes its node: an operator asks for it (a request), or the plan contains it. It takes several steps
// (release, free, grant), in decisions that follow one another.
//
// A slot is granted in at most one assignment. To move it the leader releases it (from slots to releasing, at version v of the
// assignment), the member stops it and confirms that (a status with applied ≥ v that does not hold it), the leader frees it
// and grants it elsewhere, with a higher token. The confirmed release may stay listed: the higher token supersedes it, and the
// next write of the assignment drops it (returned.go, [view.Snapshot.WithoutSuperseded]). A member claims a slot before it starts it:
// one commit that checks its assignment and names the slot in its status. So a start that comes late fails in the store.
//
// This package contains only the decision. [Decide] is a pure function from a [round.World] to a [round.Decision]: it reads no clock
// and no store, and the same world gives the same decision. Package leader makes worlds from its readings and commits decisions;
// package follower is the other half of the protocol. The leader adds to every commit the check of its own candidate key and the
// write of the epoch at the version that it read, so no stage mentions them: a leader that no longer leads commits nothing. The
// statement that nothing of a member can run has one exception, which a task declares: with whenDisconnected = "continue" its
// workers continue without a lease, and may then run twice.
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
// Package round has what all stages share: the world, the draft, and the decision. Below it is package ledger: the sums of what
// assignments list and statuses hold, which a leader keeps from one decision to the next. A stage that has them looks only at the
// tasks and members of which something may have to change ([round.Sums]); without them it looks at all, and decides the same. A large
// stage has a package of its own; the others are files of this package. The word assignment stands for the record of an assignment,
// and agenda for the record of a task's runs.
//
// # The stages
//
// decide and [Inspect] list the stages. Each takes values and returns its findings, and puts the records to write into the draft. No
// stage changes anything else. If two stages give a reason why a task's slots have no place, the later one counts. Two findings
// cut a decision short. An eviction replaces everything else that the decision would write (Evict). While an assignment is missing or
// cannot be read, a decision is blocked: it grants nothing, and asks nothing back that it could not grant again. Before the plan:
//
//   - [runs.Advance] records what members report of runs, ends runs, and begins those that are due.
//   - [members.Classify] finds the state of every member: it is active, it leaves, it is lost, or nothing of it can run. Three
//     conditions prove the last: its assignment is closed; its keys were absent twice, read after the assignment and with the
//     takeover delay in between; or the longest lease that it can have had is over, because it was evicted so long ago, or
//     because its last heartbeat is a session timeout old. Package members has a table of the words.
//   - [members.ApplyDelays] delays the slots of members that are likely to return, or that other members follow.
//   - [members.ExpireDrains] lets members leave whose drain is past its deadline.
//   - [members.Reap] deletes the assignments of members of which nothing can run, and so frees their slots.
//   - findInvalidGrants (invalid.go) finds invalid grants: doubled, refused, or under a token that no leader gave.
//   - findBarriers (barriers.go) finds the tasks whose count of workers changes: all stop before one starts with the new count.
//   - [failures.FindCrashLoops] finds slots that may have taken down their nodes, and withholds the worst of them.
//   - [failures.Find] finds slots that fail on their nodes, and nodes on which everything fails.
//   - findMoves (requests.go) finds the slots that operators move.
//
// The plan, and its execution:
//
//   - [Place] asks for the node of every slot ([placement.Make]), and returns why slots have none.
//   - selectReleases (select.go, budget.go) selects the slots to ask back: all that must not run on their nodes, and of the others as
//     many as the budget of moves allows; none for comfort while nodes come and go fast ([placement.Placement.NextChanges]).
//   - release (release.go) writes that into assignments, and frees the slots that their members gave back.
//   - grant (grants.go, placesuspect.go) grants slots that no assignment lists to their nodes: the slots of a task that a node gets
//     by one commit are one entry, under one new token.
//   - leaveReturned (returned.go) decides which assignments are written only because their members gave slots back.
//   - applyRequests (requests.go) removes served requests from the record of requests.
//   - remove (remove.go) removes the records of deleted tasks and empty marks, when there is nothing else to write.
//
// Part of the order is protocol. A slot is free only once the present draft lists it nowhere. So Reap and release come before grant,
// and grant is the last stage that changes assignments. Advance comes before Reap, which keeps assignments that runs still need;
// selectReleases comes before release; and requests are served once everything that they ask for is written. The rest of the order
// is free.
//
// Package explain runs the same stages up to the plan, as a dry run, and answers people's questions from it.
package reconcile
