// Package leader leads a cluster for one term at a time: it reads, decides, commits, and reads again.
//
// # The model
//
//	hints ─▶ view ─▶ snapshot ─▶ reconcile.Decide ─▶ commit fenced by the term ─▶ view
//	                                                  │ refused, unknown ─▶ read again
//
// Only the record of a panic (planfault) is written without the epoch: it decides nothing.
//
// A term has one goroutine that owns all its state ([Leader.Lead]). The state starts empty with each term and comes from the
// store. The goroutine makes one commit at a time, which checks the candidate key and sets the epoch at the version that was
// read. So of all commits that were prepared at one version of the epoch at most one applies, and a leader that was deposed or
// paused changes nothing. A commit that was refused or has an unknown outcome is never repeated: the leader reads again and
// decides again.
//
// A second goroutine, the vigil, ends the term of a leader that cannot lead (vigil.go).
package leader
