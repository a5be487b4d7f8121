package cluster

import (
	"slices"
	"time"
)

// Decision is what one commit of a leader did, and why.
type Decision struct {
	Number  int64     `json:"number"` // rises by one from decision to decision
	Term    int64     `json:"term"`
	Leader  string    `json:"leader"` // node name
	At      time.Time `json:"at"`     // by the leader's clock
	Moves   []Decided `json:"moves"`
	Omitted int       `json:"omitted,omitempty"` // steps left out, and steps of which slots are left out, to keep the record small
}

// Decided is one step of a decision, for slots of one task.
type Decided struct {
	Step  Step       `json:"step"`
	Task  string     `json:"task,omitempty"`
	Slots Indexes    `json:"slots,omitempty"`
	Node  string     `json:"node,omitempty"`
	To    string     `json:"to,omitempty"` // of a release: the node that is to have them
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
	StepGrant      Step = "grant"      // slots are a node's now
	StepRelease    Step = "release"    // they are asked back
	StepFree       Step = "free"       // they were given back: nothing of them runs
	StepReap       Step = "reap"       // a member is gone, and all that it had is free
	StepEvict      Step = "evict"      // a member is no member any more
	StepRewrite    Step = "rewrite"    // a record that was edited by hand is written again
	StepHold       Step = "hold"       // slots are held back: they may have taken down nodes
	StepFail       Step = "fail"       // and these are not tried again
	StepClear      Step = "clear"      // they are beyond suspicion
	StepQuarantine Step = "quarantine" // a node is given nothing: all fails on it
	StepRun        Step = "run"        // a run begins
	StepSkip       Step = "skip"       // a record is too large to be written, and is left as it is
	StepMiss       Step = "miss"       // firings of a schedule begin no run
	StepRecall     Step = "recall"     // firings that a leader with a wrong clock has passed over are still to come
	StepDone       Step = "done"       // a run is over, and all its workers have run to their end
	StepFailed     Step = "failed"     // a run is over, and some have not
)

// AuditLine is something that somebody asked for.
type AuditLine struct {
	ID   string    `json:"id"`
	At   time.Time `json:"at"`             // by the clock of the node that was asked
	By   string    `json:"by"`             // who asked: a name, "somebody" over a node that knows no names, or the node itself
	From string    `json:"from,omitempty"` // where they asked from, and over which node: "10.0.0.3, over n1"
	What string    `json:"what"`
	// Tasks and Nodes are those that it is about. A list that ends with AndMore leaves some out; lines that earlier
	// versions wrote have none.
	Tasks []string `json:"tasks,omitempty"`
	Nodes []string `json:"nodes,omitempty"`
	// Key and Sum are digests of the Idempotency-Key that it was asked for with, and of what was asked for; Revision is what
	// was answered.
	Key      string `json:"key,omitempty"`
	Sum      string `json:"sum,omitempty"`
	Revision string `json:"revision,omitempty"`

	Unknown Unknown `json:"-"`
}

// AndMore stands at the end of a list of names that is not whole.
const AndMore = "…"

// IsAbout reports whether a task and a node are among those that the line is about; "" is for any.
func (l *AuditLine) IsAbout(task, node string) bool {
	among := func(list []string, name string, is func(one, name string) bool) bool {
		return name == "" || slices.ContainsFunc(list, func(one string) bool { return one == AndMore || is(one, name) })
	}
	base, _ := SplitRun(task) // it is asked of tasks, not of their runs
	return among(l.Tasks, base, IsOf) && among(l.Nodes, node, func(one, name string) bool { return one == name })
}

// IsAbout reports whether the step is of a task or one of its runs, and of a node, as where slots are or where they
// are to go; "" is for any.
func (d *Decided) IsAbout(task, node string) bool {
	return (task == "" || IsOf(d.Task, task)) && (node == "" || d.Node == node || d.To == node)
}

// Decisions are the last decisions and what people asked for, each oldest first.
type Decisions struct {
	Decisions []Decision  `json:"decisions"`
	Audit     []AuditLine `json:"audit"`
}

// Explanation says why a worker is where it is.
type Explanation struct {
	Worker WorkerInfo `json:"worker"`
	// Here says why it is where it is, or why it has no place.
	Here string `json:"here"`
	// Nodes says of each node whether it could run the worker, and if not, why.
	Nodes []Candidate `json:"nodes"`
	// History are the decisions about the worker that are kept, oldest first, each with that step alone.
	History []Decision `json:"history"`
}

// Candidate is a node that a worker could be on, or could not.
type Candidate struct {
	Node        string `json:"node"`
	Here        bool   `json:"here,omitempty"` // it is there
	Placeable   bool   `json:"placeable"`      // nothing keeps it from being there
	Load        int    `json:"load"`           // the weights of what the node has
	TaskWorkers int    `json:"taskWorkers"`    // how many of the task's workers it has
	Why         string `json:"why"`            // it is not there
}

// Past is where everything was after a decision, as far as that is known. What was declared then, and what was wanted of
// nodes, is not kept: its tasks are those of which nodes had workers, with as many workers as that, and no node is cordoned.
// A worker of a node that had died counts as running until the decision that freed it.
type Past struct {
	State
	At       time.Time `json:"at"`       // of the decision
	Decision int64     `json:"decision"` // its number
	// Incomplete says that steps are missing on the way back: some workers may have been elsewhere.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Snapshot is a cluster as a node saw it.
type Snapshot struct {
	Number int64 // rises whenever something is different
	// WatchedSince is the number of the first snapshot since which the node has watched the cluster without a pause: what
	// changed between an earlier one and that one may not have been seen. It is above Number while the node has read
	// nothing since a pause.
	WatchedSince int64
	State        State        //
	Tasks        []TaskDetail // by name
	// Marks are the revisions of what is wanted of nodes, by node; of those of which nothing was wanted for long there is none.
	Marks map[string]string
	// NextDecision is the number that the next decision will have.
	NextDecision int64
}
