// Package follower runs what a member's assignment grants, and nothing else.
//
// # The model
//
//	assignments/<id> ─▶ Follow ─▶ claim (status/<id>) ─▶ start
//	                      │ stop ─▶ confirmed ─▶ status/<id>
//
// [Follow] is a pure function from what the member knows to what it stops, claims and writes. [Follower] is the loop around
// it: one goroutine that reads the assignment when it may have changed, writes the status, and reads that again whenever
// the outcome of a write is not known. A slot starts only after the commit of its claim, which checks the assignment at the
// version that grants it, and only while the lease is valid.
//
// [LeaseWatchdog] stops what runs when the lease lapses, whatever the loop does, and [ExitTimer] ends the process where even
// that hangs. [Checkpoints] stores the progress of workers, fenced by the same grants.
package follower
