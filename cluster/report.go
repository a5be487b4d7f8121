package cluster

import "time"

// Report is what a node's worker runtime says of one slot. A slot of which it says nothing
// does not run, and will not until it is started again.
type Report struct {
	Slot     Slot
	Token    int64
	State    WorkerState
	Since    time.Time     // of the state
	Restarts int           // failures since it was started on this node
	InRow    int           // failures since it last ran well
	Error    string        // of the last failure
	Grace    time.Duration // how long its task lets it take to stop
	// Ended says that the slot of a run is done, or has failed for the reason in Error: State tells
	// which. It stays so until the slot is stopped.
	Ended bool
	// Continues says that the task lets it run on while the node cannot prove its lease.
	Continues bool
}
