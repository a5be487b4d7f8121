// Package members is the stage of a leader's decision that finds the state of each member.
//
//	Classify ─▶ ApplyDelays ─▶ ExpireDrains ─▶ Reap
//
// [Classify] finds the [State] of every member. [ApplyDelays] defers the moves of slots of members that are likely to return, or that
// other members follow. It never makes a member reapable. [ExpireDrains] lets members leave whose drain is past its deadline. [Reap]
// deletes the assignments of members of which nothing can run, and so frees their slots.
//
// # The words
//
// Each of these words has one meaning here. The first five describe the reading:
//
//	absent    a key that was read and does not exist.
//	live      its member and its status keys exist (view.Peer.Live). It responds to its assignment. It is Active or Leaving,
//	          unless one of its records cannot be used.
//	gone      its member and its status keys are absent. That alone proves nothing: it may run on until its lease is over.
//	missing   of an assignment alone: it is absent, and this leader did not delete it. Nothing is granted until it exists
//	          again, or its member has been given up.
//	left      it closed its assignment itself, on purpose. Nothing of it runs, and no leader waits for its return.
//
// The states are what Classify and ApplyDelays conclude from that:
//
//	lost      it cannot be asked, and may still run something: it is gone or evicted and that is not confirmed, only one
//	          of its two keys is there, or one of its records cannot be used. Its slots stay with it. Once it is confirmed to be
//	          gone, it becomes reapable.
//	delayed   nothing of it can run, and its slots stay with it nevertheless: a delay or a freeze is under way, other members
//	          leave too, or the commit is full. It becomes reapable when that is over.
//	reapable  nothing of it can run: its assignment is closed; or it was seen gone twice, read after its assignment and with
//	          the takeover delay in between; or it is evicted, and the longest lease that it can have had is over. Of both,
//	          a session timeout after the last heartbeat is enough where the service shows that heartbeat.
//	awaiting  (AwaitingRuns) nothing of it can run, but its assignment stays: its report is not yet in an agenda.
//	vanished  what delays and freezes count: it is gone, or was closed by its parent process, and it neither left nor was evicted,
//	          and no leader has settled it. Its node may come back.
//
// For people a worker is lost (cluster.WorkerLost) as long as its member is not live, or does not prove its lease.
package members
