package command

import "time"

// Variable is the environment variable that makes a process a shim.
const Variable = "XCONSUMER_SHIM"

// mark is a variable by which what an execution has started is recognized, as long as it is kept.
const mark = "XCONSUMER_MARK"

// The descriptors of a shim.
const (
	fdOrders  = 3 + iota // JSON, one order a line; the first one starts the program
	fdReports            // JSON, one report a line
)

// order is what a node sends to a shim.
type order struct {
	Start *startOrder `json:"start,omitempty"`
	// StopBy is when nothing may run any longer, on the machine's boot clock; 0 for never.
	StopBy *time.Duration `json:"stopBy,omitempty"`
	Signal int            `json:"signal,omitempty"` // for the program's process group
	Kill   bool           `json:"kill,omitempty"`   // everything
}

// startOrder is what to execute.
type startOrder struct {
	Argv []string  `json:"argv"`
	Dir  string    `json:"dir"`
	Env  []string  `json:"env"`
	Path string    `json:"path"`
	As   *identity `json:"as,omitempty"`
}

// report is what a shim sends to its node. The last one has an Error or Ended.
type report struct {
	PID    int    `json:"pid,omitempty"`
	Group  string `json:"group,omitempty"` // directory of its control group
	Error  string `json:"error,omitempty"` // it could not be started
	Ended  bool   `json:"ended,omitempty"` // and nothing that it started is left
	Exit   int    `json:"exit,omitempty"`
	Signal int    `json:"signal,omitempty"` // that ended it
	Lapsed bool   `json:"lapsed,omitempty"` // the shim has killed it, for its time was over
}
