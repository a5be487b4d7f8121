// Package runs is the first stage of a leader's decision: the runs of the tasks that end.
//
// The record of a task's runs, its agenda, says which runs go on or wait, which of their slots have ended, and up to which
// instant the schedule is decided about. [Advance] brings all agendas up to date: it takes in what members report to have
// ended, ends runs of which nothing is left to do, and begins those that are due or asked for. An agenda is written in the
// commit that acts on it, so that an instant fires once, whichever member leads.
//
//   - runs.go goes through the tasks, takes in ends, ends and begins runs, and forgets old ones.
//   - fire.go decides about the instants of a schedule that have come.
//   - clock.go takes back what a leader passed over whose clock was ahead.
package runs
