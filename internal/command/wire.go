package command

import "time"

// Variable is the environment variable that makes a process a shim.
const Variable = "XCONSUMER_SHIM"

// mark is a variable by which the processes of an execution are recognized, as long as they keep
// it.
const mark = "XCONSUMER_MARK"

// The descriptors of a shim.
const (
	fdOrders  = 3 + iota // JSON, one order a line; the first one starts the program
	fdReports            // JSON, one report a line
)

// order is a message from a node to a shim.
type order struct {
	Start *startOrder `json:"start,omitempty"`
	// StopBy is when nothing may run any longer, on the machine's boot clock; 0 for never.
	StopBy *time.Duration `json:"stopBy,omitempty"`
	Signal int            `json:"signal,omitempty"` // for the program's process group
	Kill   bool           `json:"kill,omitempty"`   // everything
}

// startOrder describes the program to execute.
type startOrder struct {
	Argv []string  `json:"argv"`
	Dir  string    `json:"dir"`
	Env  []string  `json:"env"`
	Path string    `json:"path"`
	As   *identity `json:"as,omitempty"`
}

// report is a message from a shim to its node. The last one has an Error or Ended.
type report struct {
	PID    int    `json:"pid,omitempty"`
	Group  string `json:"group,omitempty"` // directory of its control group
	Error  string `json:"error,omitempty"` // it could not be started
	Ended  bool   `json:"ended,omitempty"` // and all processes that it started have ended
	Exit   int    `json:"exit,omitempty"`
	Signal int    `json:"signal,omitempty"` // that ended it
	Lapsed bool   `json:"lapsed,omitempty"` // the shim has killed it because its time was over
}
