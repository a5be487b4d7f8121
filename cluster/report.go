package cluster

import "time"

// Report is the state of one slot in a node's worker runtime. A slot without a report does not run, and does not start by
// itself.
type Report struct {
	Slot  Slot
	Token int64
	WorkerStatus
	Spec *TaskSpec // the present one of its task; it is not changed
	// Ended reports that the slot of a run is done, or has failed for the reason in Error. State is which of both. It stays
	// true until the slot is stopped.
	Ended bool
}

// Continues reports whether the task lets the worker run on while the node cannot prove its lease.
func (r Report) Continues() bool { return r.Spec != nil && r.Spec.Continues() }

// StopTimeout returns how long the task lets the worker take to stop.
func (r Report) StopTimeout() time.Duration {
	if r.Spec == nil {
		return DefaultStopTimeout
	}
	return r.Spec.StopTimeoutOrDefault()
}
