package logview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/render"
	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// leftNode is a node that keeps what workers wrote that no node has now, and counts what it is asked.
type leftNode struct {
	*apinode.Node
	url  string
	past cluster.Decisions
	here string // why a worker is on no node; "" if it does not exist
	ran  int    // workers of each task below this index have written something here

	mu    sync.Mutex
	asked map[string]int // by the last element of the path
}

func newLeftNode(t *testing.T, state cluster.State) *leftNode {
	n := &leftNode{Node: apinode.New(state), asked: map[string]int{}}
	target, err := url.Parse(apinode.Serve(t, n, httpapi.Options{}).URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		n.asked[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]]++
		n.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	n.url = server.URL
	return n
}

func (n *leftNode) Explain(_ context.Context, slot cluster.Slot) (cluster.Explanation, error) {
	if n.here == "" {
		return cluster.Explanation{}, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	return cluster.Explanation{Worker: cluster.WorkerInfo{Task: slot.Task, Index: slot.Index}, Here: n.here, Nodes: []cluster.Candidate{}, History: []cluster.Decision{}}, nil
}

func (n *leftNode) Decisions(context.Context) (cluster.Decisions, error) {
	return cluster.Decisions{Decisions: append([]cluster.Decision{}, n.past.Decisions...), Audit: []cluster.AuditLine{}}, nil
}

func (n *leftNode) Log(slot cluster.Slot, _ int) ([]cluster.LogLine, error) {
	if slot.Index >= n.ran {
		return nil, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	return []cluster.LogLine{{Text: slot.String() + " wrote this"}}, nil
}

// logs shows the logs of workers, and returns what is written and why it fails.
func (n *leftNode) logs(t *testing.T, name, run string) (out, said string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	api, err := client.New(n.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	target, ok := ParseTarget(name, run)
	if !ok {
		t.Fatalf("%q names no workers", name)
	}
	v := View{API: api, Lines: 50, Out: &stdout, Err: &stderr, Output: &render.Output{Format: "table"}}
	err = v.Show(t.Context(), target, false)
	return stdout.String(), stderr.String(), err
}

// many is a state with so many workers of task "big", all of them on no node.
func many(workers int, info cluster.TaskInfo) cluster.State {
	info.Name, info.WorkerNum, info.Unplaced = "big", workers, workers
	state := cluster.State{Nodes: []cluster.NodeInfo{{Name: "n1", Member: "m-n1"}}, Tasks: []cluster.TaskInfo{info}}
	for i := range workers {
		state.Workers = append(state.Workers, cluster.WorkerInfo{Task: "big", Index: i, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}})
	}
	return state
}

// hadAll is that n1 had so many workers of a task or run.
func hadAll(task string, workers int) cluster.Decisions {
	var slots cluster.Indexes
	for i := range workers {
		slots = append(slots, i)
	}
	return cluster.Decisions{Decisions: []cluster.Decision{{Number: 1, Moves: []cluster.Decided{{Step: cluster.StepFree, Task: task, Slots: slots, Node: "n1"}}}}}
}

// Logs of a task whose workers are on no node ask a bounded number of times, not for each worker, and say why in one line.
func TestLogsOfManyLeft(t *testing.T) {
	const workers = 200
	t.Run("paused", func(t *testing.T) {
		n := newLeftNode(t, many(workers, cluster.TaskInfo{Paused: true}))
		n.here, n.past, n.ran = "the task is paused", hadAll("big", workers), workers
		out, _, err := n.logs(t, "big", "")
		if err != nil {
			t.Error(err)
		}
		if got := strings.Count(out, "wrote this"); got != leftAsked {
			t.Errorf("%d workers are shown; want %d", got, leftAsked)
		}
		for _, want := range []string{
			"\n-- 200 workers of task big are on no node: the task is paused\n",
			"\n-- earlier output is shown of 20 workers at most; see xconsumer logs 'big#INDEX' for that of one\n",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("it does not say %q:\n%s", want, out)
			}
		}
		if n.asked["explain"] != 0 || n.asked["decisions"] != 1 || n.asked["log"] != leftAsked {
			t.Errorf("the node is asked %v", n.asked)
		}
	})
	t.Run("nothing is kept", func(t *testing.T) {
		n := newLeftNode(t, many(workers, cluster.TaskInfo{Reason: "it needs label disk=ssd"}))
		n.here = "it needs label disk=ssd"
		_, _, err := n.logs(t, "big", "")
		const want = "big: no log: 200 workers of task big are on no node (it needs label disk=ssd), and no earlier output is known"
		if !errors.Is(err, ErrNoLog) || err.Error() != want {
			t.Errorf("it fails with %v; want %s", err, want)
		}
		if n.asked["explain"] != 0 || n.asked["decisions"] != 1 || n.asked["log"] != 0 {
			t.Errorf("the node is asked %v", n.asked)
		}
	})
	t.Run("one that is named", func(t *testing.T) {
		n := newLeftNode(t, many(workers, cluster.TaskInfo{Reason: "it needs label disk=ssd"}))
		n.here = "it needs label disk=ssd"
		_, _, err := n.logs(t, "big#7", "")
		const want = "big#7: no log: the worker is on no node (it needs label disk=ssd), and no earlier output is known"
		if !errors.Is(err, ErrNoLog) || err.Error() != want {
			t.Errorf("it fails with %v; want %s", err, want)
		}
	})
}

// Of a run that the state does not show, logs says what is true of it: that there is none, that it has not begun, or what
// is kept of it.
func TestLogsOfRun(t *testing.T) {
	runs := []cluster.RunInfo{
		{Task: "once", Run: cluster.Run{ID: "r1", WorkerNum: 2}, State: cluster.RunDone, Done: 2},
		{Task: "once", Run: cluster.Run{ID: "r2"}, State: cluster.RunSkipped, Reason: "the run before goes on"},
		{Task: "once", Run: cluster.Run{ID: "r3", WorkerNum: 2}, State: cluster.RunQueued},
		{Task: "once", Run: cluster.Run{ID: "r4", WorkerNum: 2}, State: cluster.RunFailed, Failed: 2},
	}
	for _, test := range []struct {
		name, worker, run string
		paused            bool
		is                error
		want              string
	}{
		{"a mistyped run", "once#0", "r9", false, ErrNoLog, "no log: no such run: once@r9; `xconsumer runs once` lists those that are kept"},
		{"a mistyped run of all workers", "once", "r9", false, ErrNoLog, "no log: no such run: once@r9; `xconsumer runs once` lists those that are kept"},
		{"an index out of range", "once#2", "r1", false, cluster.ErrNoSlot, "no such worker: once#2: run r1 has 2 workers"},
		{"queued", "once#0", "r3", false, ErrNoLog, "no log: run once@r3 has not begun: it waits for an earlier run"},
		{"queued and paused", "once#0", "r3", true, ErrNoLog, "no log: run once@r3 has not begun: the task is paused"},
		{"skipped", "once#0", "r2", false, ErrNoLog, "no log: run once@r2 was skipped: the run before goes on"},
		{"no such task", "nope#0", "r1", false, cluster.ErrNoTask, "no such task: nope; `xconsumer tasks` lists the tasks"},
		{"nothing kept of it", "once#1", "r4", false, ErrNoLog, "once@r4#1: no log: the worker is on no node (it is not started again), and no earlier output is known"},
		{"kept", "once#1", "r1", false, nil, "once@r1#1 wrote this\n"},
		{"kept of all workers", "once", "r1", false, nil, "once@r1#1 wrote this\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := newLeftNode(t, cluster.State{
				Nodes: []cluster.NodeInfo{{Name: "n1", Member: "m-n1"}},
				Tasks: []cluster.TaskInfo{{Name: "once", WorkerNum: 2, Runs: true, Paused: test.paused}},
			})
			n.Ran, n.past = runs, hadAll("once@r1", 2)
			if test.is == nil {
				n.ran = 2
			}
			out, said, err := n.logs(t, test.worker, test.run)
			switch {
			case !errors.Is(err, test.is):
				t.Errorf("it fails with %v; want %v", err, test.is)
			case err != nil && err.Error() != test.want:
				t.Errorf("it fails with %v; want %s", err, test.want)
			case err == nil && !strings.HasSuffix(out, test.want):
				t.Errorf("it writes %q and %q; want the end %q", out, said, test.want)
			}
		})
	}
}

// A run that goes on and waits since its task is paused is not over.
func TestLogsOfPausedRun(t *testing.T) {
	n := newLeftNode(t, cluster.State{
		Tasks:   []cluster.TaskInfo{{Name: "once", WorkerNum: 1, Runs: true, Paused: true}},
		Workers: []cluster.WorkerInfo{{Task: "once", Run: "r1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerPending}}},
	})
	n.here = "the task is paused"
	_, _, err := n.logs(t, "once#0", "r1")
	const want = "once@r1#0: no log: the worker is on no node (the task is paused), and no earlier output is known"
	if err == nil || err.Error() != want {
		t.Errorf("it fails with %v; want %s", err, want)
	}
}

// A task that the node has never heard of has an empty past, and not an error.
func TestDecisionsOfUnknownTask(t *testing.T) {
	n := newLeftNode(t, cluster.State{})
	api, err := client.New(n.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	v := View{API: api}
	past, err := v.decisions(t.Context(), "nope")
	if err != nil || len(past.Decisions) > 0 {
		t.Errorf("it knows %v, %v; want nothing", past, err)
	}
}

// Lines that a worker wrote on a node that is gone are missing from its log: one line for each such node says so beside the
// logs. Nothing is said when the earlier node is there, or when the log is long enough without it.
func TestLogsAfterNodeDeath(t *testing.T) {
	state := many(3, cluster.TaskInfo{})
	for i := range state.Workers {
		state.Workers[i].Node, state.Workers[i].Member, state.Workers[i].State = "n1", "m-n1", cluster.WorkerRunning
	}
	n := newLeftNode(t, state)
	n.ran = 3
	freed := func(node string, slots ...int) cluster.Decision {
		return cluster.Decision{Number: 1, Moves: []cluster.Decided{
			{Step: cluster.StepFree, Task: "big", Slots: slots, Node: node}, {Step: cluster.StepGrant, Task: "big", Slots: slots, Node: "n1"},
		}}
	}
	for _, test := range []struct {
		name string
		past []cluster.Decision
		want string
	}{
		{"big", []cluster.Decision{freed("n2", 0, 2), freed("n3", 1)},
			"xconsumer: earlier lines of 2 workers are missing: they were kept on node n2, which is gone\n" +
				"xconsumer: earlier lines of worker big#1 are missing: they were kept on node n3, which is gone\n"},
		{"big#1", []cluster.Decision{freed("n3", 1)}, "xconsumer: earlier lines of worker big#1 are missing: they were kept on node n3, which is gone\n"},
		{"big#1", []cluster.Decision{freed("n2", 0)}, ""},
		{"big#1", []cluster.Decision{freed("n1", 1)}, ""},
	} {
		n.past.Decisions = test.past
		out, said, err := n.logs(t, test.name, "")
		if err != nil || said != test.want || !strings.Contains(out, "#1 wrote this") {
			t.Errorf("%s: it writes %q and %q, %v; want %q", test.name, out, said, err, test.want)
		}
	}
}
