package cluster

import "time"

// LogLine is one line of a worker's log.
type LogLine struct {
	Number int64     `json:"number"` // rises by one from line to line of this worker on this node
	At     time.Time `json:"at"`     // by the node's clock
	Token  int64     `json:"token"`  // of the grant under which the line was written
	Source LogSource `json:"source"` // its origin
	Text   string    `json:"text"`
}

// LogSource is the origin of a line of a worker's log.
type LogSource string

// The sources of a worker's log.
const (
	FromStdout LogSource = "stdout" // a program, or Worker.Stdout
	FromStderr LogSource = "stderr" // a program, or Worker.Stderr
	FromLogger LogSource = "log"    // Worker.Logger, and the node itself about the worker
)
