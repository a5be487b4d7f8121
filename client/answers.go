package client

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Accepted is the answer to an operation that is committed to the store.
type Accepted struct {
	Accepted string `json:"accepted" doc:"The operation, in words."`
	Repeated bool   `json:"repeated,omitempty" doc:"True if an earlier request with the same Idempotency-Key did the operation."`
	Revision string `json:"revision" doc:"Revision of the changed record, for a task usable in If-Match; for run-now, the ID of the run; empty if no record changed."`
	Settled  *bool  `json:"settled,omitempty" doc:"With wait: true once all affected workers have settled, those without a place included."`
	// Waiting lists the steps that are not done yet.
	Waiting []string `json:"waiting,omitempty" doc:"With wait, if not settled: the steps that are still to be done, 20 at most."`
	// Unplaced lists the workers without a place, and why.
	Unplaced []string `json:"unplaced,omitempty" doc:"With wait, if settled: the number of workers without a place for each task, and why. Tasks that are paused or run to their end are left out."`
}

// Tasks are all tasks of a cluster.
type Tasks struct {
	Tasks []cluster.TaskDetail `json:"tasks" doc:"All tasks with their declarations."`
}

// Runs are the runs of a task.
type Runs struct {
	Runs []cluster.RunInfo `json:"runs" doc:"Runs and skipped firings of the task, the latest one last."`
}

// Workers are the workers that a query selects.
type Workers struct {
	Workers []cluster.WorkerInfo `json:"workers" doc:"Workers by task, run and index."`
}

// Nodes are all nodes of a cluster.
type Nodes struct {
	Nodes []cluster.NodeInfo `json:"nodes" doc:"Live members."`
	Lost  []cluster.NodeInfo `json:"lost" doc:"Lost members that are not reaped yet."`
}

// Leader is the leader of a cluster.
type Leader struct {
	Node string            `json:"node" doc:"Name of the leader, \"\" while no node leads."`
	Term int64             `json:"term" doc:"Number of the leader's term; each leader has a greater one than the last."`
	Info *cluster.NodeInfo `json:"info,omitempty" doc:"The leader as a node, if it is live."`
}

// Events are the events that a node has seen.
type Events struct {
	Events []cluster.Event `json:"events" doc:"Oldest first."`
}

// EventFilter selects events. An empty field selects all.
type EventFilter struct {
	Since time.Time // the earliest time, by the clock of the node that emitted the event
	Kind  cluster.EventKind
	Task  string // or one of its workers or runs
	Node  string
	Limit int // only the last so many of those that have happened; 0 for all
}

// Has reports whether the filter selects an event.
func (f *EventFilter) Has(e *cluster.Event) bool {
	return !e.Time.Before(f.Since) && (f.Kind == "" || e.Kind == f.Kind) && (f.Task == "" || cluster.IsOf(e.TaskName(), f.Task)) &&
		(f.Node == "" || e.Node == f.Node)
}

// query returns the filter as query parameters.
func (f *EventFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"kind": string(f.Kind), "task": f.Task, "node": f.Node} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if !f.Since.IsZero() {
		q.Set("since", f.Since.UTC().Format(time.RFC3339Nano))
	}
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	return q
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Node    string   `json:"node" doc:"Name of the node."`
	Status  string   `json:"status" enum:"ok,not ready" doc:"Whether the process is alive, or for /readyz whether the node is a member at work."`
	Reasons []string `json:"reasons,omitempty" doc:"Why the node is not ready; the first reason is the cause of the others."`
}

// Build describes how a program was built. Unknown fields are empty.
type Build struct {
	Version  string `json:"version" doc:"Version of the program."`
	Revision string `json:"revision,omitempty" doc:"Revision of the source."`
	Time     string `json:"time,omitempty" doc:"Time of that revision."`
	Modified bool   `json:"modified,omitempty" doc:"True if the source was changed after that revision."`
	Go       string `json:"go" doc:"Version of Go that built the program."`
}

// String returns the version, the revision and the version of Go, for people.
func (b Build) String() string {
	parts := []string{b.Version}
	if b.Revision != "" {
		parts = append(parts, b.Revision)
	}
	return strings.Join(append(parts, b.Go), " ")
}

// Config is the configuration of a node.
type Config struct {
	Node   string         `json:"node" doc:"Name of the node."`
	Config map[string]any `json:"config" doc:"Configuration in force, without secrets."`
}

// Level is how much a node logs.
type Level struct {
	Level string `json:"level" enum:"debug,info,warn,error" doc:"Lowest level that is logged; info by default."`
}
