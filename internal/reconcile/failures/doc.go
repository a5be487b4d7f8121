// Package failures is the stage of a leader's decision that finds out what fails, and where.
//
// [FindCrashLoops] is about workers that take down their nodes. Whatever a member had started shortly before its crash is
// suspected; suspects of several crashes are kept apart, then withheld for a while, and in the end given up. A suspect
// that runs for the [ProbationPeriod] is cleared.
//
// [Find] is about workers that fail by themselves. It returns the nodes that a slot is to avoid, since it failed there again
// and again, and it quarantines nodes on which everything fails while the same tasks do well elsewhere.
package failures
