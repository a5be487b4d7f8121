package cluster

import (
	"slices"
	"time"
)

// Decision is what one commit of a leader did, and why.
type Decision struct {
	Number  int64     `json:"number" doc:"Number of the decision, one above the last."`
	Term    int64     `json:"term" doc:"Term of the leader."`
	Leader  string    `json:"leader" doc:"Node that led."`
	At      time.Time `json:"at" doc:"Time of the decision, by the leader's clock."`
	Moves   []Decided `json:"moves" doc:"Steps of the decision; none if it only put records in order."`
	Omitted int       `json:"omitted,omitempty" doc:"Number of steps that are left out, or that list only some of their slots, so that the record stays small."`
}

// Decided is one step of a decision, about slots of one task.
type Decided struct {
	Step  Step       `json:"step" doc:"What was done: see the steps."`
	Task  string     `json:"task,omitempty" doc:"Task of the slots, or TASK@RUN for those of a run."`
	Slots Indexes    `json:"slots,omitempty" doc:"Indexes of the slots, as in 0-3,7."`
	Node  string     `json:"node,omitempty" doc:"Node that the step is about."`
	To    string     `json:"to,omitempty" doc:"For a release: the node that is to get the slots."`
	Token int64      `json:"token,omitempty" doc:"Fencing token of the grant."`
	Code  ReasonCode `json:"code,omitempty" doc:"Reason, for programs."`
	Why   string     `json:"why,omitempty" doc:"Reason, in words."`
}

// Because returns the step with its reason.
func (d Decided) Because(why Reason) Decided {
	d.Code, d.Why = why.Code, why.String()
	return d
}

// Step is a kind of step.
type Step string

// The steps.
const (
	StepGrant      Step = "grant"      // slots are given to a node
	StepRelease    Step = "release"    // slots are asked back from a node
	StepFree       Step = "free"       // slots were given back: nothing of them runs
	StepReap       Step = "reap"       // a member is gone, and all its slots are free
	StepEvict      Step = "evict"      // a member is removed from the cluster
	StepRewrite    Step = "rewrite"    // a record that was edited manually is written again
	StepWithhold   Step = "withhold"   // slots are withheld: they may have taken down nodes
	StepFail       Step = "fail"       // slots have taken down too many nodes, and are not tried again
	StepClear      Step = "clear"      // slots are no longer suspected
	StepQuarantine Step = "quarantine" // a node on which everything fails gets no slots
	StepRun        Step = "run"        // a run begins
	StepSkip       Step = "skip"       // a record is too large to be written, and stays as it is
	StepMiss       Step = "miss"       // firings of a schedule begin no run
	StepRecall     Step = "recall"     // firings that a leader with a wrong clock passed over are still to come
	StepDone       Step = "done"       // a run is over, and all its workers ran to their end
	StepFailed     Step = "failed"     // a run is over, and some of its workers failed
)

// AuditLine is the record of one requested operation.
type AuditLine struct {
	ID   string    `json:"id" doc:"Identity of the line."`
	At   time.Time `json:"at" doc:"Time of the request, by the clock of the node that received it."`
	By   string    `json:"by" doc:"Caller: a name, anonymous on a node that requires no token, or the node itself."`
	From string    `json:"from,omitempty" doc:"Address of the caller, and the node that received the request."`
	What string    `json:"what" doc:"The operation, in words."`
	// Tasks and Nodes are the names that the operation is about. A list that ends with AndMore is not complete.
	Tasks    []string `json:"tasks,omitempty" doc:"Tasks that the operation is about; a list that ends with … is not complete."`
	Nodes    []string `json:"nodes,omitempty" doc:"Nodes that the operation is about; a list that ends with … is not complete."`
	Key      string   `json:"key,omitempty" doc:"Digest of the Idempotency-Key."`
	Sum      string   `json:"sum,omitempty" doc:"Digest of the operation."`
	Revision string   `json:"revision,omitempty" doc:"Revision that the answer had."`

	Unknown Unknown `json:"-"`
}

// AndMore stands at the end of a list of names that is not complete.
const AndMore = "…"

// IsAbout reports whether the line is about both a task and a node. "" stands for any.
func (l *AuditLine) IsAbout(task, node string) bool {
	among := func(list []string, name string, is func(one, name string) bool) bool {
		return name == "" || slices.ContainsFunc(list, func(one string) bool { return one == AndMore || is(one, name) })
	}
	base, _ := SplitRun(task) // operations are about tasks, not about their runs
	return among(l.Tasks, base, IsOf) && among(l.Nodes, node, func(one, name string) bool { return one == name })
}

// IsAbout reports whether the step is about a task, or one of its runs, and about a node, which has the slots or is to get
// them. "" stands for any.
func (d *Decided) IsAbout(task, node string) bool {
	return (task == "" || IsOf(d.Task, task)) && (node == "" || d.Node == node || d.To == node)
}

// Decisions are the latest decisions and the requested operations, each oldest first.
type Decisions struct {
	Decisions []Decision  `json:"decisions" doc:"Decisions of the leaders, oldest first."`
	Audit     []AuditLine `json:"audit" doc:"Operations that were requested, oldest first."`
}

// Explanation explains why a worker is where it is.
type Explanation struct {
	Worker  WorkerInfo  `json:"worker" doc:"The worker as it is now."`
	Here    string      `json:"here" doc:"Why the worker is where it is, or why it has no node."`
	Nodes   []Candidate `json:"nodes" doc:"Every node, with whether it could run the worker, and if not, why."`
	History []Decision  `json:"history" doc:"Kept decisions about the worker, oldest first, each with only the steps about it."`
}

// Candidate is a node, with whether a worker could run on it.
type Candidate struct {
	Node        string `json:"node" doc:"Name of the node."`
	Here        bool   `json:"here,omitempty" doc:"True if the worker is on this node."`
	Placeable   bool   `json:"placeable" doc:"True if no constraint keeps the worker off this node."`
	Load        int    `json:"load" doc:"Sum of the weights of the node's workers."`
	TaskWorkers int    `json:"taskWorkers" doc:"Number of the task's workers that the node has."`
	Why         string `json:"why" doc:"Why the worker is on this node, or why not."`
}

// Past is where everything was after a decision, as far as that is known. Declarations and cordons of that time are not kept:
// Tasks lists the tasks of which nodes had workers, WorkerNum is the number of these workers, and no node is cordoned. A
// worker of a node that had died counts as running until the decision that freed its slot.
type Past struct {
	State
	At         time.Time `json:"at" doc:"Time of the decision."`
	Decision   int64     `json:"decision" doc:"Number of the decision."`
	Incomplete bool      `json:"incomplete,omitempty" doc:"True if steps since then are missing, so some workers may have been elsewhere."`
}

// Snapshot is a cluster as a node saw it.
type Snapshot struct {
	Number int64 // rises with every change
	// WatchedSince is the number of the first snapshot of the period in which the node has watched the cluster without a
	// pause. Between an earlier snapshot and that one, changes may have been missed. It is above Number while the node has
	// read nothing since a pause.
	WatchedSince int64
	State        State
	Tasks        []TaskDetail // by name
	// Marks are the revisions of the marks on nodes, such as cordon and drain, by node. A node that has had no mark for long
	// has no entry.
	Marks map[string]string
	// NextDecision is the number that the next decision will have.
	NextDecision int64
}
