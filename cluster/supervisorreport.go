package cluster

import "time"

// SupervisorReport is the information that a parent process needs about a node's process to clean up after
// it.
type SupervisorReport struct {
	Cluster string `json:"cluster"`
	Node    string `json:"node"`
	// Member is the MemberID under which the node joins or has joined, "" before the first join;
	// Session is the session that the member's keys are bound to.
	Member  string `json:"member"`
	Session string `json:"session"`
	// StopBy is the time on the lease clock from which nothing of the member may run; see coord.LeaseClock.
	StopBy time.Duration `json:"stopBy"`
	// Idle reports that nothing of the member runs, and that nothing will start before the next report.
	Idle bool `json:"idle,omitempty"`
	// Closed reports that the member has closed itself, so that there is nothing to clean up.
	Closed bool `json:"closed,omitempty"`
}
