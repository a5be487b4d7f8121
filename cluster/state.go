package cluster

import (
	"cmp"
	"time"
)

// Member is one life of a node in the cluster: one session that it joined with.
type Member struct {
	MemberID       string   `json:"member,omitempty"` // identity; never used twice
	Node           string   `json:"node"`             // the node's name, a label
	Host           string   `json:"host"`
	PID            int      `json:"pid"`
	Address        string   `json:"address,omitempty"`   // host:port of its HTTP listener, "" if it has none
	Advertise      string   `json:"advertise,omitempty"` // host:port where other nodes reach it, "" if they do not
	Works          []string `json:"works"`
	Labels         Labels   `json:"labels,omitempty"`
	Weight         int      `json:"weight,omitempty"`   // its share of the work against that of others; 0: 1
	Capacity       int      `json:"capacity,omitempty"` // the most that the weights of its workers may add up to; 0: no limit
	SessionTimeout Duration `json:"sessionTimeout"`
}

// LeaderPolicy says what share of the work the leader takes.
type LeaderPolicy string

// The leader policies.
const (
	LeaderLast  LeaderPolicy = "last"  // it gets the odd ones last
	LeaderNone  LeaderPolicy = "none"  // it gets none while another node can take them
	LeaderEqual LeaderPolicy = "equal" // it is a node like any other
)

// Validate refuses what is no policy.
func (p LeaderPolicy) Validate() error {
	switch p {
	case LeaderLast, LeaderNone, LeaderEqual:
		return nil
	}
	return errPolicy(p)
}

// WorkerState is what a slot is doing.
type WorkerState string

// The states of a worker.
const (
	WorkerPending  WorkerState = "pending"  // granted to nobody, or not yet claimed
	WorkerStarting WorkerState = "starting" // claimed, about to run
	WorkerRunning  WorkerState = "running"  // running; also between two executions of a continuous task
	WorkerBackoff  WorkerState = "backoff"  // failed, and waiting before it is run again
	WorkerStopping WorkerState = "stopping" // asked to stop
	WorkerStuck    WorkerState = "stuck"    // asked to stop, and did not in time
	WorkerHeld     WorkerState = "held"     // suspected of having taken down its node; to be granted again after a while
	WorkerDone     WorkerState = "done"     // of a run: it has run to its end
	WorkerGivenUp  WorkerState = "failed"   // failed too often, or took down one node after the other; not tried again by itself
	WorkerLost     WorkerState = "lost"     // its member is gone; to be granted again soon
)

// WorkerStates returns all states of workers.
func WorkerStates() []WorkerState {
	return []WorkerState{
		WorkerPending, WorkerStarting, WorkerRunning, WorkerBackoff, WorkerStopping,
		WorkerStuck, WorkerHeld, WorkerDone, WorkerGivenUp, WorkerLost,
	}
}

// NodeState is what a node is doing.
type NodeState string

// The states of a node.
const (
	NodeUp      NodeState = "up"      // member of the cluster, takes work
	NodeLeaving NodeState = "leaving" // stopping its workers before it leaves
	NodeLost    NodeState = "lost"    // gone or silent; nothing of it runs, or soon will not, and its slots wait
	NodeClosed  NodeState = "closed"  // gone, and nothing of it runs
	NodeEvicted NodeState = "evicted" // removed by an operator; its slots wait for its lease to be over
)

// State is a cluster at a moment, as one node read it from the store. Its JSON form is the
// answer of GET /api/v1/state.
type State struct {
	Cluster string        `json:"cluster"`
	Leader  string        `json:"leader"` // the leader's node name, "" while there is none
	Term    int64         `json:"term"`
	Nodes   []NodeInfo    `json:"nodes"` // live members, by name
	Lost    []NodeInfo    `json:"lost"`  // members that are gone and not reaped yet, or silent: whose lease must be over
	Tasks   []TaskInfo    `json:"tasks"`
	Workers []WorkerInfo  `json:"workers"`
	Runs    []RunInfo     `json:"runs,omitempty"`   // under way, by task
	Errors  []RecordError `json:"errors,omitempty"` // records of the store that cannot be used
	// Warnings say what keeps the cluster from being led, as far as the node that tells knows, in words.
	Warnings []string `json:"warnings,omitempty"`
}

// Tally counts the workers that run and those that should; of runs those that are not over.
func (s *State) Tally() (running, wanted int) {
	for _, t := range s.Tasks {
		if running += t.Running; !t.Runs && !t.Paused {
			wanted += t.WorkerNum
		}
	}
	for _, r := range s.Runs {
		if r.State == RunGoesOn {
			wanted += r.WorkerNum - r.Done - r.Failed
		}
	}
	return running, wanted
}

// NodeInfo describes a member.
type NodeInfo struct {
	Name    string `json:"name"`
	Member  string `json:"member"`
	Host    string `json:"host"`
	Address string `json:"address"`
	// Advertise is where other nodes reach it, "" if they do not.
	Advertise string    `json:"advertise,omitempty"`
	PID       int       `json:"pid"`
	Leader    bool      `json:"leader"`
	State     NodeState `json:"state"`
	Slots     int       `json:"slots"` // slots granted to it, those that it is releasing included
	Works     []string  `json:"works,omitempty"`

	Labels   Labels `json:"labels,omitempty"`
	Weight   int    `json:"weight"`             // its share of the work against that of others
	Capacity int    `json:"capacity,omitempty"` // the most that the weights of its workers may add up to; 0: no limit
	Load     int    `json:"load"`               // what they add up to
	Cordoned bool   `json:"cordoned,omitempty"` // gets nothing new
	// Quarantine is, of a node on which everything fails and which is given nothing for that, one of the
	// errors; it ends when the node is started anew or uncordoned.
	Quarantine string `json:"quarantine,omitempty"`
	// Drain is set while the node is being drained.
	Drain *DrainInfo `json:"drain,omitempty"`
}

// DrainInfo is how far the draining of a node is.
type DrainInfo struct {
	From     int      `json:"from"` // slots that it had when it was asked for
	Left     int      `json:"left"` // slots that it has still
	Deadline Duration `json:"deadline,omitempty"`
}

// Lease is how long a node may go on without a word from the coordination service, by its own clock. Its workers are
// told to stop before it is over.
type Lease struct {
	Holds      bool  `json:"holds"`      // and its workers may run
	LeftMs     int64 `json:"leftMs"`     // milliseconds until it is over
	DurationMs int64 `json:"durationMs"` // milliseconds that it lasts from the last word on
}

// TaskInfo describes a task.
type TaskInfo struct {
	Name      string `json:"name"`
	WorkName  string `json:"workName"`
	WorkerNum int    `json:"workerNum"`
	Running   int    `json:"running"`
	Unplaced  int    `json:"unplaced"` // slots that no member has, those that are held or failed aside
	// Of a task that runs for ever these and Running and Unplaced add up to WorkerNum.
	Starting int  `json:"starting,omitempty"` // granted, and not running yet
	Backoff  int  `json:"backoff,omitempty"`  // failed a moment ago, and waiting before they are run again
	Stopping int  `json:"stopping,omitempty"` // asked to stop, those that are stuck included
	Lost     int  `json:"lost,omitempty"`     // of members that are gone; to be granted again soon
	Held     int  `json:"held,omitempty"`     // suspected of having taken down a node; to be granted again after a while
	Failed   int  `json:"failed,omitempty"`   // given up on: not tried again by itself, whether a member has them or not
	Pending  int  `json:"pending,omitempty"`  // of Starting: not claimed yet
	Stuck    int  `json:"stuck,omitempty"`    // of Stopping: not stopped in time
	Paused   bool `json:"paused,omitempty"`
	Runs     bool `json:"runs,omitempty"` // its workers run to their end
	// NextRun is the instant of the next firing of its schedule; zero if there is none, or the task is paused.
	NextRun time.Time `json:"nextRun,omitzero"`
	// Schedule is when its runs begin, in words, the phase of an interval included; "" if they do not by themselves.
	Schedule string `json:"schedule,omitempty"`
	Reason   string `json:"reason,omitempty"` // why some are unplaced, where there is more to say than "soon"
	// ReasonCode is the same for programs.
	ReasonCode ReasonCode `json:"reasonCode,omitempty"`
	// Revision is that of its record; Operation.If takes it.
	Revision string `json:"revision"`
}

// Note counts a worker by its state; what has ended for good is not counted.
func (t *TaskInfo) Note(state WorkerState) {
	switch state {
	case WorkerRunning:
		t.Running++
	case WorkerPending:
		t.Starting++
		t.Pending++
	case WorkerStarting:
		t.Starting++
	case WorkerBackoff:
		t.Backoff++
	case WorkerStopping:
		t.Stopping++
	case WorkerStuck:
		t.Stopping++
		t.Stuck++
	case WorkerLost:
		t.Lost++
	case WorkerHeld:
		t.Held++
	case WorkerGivenUp:
		t.Failed++
	case WorkerDone:
	}
}

// TaskDetail is a task with what it declares.
type TaskDetail struct {
	TaskInfo
	Declared TaskSpec `json:"declared"`
	Override Override `json:"override"` // in force over what is declared
	// Unusable says that the task's record is gone or cannot be used, and what to do; "" if it can. What is declared is
	// then what is in force: the last record that could be used, or what its workers were granted with.
	Unusable string `json:"unusable,omitempty"`
}

// WorkerInfo describes a slot.
type WorkerInfo struct {
	Task     string      `json:"task"`
	Run      string      `json:"run,omitempty"` // the run that it is of, if it is of one
	Index    int         `json:"index"`
	Count    int         `json:"count,omitempty"` // that the worker is told; 0 if it is not told, or no member has it
	Node     string      `json:"node"`            // "" while no member has it
	Member   string      `json:"member"`          // "" while no member has it
	Token    int64       `json:"token"`
	State    WorkerState `json:"state"`
	Since    time.Time   `json:"since,omitzero"` // of the state, by the node's clock
	Restarts int         `json:"restarts"`       // failures since the slot came to this member
	Error    string      `json:"error"`          // the last one, at most 1 KB; "" if there was none; or ReturnsAtOnce
}

// ReturnsAtOnce stands in place of the last error of a worker of a continuous task without an interval that returns again
// and again within a second of its start. It has not failed; it is run again after a pause that grows up to ten seconds.
const ReturnsAtOnce = "returns at once, without an error"

// Kept reports whether no node has the worker since it took down nodes: it is held back for a while, or has failed.
func (w *WorkerInfo) Kept() bool {
	return w.Node == "" && (w.State == WorkerHeld || w.State == WorkerGivenUp)
}

// Compare orders workers as a State lists them: by task, run and index.
func (w *WorkerInfo) Compare(other *WorkerInfo) int {
	return cmp.Or(cmp.Compare(w.Task, other.Task), cmp.Compare(w.Run, other.Run), cmp.Compare(w.Index, other.Index))
}

// Slot returns the slot that it describes.
func (w *WorkerInfo) Slot() Slot {
	if w.Run == "" {
		return Slot{Task: w.Task, Index: w.Index}
	}
	return Slot{Task: RunTask(w.Task, w.Run), Index: w.Index}
}

// RunState is how far a run is.
type RunState string

// The states of a run.
const (
	RunQueued RunState = "queued"  // it waits for an earlier one
	RunGoesOn RunState = "running" // some of its workers have not run to their end
	RunDone   RunState = "done"    // all have
	RunFailed RunState = "failed"  // it is over, and some of its workers have failed too often
	// RunSkipped is no run: a firing of the schedule that began none, or several in a row for the same reason.
	RunSkipped RunState = "skipped"
)

// RunInfo describes a run of a task.
type RunInfo struct {
	Task      string    `json:"task"`
	ID        string    `json:"id"`
	State     RunState  `json:"state"`
	Due       time.Time `json:"due"`          // the instant of its firing
	By        string    `json:"by,omitempty"` // who asked for it, if somebody did
	WorkerNum int       `json:"workerNum"`
	Params    Params    `json:"params,omitempty"`
	Began     time.Time `json:"began,omitzero"`  // by the clock of the leader that began it
	Ended     time.Time `json:"ended,omitzero"`  // by the clock of the leader that saw it
	Done      int       `json:"done"`            // workers that have run to their end
	Failed    int       `json:"failed"`          // workers that have failed too often
	Error     string    `json:"error,omitempty"` // of one that has failed
	// Late says that it makes up for a firing that came too late: others go before it.
	Late bool `json:"late,omitempty"`
	// Reason is why a firing was skipped, in words, and Skipped how many were for that: Due is the last of them.
	Reason  string `json:"reason,omitempty"`
	Skipped int    `json:"skipped,omitempty"`
}

// RecordError is a record of the store that cannot be used; the last good one stays in force.
type RecordError struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}
