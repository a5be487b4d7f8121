// Package failures is the stage of a leader's decision that finds failing workers and nodes.
//
// [FindCrashLoops] handles workers that take down their nodes. Every slot that a member had started shortly before its crash is
// suspected. Suspects of several crashes are kept on different nodes, then withheld for a while, and finally given up. A suspect
// that runs for the [ProbationPeriod] is cleared.
//
// [Find] handles workers that fail by themselves. It returns the nodes that a slot is to avoid because it failed there
// repeatedly, and it quarantines nodes on which everything fails while the same tasks run well elsewhere.
package failures
