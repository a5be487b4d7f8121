// Package ledger sums up what assignments list and what statuses hold, by task and by slot.
//
// A leader decides after every change, and nearly always one member of many has changed. A [Ledger] is brought up to date from that
// member alone ([Ledger.Update]), so that no stage of a decision has to look at all ranges of all members. While it is exact
// ([Ledger.Exact]), a ledger that was kept over thousands of changes has the same sums as a new one. Only the numbers of members may
// differ, which mean nothing outside the ledger. While it is not, stages look at everything.
//
// The ledger knows neither specs nor states of members. Package round compares its sums with those, and names the few members that a
// stage has to look at.
package ledger
