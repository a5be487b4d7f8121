package cluster

import (
	"cmp"
	"time"
)

// Member is a node during one of its sessions. A node that joins again is a new member.
type Member struct {
	MemberID       string   `json:"member,omitempty"` // identity; never reused
	Node           string   `json:"node"`             // the node's name, a label
	Host           string   `json:"host"`
	PID            int      `json:"pid"`
	Address        string   `json:"address,omitempty"`   // host:port of its HTTP listener, "" if it has none
	Advertise      string   `json:"advertise,omitempty"` // host:port where other nodes reach it, "" if they cannot
	Works          []string `json:"works"`
	Labels         Labels   `json:"labels,omitempty"`
	Weight         int      `json:"weight,omitempty"`   // its share of the work against that of others; 0: 1
	Capacity       int      `json:"capacity,omitempty"` // the most that the weights of its workers may add up to; 0: no limit
	SessionTimeout Duration `json:"sessionTimeout"`
}

// LeaderPolicy determines the share of the work that the leader takes.
type LeaderPolicy string

// The leader policies.
const (
	LeaderLast  LeaderPolicy = "last"  // the leader is the last to get a slot of a remainder
	LeaderNone  LeaderPolicy = "none"  // the leader gets no slot that another node can take
	LeaderEqual LeaderPolicy = "equal" // the leader is treated like any other node
)

// Validate refuses everything but the policies above.
func (p LeaderPolicy) Validate() error {
	switch p {
	case LeaderLast, LeaderNone, LeaderEqual:
		return nil
	}
	return errPolicy(p)
}

// WorkerState is the state of a slot's worker.
type WorkerState string

// The states of a worker.
const (
	WorkerPending  WorkerState = "pending"  // not granted, or not yet claimed
	WorkerStarting WorkerState = "starting" // claimed, about to run
	WorkerRunning  WorkerState = "running"  // running; also between two executions of a continuous task
	WorkerBackoff  WorkerState = "backoff"  // failed, and waiting before it is run again
	WorkerStopping WorkerState = "stopping" // asked to stop
	WorkerStuck    WorkerState = "stuck"    // asked to stop, and not stopped in time
	WorkerWithheld WorkerState = "withheld" // suspected of having taken down its node; to be granted again after a while
	WorkerDone     WorkerState = "done"     // of a run: it ran to its end
	WorkerGivenUp  WorkerState = "failed"   // failed too often, or took down one node after the other; not tried again by itself
	WorkerLost     WorkerState = "lost"     // its member is gone; to be granted again soon
)

// WorkerStates returns all states of a worker.
func WorkerStates() []WorkerState {
	return []WorkerState{
		WorkerPending, WorkerStarting, WorkerRunning, WorkerBackoff, WorkerStopping,
		WorkerStuck, WorkerWithheld, WorkerDone, WorkerGivenUp, WorkerLost,
	}
}

// NodeState is the state of a node.
type NodeState string

// The states of a node.
const (
	NodeUp      NodeState = "up"      // member of the cluster, takes work
	NodeLeaving NodeState = "leaving" // stopping its workers before it leaves
	NodeLost    NodeState = "lost"    // gone or silent; its slots wait until nothing of it can run
	NodeClosed  NodeState = "closed"  // gone, and nothing of it runs
	NodeEvicted NodeState = "evicted" // removed by an operator; its slots wait for the end of its lease
)

// State is a cluster at a moment, as one node read it from the store. Its JSON form is the
// answer of GET /api/v1/state.
type State struct {
	Cluster string        `json:"cluster"`
	Leader  string        `json:"leader"` // the leader's node name, "" while there is none
	Term    int64         `json:"term"`
	Nodes   []NodeInfo    `json:"nodes"` // live members, by name
	Lost    []NodeInfo    `json:"lost"`  // members that are gone and not yet reaped, or silent for longer than their lease
	Tasks   []TaskInfo    `json:"tasks"`
	Workers []WorkerInfo  `json:"workers"`
	Runs    []RunInfo     `json:"runs,omitempty"`   // under way, by task
	Errors  []RecordError `json:"errors,omitempty"` // records of the store that cannot be used
	// Warnings are the obstacles to leading the cluster, in words, as far as the answering node can see them.
	Warnings []string `json:"warnings,omitempty"`
}

// Tally returns the number of running workers, and of those that should run. Workers of runs that are over do not count.
func (s *State) Tally() (running, wanted int) {
	for _, t := range s.Tasks {
		running += t.Running
		if !t.Runs && !t.Paused {
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
	// Advertise is the address where other nodes reach it; "" if they cannot.
	Advertise string    `json:"advertise,omitempty"`
	PID       int       `json:"pid"`
	Leader    bool      `json:"leader"`
	State     NodeState `json:"state"`
	Slots     int       `json:"slots"` // slots granted to it, including those that it is releasing
	Works     []string  `json:"works,omitempty"`

	Labels   Labels `json:"labels,omitempty"`
	Weight   int    `json:"weight"`             // its share of the work against that of others
	Capacity int    `json:"capacity,omitempty"` // the most that the weights of its workers may add up to; 0: no limit
	Load     int    `json:"load"`               // the weights of its workers, added up
	Cordoned bool   `json:"cordoned,omitempty"` // gets no new slots
	// Quarantine is one of the errors on a node that gets no slots because everything fails on it; otherwise it is "". A
	// quarantine ends when the node is restarted or uncordoned.
	Quarantine string `json:"quarantine,omitempty"`
	// Drain is set while the node is being drained.
	Drain *DrainInfo `json:"drain,omitempty"`
}

// DrainInfo is the progress of a drain.
type DrainInfo struct {
	From     int      `json:"from"` // slots that the node had when the drain began
	Left     int      `json:"left"` // slots that the node still has
	Deadline Duration `json:"deadline,omitempty"`
}

// Lease is how long a node may run workers without an answer from the coordination service, by its own clock. Its workers
// are asked to stop before the lease ends.
type Lease struct {
	Valid      bool  `json:"valid"`      // whether workers may run and start
	LeftMs     int64 `json:"leftMs"`     // milliseconds until it ends
	DurationMs int64 `json:"durationMs"` // milliseconds that it lasts from the last confirmed write on
}

// TaskInfo describes a task.
type TaskInfo struct {
	Name      string `json:"name"`
	WorkName  string `json:"workName"`
	WorkerNum int    `json:"workerNum"`
	Running   int    `json:"running"`
	Unplaced  int    `json:"unplaced"` // slots that no member has, except those that are withheld or failed
	// For a task that runs for ever, the following, Running and Unplaced add up to WorkerNum.
	Starting int  `json:"starting,omitempty"` // granted, and not yet running
	Backoff  int  `json:"backoff,omitempty"`  // failed, and waiting before they are run again
	Stopping int  `json:"stopping,omitempty"` // asked to stop, including those that are stuck
	Lost     int  `json:"lost,omitempty"`     // of members that are gone; to be granted again soon
	Withheld int  `json:"withheld,omitempty"` // suspected of having taken down a node; to be granted again after a while
	Failed   int  `json:"failed,omitempty"`   // not tried again by itself, whether a member has them or not
	Pending  int  `json:"pending,omitempty"`  // of Starting: not yet claimed
	Stuck    int  `json:"stuck,omitempty"`    // of Stopping: not stopped in time
	Paused   bool `json:"paused,omitempty"`
	Runs     bool `json:"runs,omitempty"` // its workers run to their end
	// NextRun is the instant of the next firing of its schedule; zero if there is none, or the task is paused.
	NextRun time.Time `json:"nextRun,omitzero"`
	// Schedule is when its runs begin, in words, including the phase of an interval; "" if it has no schedule.
	Schedule string `json:"schedule,omitempty"`
	Reason   string `json:"reason,omitempty"` // why some are unplaced; "" if they are about to be placed
	// ReasonCode is Reason for programs.
	ReasonCode ReasonCode `json:"reasonCode,omitempty"`
	// Revision is the revision of its record; Operation.If takes it.
	Revision string `json:"revision"`
}

// Add counts a worker by its state. A worker that has ended permanently is not counted.
func (t *TaskInfo) Add(state WorkerState) {
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
	case WorkerWithheld:
		t.Withheld++
	case WorkerGivenUp:
		t.Failed++
	case WorkerDone:
	}
}

// TaskDetail is a task with its declaration.
type TaskDetail struct {
	TaskInfo
	Declared TaskSpec `json:"declared"`
	Override Override `json:"override"` // in force over the declaration
	// Unusable is set if the task's record is missing or cannot be used: it contains the reason and the fix. Declared is
	// then the declaration in force: that of the last usable record, or the one that its workers were granted with.
	Unusable string `json:"unusable,omitempty"`
}

// WorkerInfo describes a slot.
type WorkerInfo struct {
	Task   string `json:"task"`
	Run    string `json:"run,omitempty"` // its run, if it belongs to one
	Index  int    `json:"index"`
	Count  int    `json:"count,omitempty"` // the count that the worker has; 0 for none, or while no member has it
	Node   string `json:"node"`            // "" while no member has it
	Member string `json:"member"`          // "" while no member has it
	Token  int64  `json:"token"`
	WorkerStatus
}

// WorkerStatus is how a worker is doing, as its member reports it.
type WorkerStatus struct {
	State    WorkerState `json:"state"`
	Since    time.Time   `json:"since,omitzero"`  // since when it has been in this state, by the node's clock
	Restarts int         `json:"restarts"`        // failures since the slot came to this member
	InRow    int         `json:"inRow,omitempty"` // failures since it last ran well
	Error    string      `json:"error"`           // the latest error, at most 1 KB; or ReturnsAtOnce; or ""
}

// Equal reports whether two statuses are the same. Of Since, the instant counts and not the time zone.
func (s WorkerStatus) Equal(other WorkerStatus) bool {
	if !s.Since.Equal(other.Since) {
		return false
	}
	other.Since = s.Since
	return s == other
}

// ReturnsAtOnce replaces the error of a worker that returns without an error, again and again, within one second of its start.
// Its task is continuous and has no interval. The worker has not failed; it is run again after a pause that grows up to ten
// seconds.
const ReturnsAtOnce = "returns at once, without an error"

// Kept reports whether the worker has no node because it took down nodes: it is withheld for a while, or has failed.
func (w *WorkerInfo) Kept() bool {
	return w.Node == "" && (w.State == WorkerWithheld || w.State == WorkerGivenUp)
}

// Compare orders workers by task, run and index, as a State lists them.
func (w *WorkerInfo) Compare(other *WorkerInfo) int {
	return cmp.Or(cmp.Compare(w.Task, other.Task), cmp.Compare(w.Run, other.Run), cmp.Compare(w.Index, other.Index))
}

// Slot returns the worker's slot.
func (w *WorkerInfo) Slot() Slot {
	if w.Run == "" {
		return Slot{Task: w.Task, Index: w.Index}
	}
	return Slot{Task: RunTask(w.Task, w.Run), Index: w.Index}
}

// RunState is the state of a run.
type RunState string

// The states of a run.
const (
	RunQueued RunState = "queued"  // waiting for an earlier run to end
	RunGoesOn RunState = "running" // some of its workers have not ended
	RunDone   RunState = "done"    // over: all its workers ran to their end
	RunFailed RunState = "failed"  // over: some of its workers failed too often
	// RunSkipped stands for firings of the schedule that began no run: one, or several in a row for the same reason.
	RunSkipped RunState = "skipped"
)

// Run is one execution of a task: when and why it began, and with which number of workers and parameters.
type Run struct {
	ID        string    `json:"id"`
	Due       time.Time `json:"due"`          // the instant of its firing
	By        string    `json:"by,omitempty"` // who requested it; "" if the schedule or the declaration began it
	WorkerNum int       `json:"workerNum"`
	Params    Params    `json:"params,omitempty"`
	Began     time.Time `json:"began,omitzero"` // by the clock of the leader that began it
	Ended     time.Time `json:"ended,omitzero"` // by the clock of the leader that saw it
	// Late reports that the run makes up for a firing that came too late. Runs that are due go before it.
	Late bool `json:"late,omitempty"`
}

// RunInfo describes a run of a task. For skipped firings, only ID and Due of its Run are set.
type RunInfo struct {
	Task string `json:"task"`
	Run
	State  RunState `json:"state"`
	Done   int      `json:"done"`            // workers that have run to their end
	Failed int      `json:"failed"`          // workers that have failed too often
	Error  string   `json:"error,omitempty"` // the error of a worker that has failed
	// Reason is why firings were skipped, in words. Skipped is their number, and Due is the instant of the last one.
	Reason  string `json:"reason,omitempty"`
	Skipped int    `json:"skipped,omitempty"`
}

// RecordError is a record of the store that cannot be used; the last good one stays in force.
type RecordError struct {
	Path  string `json:"path"`
	Error string `json:"error"`
}
