// Package runs is the first stage of a leader's decision: the runs of the tasks that end.
//
// The record of a task's runs, its agenda, contains the runs that are under way or queued, the slots that have ended, and the instant
// up to which the schedule is decided. [Advance] brings all agendas up to date: it records the ends that members report, ends
// completed runs, and begins those that are due or requested. An agenda is written in the commit that acts on it, so that an
// instant fires once, whichever member leads.
//
//   - runs.go goes through the tasks, records ends, ends and begins runs, and drops old ones.
//   - fire.go decides the instants of a schedule that have come.
//   - clock.go takes back what a leader with a clock ahead passed over.
package runs
