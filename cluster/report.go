package cluster

import "time"

// Report is the state of one slot in a node's worker runtime. A slot without a report does not run, and does not start by
// itself.
type Report struct {
	Slot        Slot
	Token       int64
	State       WorkerState
	Since       time.Time     // since when it has been in this state
	Restarts    int           // failures since it was started on this node
	InRow       int           // failures since it last ran well
	Error       string        // of the last failure
	StopTimeout time.Duration // how long its task lets it take to stop
	// Ended reports that the slot of a run is done, or has failed for the reason in Error. State is which of both. It stays
	// true until the slot is stopped.
	Ended bool
	// Continues reports that the task lets the worker run on while the node cannot prove its lease.
	Continues bool
}
