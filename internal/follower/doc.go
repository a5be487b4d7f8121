// Package follower runs what a member's assignment grants, and nothing else.
//
// # The model
//
//	assignments/<id> ─▶ Follow ─▶ claim (status/<id>) ─▶ start
//	                      │ stop ─▶ confirmed ─▶ status/<id>
//
// [Follow] is a pure function from the state of the member to what it stops, claims and writes. [Follower] is the loop around it:
// one goroutine that reads the assignment when it may have changed, writes the status, and reads the status again whenever the
// outcome of a write is unknown. A slot starts only after the commit of its claim, which checks the assignment at the version
// that grants the slot, and only while the lease is valid.
//
// [LeaseWatchdog] stops workers when the lease lapses, independently of the loop, and [ExitTimer] ends the process if even the
// watchdog hangs. [Checkpoints] stores the progress of workers, fenced by the same grants.
package follower
