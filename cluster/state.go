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
	Version        string   `json:"version,omitempty"`   // of its program, "" if it is unknown
	Address        string   `json:"address,omitempty"`   // host:port of its HTTP listener, "" if it has none
	Advertise      string   `json:"advertise,omitempty"` // host:port where other nodes reach it, "" if they cannot
	Works          []string `json:"works"`
	Labels         Labels   `json:"labels,omitempty"`
	Weight         int      `json:"weight,omitempty"`   // its share of the work against that of others; 0: 1
	Capacity       int      `json:"capacity,omitempty"` // the most that the weights of its workers may add up to; 0: no limit
	SessionTimeout Duration `json:"sessionTimeout"`
	// RestartGrace is for how long its slots wait for its name after it has left in order; 0: they move at once.
	RestartGrace Duration `json:"restartGrace,omitempty"`
}

// MaxRestartGrace is the longest RestartGrace.
const MaxRestartGrace = 10 * time.Minute

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
	Cluster  string        `json:"cluster" doc:"Name of the cluster."`
	Leader   string        `json:"leader" doc:"Node that leads, empty while there is none."`
	Term     int64         `json:"term" doc:"Number of the leader's term."`
	Nodes    []NodeInfo    `json:"nodes" doc:"Live members, by name."`
	Lost     []NodeInfo    `json:"lost" doc:"Members that are gone and not yet reaped, or silent for longer than their lease."`
	Tasks    []TaskInfo    `json:"tasks" doc:"All tasks."`
	Workers  []WorkerInfo  `json:"workers" doc:"All workers, by task, run and index."`
	Runs     []RunInfo     `json:"runs,omitempty" doc:"Runs that are queued or under way, by task."`
	Settings Settings      `json:"settings,omitzero" doc:"Settings of the cluster; left out while all have their defaults, and in the past."`
	Errors   []RecordError `json:"errors,omitempty" doc:"Records of the store that cannot be used."`
	Deferred *Deferral     `json:"deferred,omitempty" doc:"Set while workers that would move only for balance wait; left out in the past."`
	Warnings []string      `json:"warnings,omitempty" doc:"Obstacles to leading the cluster, in words, as far as this node can see them."`
}

// Deferral is why slots that would move only for balance wait, and until when at the earliest, by the leader's clock.
type Deferral struct {
	Code   ReasonCode `json:"code" doc:"What they wait for; quiet."`
	Reason string     `json:"reason" doc:"The same in words."`
	Until  time.Time  `json:"until" doc:"Earliest end of the wait, by the leader's clock."`
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
	Name      string    `json:"name" doc:"Name of the node."`
	Member    string    `json:"member" doc:"Identity of the node in this session; it is never used again."`
	Host      string    `json:"host" doc:"Name of its machine."`
	Address   string    `json:"address" doc:"host:port of its HTTP listener, empty if it has none."`
	Advertise string    `json:"advertise,omitempty" doc:"host:port where other nodes reach it, empty if they cannot."`
	PID       int       `json:"pid" doc:"Process ID."`
	Version   string    `json:"version,omitempty" doc:"Version of its program, empty if unknown."`
	Leader    bool      `json:"leader" doc:"True if it leads."`
	State     NodeState `json:"state" doc:"up, leaving, lost (gone or silent), closed (gone, and nothing of it runs) or evicted."`
	Cause     string    `json:"cause,omitempty" doc:"Why a closed member has ended."`
	Slots     int       `json:"slots" doc:"Number of slots granted to it, including those that it is releasing."`
	Works     []string  `json:"works,omitempty" doc:"Works that its program has."`

	Labels     Labels     `json:"labels,omitempty" doc:"Labels in force."`
	Weight     int        `json:"weight" doc:"Its share of the work, compared with the weights of others."`
	Capacity   int        `json:"capacity,omitempty" doc:"The most that the weights of its workers may add up to; 0 for no limit."`
	Load       int        `json:"load" doc:"Sum of the weights of its workers."`
	Cordoned   bool       `json:"cordoned,omitempty" doc:"True if it gets no new workers."`
	Quarantine string     `json:"quarantine,omitempty" doc:"One of its errors, if it gets no workers because everything fails on it. A restart of the node or uncordon ends a quarantine."`
	Drain      *DrainInfo `json:"drain,omitempty" doc:"Progress of its drain, if it is being drained."`
}

// DrainInfo is the progress of a drain.
type DrainInfo struct {
	From     int      `json:"from" doc:"Number of slots that the node had when the drain began."`
	Left     int      `json:"left" doc:"Number of slots that the node still has."`
	Deadline Duration `json:"deadline,omitempty" doc:"Time after which workers that no other node can take are stopped."`
}

// Lease is how long a node may run workers without an answer from the coordination service, by its own clock. Its workers
// are asked to stop before the lease ends.
type Lease struct {
	Valid      bool  `json:"valid" doc:"True while workers may run and start."`
	LeftMs     int64 `json:"leftMs" doc:"Milliseconds until the lease ends."`
	DurationMs int64 `json:"durationMs" doc:"Milliseconds that the lease lasts from the last confirmed heartbeat."`
}

// TaskInfo describes a task.
type TaskInfo struct {
	Name       string     `json:"name" doc:"Name of the task."`
	WorkName   string     `json:"workName" doc:"Work that it runs."`
	WorkerNum  int        `json:"workerNum" doc:"Number of workers in force."`
	Running    int        `json:"running" doc:"Workers that run."`
	Unplaced   int        `json:"unplaced" doc:"Workers that no node has, except those that are withheld or failed. For a continuous task this number, running, starting, backoff, stopping, lost, withheld and failed add up to workerNum."`
	Starting   int        `json:"starting,omitempty" doc:"Workers that are granted and do not run yet."`
	Backoff    int        `json:"backoff,omitempty" doc:"Workers that failed and wait before they run again."`
	Stopping   int        `json:"stopping,omitempty" doc:"Workers that were asked to stop, including the stuck ones."`
	Lost       int        `json:"lost,omitempty" doc:"Workers of nodes that are gone; they are granted again soon."`
	Withheld   int        `json:"withheld,omitempty" doc:"Workers that may have taken down a node; they are granted again after a while."`
	Failed     int        `json:"failed,omitempty" doc:"Workers that are not tried again automatically."`
	Pending    int        `json:"pending,omitempty" doc:"Of starting: workers that their node has not claimed yet."`
	Stuck      int        `json:"stuck,omitempty" doc:"Of stopping: workers that did not stop in time."`
	Paused     bool       `json:"paused,omitempty" doc:"True if the task is paused."`
	Runs       bool       `json:"runs,omitempty" doc:"True if its workers run to their end."`
	NextRun    time.Time  `json:"nextRun,omitzero" doc:"Time of the next firing of its schedule, if there is one and the task is not paused."`
	Schedule   string     `json:"schedule,omitempty" doc:"When its runs begin, in words."`
	Reason     string     `json:"reason,omitempty" doc:"Why some workers are unplaced, in words; empty if they are about to be placed."`
	ReasonCode ReasonCode `json:"reasonCode,omitempty" doc:"The same reason, for programs."`
	Revision   string     `json:"revision" doc:"Revision of its record, for If-Match."`
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
	Declared TaskSpec `json:"declared" doc:"The declaration."`
	Override Override `json:"override" doc:"What an operator set over the declaration."`
	Unusable string   `json:"unusable,omitempty" doc:"Why the task's record cannot be used, and the fix; declared is then the last usable one."`
}

// WorkerInfo describes a slot.
type WorkerInfo struct {
	Task   string `json:"task" doc:"Name of the task."`
	Run    string `json:"run,omitempty" doc:"ID of the run, if the worker belongs to one."`
	Index  int    `json:"index" doc:"Index of the worker in its task, from 0."`
	Count  int    `json:"count,omitempty" doc:"Number of workers that the worker was started with; 0 for none, or while no node has it."`
	Node   string `json:"node" doc:"Node that has the worker, empty while none has it."`
	Member string `json:"member" doc:"Identity of that node in its session."`
	Token  int64  `json:"token" doc:"Fencing token of the grant."`
	WorkerStatus
}

// WorkerStatus is how a worker is doing, as its member reports it.
type WorkerStatus struct {
	State    WorkerState `json:"state" doc:"pending, starting, running, backoff, stopping, stuck, withheld, done, failed or lost."`
	Since    time.Time   `json:"since,omitzero" doc:"Time since when it has been in this state, by its node's clock."`
	Restarts int         `json:"restarts" doc:"Failures since the worker came to this node."`
	InRow    int         `json:"inRow,omitempty" doc:"Failures since it last ran well."`
	Error    string      `json:"error" doc:"The latest error, 1 KB at most."`
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
	ID        string    `json:"id" doc:"ID of the run."`
	Due       time.Time `json:"due" doc:"Time of its firing."`
	By        string    `json:"by,omitempty" doc:"Who requested it, empty if its schedule or its declaration began it."`
	WorkerNum int       `json:"workerNum" doc:"Number of its workers."`
	Params    Params    `json:"params,omitempty" doc:"Params of the run."`
	Began     time.Time `json:"began,omitzero" doc:"Time when it began, by the leader's clock."`
	Ended     time.Time `json:"ended,omitzero" doc:"Time when it ended, by the leader's clock."`
	Late      bool      `json:"late,omitempty" doc:"True if it makes up for a firing that came too late."`
}

// RunInfo describes a run of a task. For skipped firings, only ID and Due of its Run are set.
type RunInfo struct {
	Task string `json:"task" doc:"Name of the task."`
	Run
	State   RunState `json:"state" doc:"queued, running, done, failed, or skipped for firings that began no run."`
	Done    int      `json:"done" doc:"Workers that have run to their end."`
	Failed  int      `json:"failed" doc:"Workers that have failed too often."`
	Error   string   `json:"error,omitempty" doc:"Error of a worker that has failed."`
	Reason  string   `json:"reason,omitempty" doc:"Why firings were skipped, in words."`
	Skipped int      `json:"skipped,omitempty" doc:"Number of skipped firings; due is then the time of the last one."`
}

// RecordError is a record of the store that cannot be used; the last good one stays in force.
type RecordError struct {
	Path  string `json:"path" doc:"Key of the record."`
	Error string `json:"error" doc:"Why it cannot be used."`
}
