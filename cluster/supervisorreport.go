package cluster

import "time"

// SupervisorReport is what a parent process has to know of a node's process, to clean up after it.
type SupervisorReport struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	// Member is the MemberID under which the node joins or has joined, "" before the first join;
	// Session is the session that the member's keys are bound to.
	Member  string `json:"member"`
	Session string `json:"session"`
	// StopBy is when nothing of the member may run any more, on the lease clock; see
	// coord.LeaseClock.
	StopBy time.Duration `json:"stopBy"`
	// Idle says that nothing of the member runs, nor will before other vitals were told.
	Idle bool `json:"idle,omitempty"`
	// Closed says that the member has closed itself, so that there is nothing to clean up.
	Closed bool `json:"closed,omitempty"`
}
