// Package reconcile is the leader's decision: which slots to ask back, to free and to grant, from what was read.
//
// # The model
//
//	            leader                                        follower (every member)
//	view ─▶ Decide ─▶ commit ─▶ assignments/<id> ─▶ Follow ─▶ claim ─▶ start
//	  ▲                                                │ stop ─▶ confirmed
//	  └─────────────────── status/<id> ◀───────────────┘
//
// A slot is in at most one assignment. To move it the leader releases it (from slots to releasing, at version v of the
// assignment), the member stops it and confirms that (a status with applied ≥ v that does not hold it), the leader frees it
// and grants it elsewhere, with a higher token. A member claims a slot before it starts it: one commit that checks its
// assignment and names the slot in its status. So a start that comes late fails in the store.
//
// This package has the decision alone. [Decide] is a pure function from a [World] to a [Decision]: it reads no clock and no
// store, and the same world gives the same decision. Package leader makes worlds from what it has read and commits
// decisions; package follower is the other half of the protocol. [WhatIf] and [Explain] make the same decision without
// committing it, for people who ask.
package reconcile
