package client

import (
	"net/url"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Accepted is the answer to an operation that is in the store.
type Accepted struct {
	Accepted string `json:"accepted" doc:"The operation, in words."`
	Repeated bool   `json:"repeated,omitempty" doc:"An earlier request with the same Idempotency-Key has done it already."`
	Revision string `json:"revision" doc:"The revision of the changed record: of a task, what If-Match takes; for run-now, the id of the run; empty if no record changed."`
	Settled  *bool  `json:"settled,omitempty" doc:"With wait: true once all affected workers have settled, those without a place included."`
	// Waiting says what is not settled.
	Waiting []string `json:"waiting,omitempty" doc:"With wait, if not settled: what is still to be done."`
	// Unplaced says which workers have no place, and why.
	Unplaced []string `json:"unplaced,omitempty" doc:"With wait, once it is settled: how many workers of which tasks have no place, and why. Tasks that are paused or run to their end are left out."`
}

// Tasks are all tasks of a cluster.
type Tasks struct {
	Tasks []cluster.TaskDetail `json:"tasks"`
}

// Runs are the runs of a task.
type Runs struct {
	Runs []cluster.RunInfo `json:"runs"`
}

// Workers are workers of a cluster.
type Workers struct {
	Workers []cluster.WorkerInfo `json:"workers"`
}

// Nodes are all nodes of a cluster.
type Nodes struct {
	Nodes []cluster.NodeInfo `json:"nodes" doc:"Live members."`
	Lost  []cluster.NodeInfo `json:"lost" doc:"Lost members that are not reaped yet."`
}

// Leader is who leads.
type Leader struct {
	Node string            `json:"node" doc:"Its name, \"\" while nobody leads."`
	Term int64             `json:"term"`
	Info *cluster.NodeInfo `json:"info,omitempty"`
}

// Events are what a node knows to have happened.
type Events struct {
	Events []cluster.Event `json:"events" doc:"Oldest first."`
}

// EventFilter says which events are wanted; what is empty leaves none out.
type EventFilter struct {
	Since time.Time // at this time or later, by the clock of the node that tells of it
	Kind  cluster.EventKind
	Task  string // or one of its workers or runs
	Node  string
}

// Has reports whether an event is wanted.
func (f *EventFilter) Has(e *cluster.Event) bool {
	return !e.Time.Before(f.Since) && (f.Kind == "" || e.Kind == f.Kind) && (f.Task == "" || cluster.IsOf(e.TaskName(), f.Task)) &&
		(f.Node == "" || e.Node == f.Node)
}

// query returns the filter as a node is asked with it.
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
	return q
}

// Health is the answer of /healthz and /readyz.
type Health struct {
	Node    string   `json:"node"`
	Status  string   `json:"status" enum:"ok,not ready"`
	Reasons []string `json:"reasons,omitempty" doc:"Why it is not ready."`
}

// Build is what a program knows of itself; what it does not is empty.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty" doc:"Of its source."`
	Time     string `json:"time,omitempty" doc:"Of that revision."`
	Modified bool   `json:"modified,omitempty" doc:"The source was changed since."`
	Go       string `json:"go"`
}

// String describes it.
func (b Build) String() string {
	parts := []string{b.Version}
	if b.Revision != "" {
		parts = append(parts, b.Revision)
	}
	return strings.Join(append(parts, b.Go), " ")
}

// Config is the configuration of a node.
type Config struct {
	Node   string         `json:"node"`
	Config map[string]any `json:"config" doc:"As it is in force. Secrets are left out."`
}

// Level is how much a node logs.
type Level struct {
	Level string `json:"level" enum:"debug,info,warn,error"`
}
