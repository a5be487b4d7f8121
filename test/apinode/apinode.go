// Package apinode serves the HTTP API of a node that a test makes up.
package apinode

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

// Node is a node whose state a test sets. A test must not ask it for what it does not do itself.
type Node struct {
	httpapi.Node
	ID      string // its name, "n1" if it is left out
	Reasons []string
	Ran     []cluster.RunInfo // its runs
	Err     error             // of whatever it is asked

	mu      sync.Mutex
	now     cluster.Snapshot // whose number is how often it was set
	changed chan struct{}    // closed when it is again
}

// New returns a node that sees a cluster.
func New(state cluster.State, tasks ...cluster.TaskDetail) *Node {
	return Seeing(cluster.Snapshot{State: state, Tasks: tasks})
}

// Seeing returns a node that sees a cluster as it is in a snapshot.
func Seeing(now cluster.Snapshot) *Node {
	now.Number = 1
	return &Node{ID: "n1", now: now, changed: make(chan struct{})}
}

// Set changes what it sees.
func (n *Node) Set(state cluster.State) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now.State = state
	n.now.Number++
	close(n.changed)
	n.changed = make(chan struct{})
}

// Name returns its name.
func (n *Node) Name() string {
	if n.ID == "" {
		return "n1"
	}
	return n.ID
}

// Ready returns its reasons.
func (n *Node) Ready() []string { return n.Reasons }

// Lease holds for ever.
func (n *Node) Lease() cluster.Lease {
	return cluster.Lease{Valid: true, LeftMs: 9000, DurationMs: 9500}
}

// KeepFresh makes the caller wait for what the test has set last.
func (n *Node) KeepFresh() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now.Number
}

// Watch returns what it sees once that is not what it was.
func (n *Node) Watch(ctx context.Context, seen int64) (cluster.Snapshot, error) {
	for {
		n.mu.Lock()
		now, changed := n.now, n.changed
		n.mu.Unlock()
		switch {
		case n.Err != nil:
			return cluster.Snapshot{}, n.Err
		case now.Number > seen:
			return now, nil
		}
		select {
		case <-ctx.Done():
			return now, context.Cause(ctx)
		case <-changed:
		}
	}
}

// Events has none.
func (n *Node) Events(ctx context.Context) <-chan cluster.Event {
	c := make(chan cluster.Event)
	context.AfterFunc(ctx, func() { close(c) })
	return c
}

// Repeated knows of no operation.
func (n *Node) Repeated(context.Context, cluster.Operation) (string, bool, error) {
	return "", false, nil
}

// Plan moves nothing.
func (n *Node) Plan(context.Context, cluster.Operations) (cluster.Plan, error) {
	return cluster.Plan{}, n.Err
}

// Runs returns those of Ran, whatever the task.
func (n *Node) Runs(context.Context, string) ([]cluster.RunInfo, error) {
	return append([]cluster.RunInfo{}, n.Ran...), n.Err
}

// Decisions returns one.
func (n *Node) Decisions(context.Context) (cluster.Decisions, error) {
	return cluster.Decisions{Decisions: []cluster.Decision{{Moves: []cluster.Decided{}}}, Audit: []cluster.AuditLine{}}, n.Err
}

// Past knows none.
func (n *Node) Past(_ context.Context, decision int64) (cluster.Past, error) {
	return cluster.Past{}, fmt.Errorf("%w: %d", cluster.ErrNoDecision, decision)
}

// Explain knows none.
func (n *Node) Explain(_ context.Context, slot cluster.Slot) (cluster.Explanation, error) {
	return cluster.Explanation{}, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
}

// Report is empty.
func (n *Node) Report(context.Context) (cluster.BugReport, error) {
	return cluster.BugReport{Records: []cluster.StoredRecord{}}, n.Err
}

// Log has none.
func (n *Node) Log(slot cluster.Slot, _ int) ([]cluster.LogLine, error) {
	return nil, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
}

// Stack has none.
func (n *Node) Stack(cluster.Slot) (string, error) { return "", n.Err }

// Serve runs the API of a node until the test is over.
func Serve(t testing.TB, node httpapi.Node, options httpapi.Options) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(run(t, node, options))
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server
}

// ServeTLS is Serve over TLS. It returns the URL.
func ServeTLS(t testing.TB, node httpapi.Node, options httpapi.Options, config *tls.Config) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		Handler:           run(t, node, options),
		TLSConfig:         config,
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: time.Minute,
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "https://" + listener.Addr().String()
}

// run runs an API until the test is over.
func run(t testing.TB, node httpapi.Node, options httpapi.Options) *httpapi.API {
	api := httpapi.New(node, options)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- api.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return api
}
