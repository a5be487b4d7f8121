// Package members is the stage of a leader's decision that finds out what becomes of each member.
//
//	Classify ─▶ ApplyDelays ─▶ ExpireDrains ─▶ Reap
//
// [Classify] finds the [State] of every member: it is there, it leaves, it is gone and its slots wait, or nothing of it can
// run. Only what was read after a member's assignment, twice, with the takeover delay in between, proves that it is gone.
// [ApplyDelays] defers what becomes of the slots of members that are likely to return, or that other members follow. It never makes a
// member reapable. [ExpireDrains] lets members leave whose drain is past its deadline. [Reap] deletes the assignments of members of which nothing can run, and so frees their slots.
package members
