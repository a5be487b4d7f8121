package cluster

import (
	"slices"
	"time"
)

// Decision is what one commit of a leader did, and why.
type Decision struct {
	Number int64     `json:"number"` // rises by one from decision to decision
	Term   int64     `json:"term"`
	Leader string    `json:"leader"` // node name
	At     time.Time `json:"at"`     // by the leader's clock
	Moves  []Decided `json:"moves"`
	// Omitted is the number of steps that are left out, or listed with only some of their slots, so that the record stays
	// small.
	Omitted int `json:"omitted,omitempty"`
}

// Decided is one step of a decision, about slots of one task.
type Decided struct {
	Step  Step       `json:"step"`
	Task  string     `json:"task,omitempty"`
	Slots Indexes    `json:"slots,omitempty"`
	Node  string     `json:"node,omitempty"`
	To    string     `json:"to,omitempty"` // of a release: the node that is to get the slots
	Token int64      `json:"token,omitempty"`
	Code  ReasonCode `json:"code,omitempty"`
	Why   string     `json:"why,omitempty"` // in words
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
	ID   string    `json:"id"`
	At   time.Time `json:"at"`             // by the clock of the node that received the request
	By   string    `json:"by"`             // the caller: a name, "anonymous" if the node identifies no callers, or the node itself
	From string    `json:"from,omitempty"` // the caller's address, and the node that received the request: "10.0.0.3, over n1"
	What string    `json:"what"`
	// Tasks and Nodes are the names that the operation is about. A list that ends with AndMore is not complete.
	Tasks []string `json:"tasks,omitempty"`
	Nodes []string `json:"nodes,omitempty"`
	// Key and Sum are digests of the Idempotency-Key and of the operation; Revision is the answer.
	Key      string `json:"key,omitempty"`
	Sum      string `json:"sum,omitempty"`
	Revision string `json:"revision,omitempty"`

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
	Decisions []Decision  `json:"decisions"`
	Audit     []AuditLine `json:"audit"`
}

// Explanation explains why a worker is where it is.
type Explanation struct {
	Worker WorkerInfo `json:"worker"`
	// Here is why the worker is where it is, or why it has no node.
	Here string `json:"here"`
	// Nodes lists every node, with whether it could run the worker, and if not, why.
	Nodes []Candidate `json:"nodes"`
	// History lists the decisions about the worker that are kept, oldest first, each with only the steps about it.
	History []Decision `json:"history"`
}

// Candidate is a node, with whether a worker could run on it.
type Candidate struct {
	Node        string `json:"node"`
	Here        bool   `json:"here,omitempty"` // the worker is on this node
	Placeable   bool   `json:"placeable"`      // no constraint keeps the worker off this node
	Load        int    `json:"load"`           // the weights of the node's workers, added up
	TaskWorkers int    `json:"taskWorkers"`    // how many of the task's workers the node has
	Why         string `json:"why"`            // why the worker is not on this node
}

// Past is where everything was after a decision, as far as that is known. Declarations and cordons of that time are not kept:
// Tasks lists the tasks of which nodes had workers, WorkerNum is the number of these workers, and no node is cordoned. A
// worker of a node that had died counts as running until the decision that freed its slot.
type Past struct {
	State
	At       time.Time `json:"at"`       // of the decision
	Decision int64     `json:"decision"` // its number
	// Incomplete reports that steps since then are missing: some workers may have been elsewhere.
	Incomplete bool `json:"incomplete,omitempty"`
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
