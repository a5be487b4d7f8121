// Package assignment gives slots to members and makes members follow: the two halves of the
// protocol that keeps a slot on one member at a time.
//
// # The model
//
//	            leader                              follower (every member)
//	view ─▶ Decide ─▶ commit ─▶ docs/<guid> ─▶ Follow ─▶ claim ─▶ start
//	  ▲                                           │ stop ─▶ confirmed
//	  └──────────────── status/<guid> ◀───────────┘
//
// A slot is in at most one document. To move it the leader releases it (from slots to
// releasing, at version v of the document), the member stops it and says so (a status with
// applied ≥ v that does not hold it), the leader frees it and grants it elsewhere, with a
// higher token. A member claims a slot before it starts it: one commit that checks its document
// and names the slot in its status. So a start that comes late fails in the store.
//
// [Decide] and [Follow] are pure functions from what was read to what is to be written. The
// loops around them ([Leader], [Follower]) read, commit, and read again whenever the outcome is
// not what they expected. [Guard] stops what runs when the lease lapses, whatever the loops do.
package assignment
