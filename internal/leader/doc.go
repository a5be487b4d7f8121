// Package leader leads a cluster for one term at a time: it reads, decides, commits, and reads again.
//
// # The model
//
//	hints ─▶ view ─▶ snapshot ─▶ reconcile.Decide ─▶ commit fenced by the term ─▶ view
//	                                                  │ refused, unknown ─▶ read again
//
// The record of a panic (planfault) is the one that is written without the epoch: it decides nothing.
//
// A term has one goroutine that owns all its state ([Leader.Lead]). What it knows starts empty with each term and comes
// from the store; what it writes is one commit at a time, which checks its candidate key and sets the epoch at the version
// that was read. So of all commits that were prepared at one version of the epoch at most one applies, and a leader that has
// been deposed, or paused, changes nothing. A commit that was refused, or whose outcome is not known, is never repeated: the
// leader reads again and decides again.
//
// A vigil beside the loop ends the term of a leader that cannot lead (vigil.go).
package leader
