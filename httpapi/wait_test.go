package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// Nothing has settled before the node sees all that was written, which it need not see at once.
func TestWaitsUntilItIsSeen(t *testing.T) {
	spec := func(name string) string {
		return fmt.Sprintf(`{"kind": "declare", "task": %[1]q, "spec": {"name": %[1]q, "workName": "w", "workerNum": 1}}`, name)
	}
	apply := func(operations string) (path, body string) {
		return "plan/apply", `{"revision": "5", "operations": [` + operations + `]}`
	}
	seen := func(name, revision string) cluster.TaskDetail {
		return cluster.TaskDetail{TaskInfo: cluster.TaskInfo{Name: name, Revision: revision}}
	}
	node1 := func(n cluster.NodeInfo) cluster.State {
		n.Name = "n1"
		return cluster.State{Nodes: []cluster.NodeInfo{n}}
	}
	two, twoBody := apply(spec("a") + `, ` + spec("b"))
	del, delBody := apply(`{"kind": "delete", "task": "a"}`)
	drain, drainBody := apply(`{"kind": "cordon", "node": "n1"}, {"kind": "drain", "node": "n1"}`)
	policy, policyBody := apply(`{"kind": "settings", "settings": {"leaderWorkers": "none"}}`)
	for _, c := range []struct {
		name       string
		path, body string
		snap       cluster.Snapshot
		want       string // that is waited for, "" for nothing
	}{
		{"both tasks are seen", two, twoBody, cluster.Snapshot{Tasks: []cluster.TaskDetail{seen("a", "8"), seen("b", "9")}}, ""},
		{"one task is seen", two, twoBody, cluster.Snapshot{Tasks: []cluster.TaskDetail{seen("a", "8")}}, "the change of task b is not visible yet"},
		{"one task is seen as it was", two, twoBody, cluster.Snapshot{Tasks: []cluster.TaskDetail{seen("a", "7"), seen("b", "8")}}, "the change of task a is not visible yet"},
		{"the task is gone", del, delBody, cluster.Snapshot{}, ""},
		{"the task is there", del, delBody, cluster.Snapshot{Tasks: []cluster.TaskDetail{seen("a", "8")}}, "task a still exists"},
		{"the drain is seen", drain, drainBody, cluster.Snapshot{State: node1(cluster.NodeInfo{Drain: &cluster.DrainInfo{}}), Marks: map[string]string{"n1": "8"}}, ""},
		{"an older mark is seen", drain, drainBody, cluster.Snapshot{State: node1(cluster.NodeInfo{Drain: &cluster.DrainInfo{}}), Marks: map[string]string{"n1": "7"}}, "the change of node n1 is not visible yet"},
		{"a mark before the last is seen", drain, drainBody, cluster.Snapshot{State: node1(cluster.NodeInfo{Cordoned: true}), Marks: map[string]string{"n1": "9"}}, "drain of n1 is not visible yet"},
		{"the label is seen", "nodes/n1/label", `{"labels": {"gpu": "true"}}`, cluster.Snapshot{Marks: map[string]string{"n1": "8"}}, ""},
		{"the mark has been taken back", "nodes/n1/label", `{"labels": {"gpu": null}}`, cluster.Snapshot{}, ""},
		{"the label is not seen", "nodes/n1/label", `{"labels": {"gpu": "true"}}`, cluster.Snapshot{Marks: map[string]string{"n1": "3"}}, "the change of node n1 is not visible yet"},
		{"the settings are seen", policy, policyBody, cluster.Snapshot{State: cluster.State{Settings: cluster.Settings{LeaderWorkers: cluster.LeaderNone}}}, ""},
		{"earlier settings are seen", policy, policyBody, cluster.Snapshot{}, "the settings are not visible yet"},
		{"a node is waited for", "moves/now", "", cluster.Snapshot{State: cluster.State{Lost: []cluster.NodeInfo{{Name: "n7", Member: "m"}}}}, "still waiting for node n7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := node{apinode.Seeing(c.snap), new([]string), nil}
			wait := "1m"
			if c.want != "" {
				wait = "50ms"
			}
			resp, text := ask(t, n, http.MethodPost, "/api/v1/"+c.path+"?wait="+wait, c.body, "Content-Type", "application/json")
			var got struct {
				Settled *bool
				Waiting []string
			}
			if err := json.Unmarshal(text, &got); err != nil || resp.StatusCode != http.StatusAccepted {
				t.Fatalf("%d: %s, %v", resp.StatusCode, text, err)
			}
			var want []string
			if c.want != "" {
				want = []string{c.want}
			}
			if got.Settled == nil || *got.Settled != (c.want == "") || !cmp.Equal(want, got.Waiting) {
				t.Errorf("%s", text)
			}
		})
	}
}

// A run is over for who waits for it once the state that is answered shows it so: what the store says of runs may be later.
func TestWaitsUntilTheRunIsSeenToBeOver(t *testing.T) {
	run := cluster.RunInfo{Task: "a", Run: cluster.Run{ID: "8", WorkerNum: 1}, State: cluster.RunDone, Done: 1}
	goesOn := run
	goesOn.State, goesOn.Done = cluster.RunGoesOn, 0
	another := goesOn
	another.ID = "9"
	state := func(runs ...cluster.RunInfo) cluster.State {
		return cluster.State{Runs: runs, Workers: []cluster.WorkerInfo{{Task: "a", Run: "9", Node: "n1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStarting}}}}
	}
	for _, c := range []struct {
		name        string
		seen, later cluster.State
		want        string
	}{
		{"it is seen to be over", state(another), state(another), ""},
		{"it is seen to go on", state(goesOn), state(goesOn), "run 8 is over, but still shown as running"},
		{"it is seen to be over later", state(goesOn), state(), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := node{apinode.New(c.seen), new([]string), nil}
			n.Ran = []cluster.RunInfo{run, another}
			wait := "1m"
			if c.want != "" {
				wait = "50ms"
			}
			later := time.AfterFunc(20*time.Millisecond, func() { n.Set(c.later) })
			defer later.Stop()
			_, text := ask(t, n, http.MethodPost, "/api/v1/tasks/a/run-now?wait="+wait, "")
			var got struct {
				Settled bool
				Waiting []string
			}
			if err := json.Unmarshal(text, &got); err != nil || got.Settled != (c.want == "") || len(got.Waiting) > 0 != (c.want != "") || c.want != "" && got.Waiting[0] != c.want {
				t.Errorf("%s, %v; want %q", text, err, c.want)
			}
		})
	}
}

// Whoever waits for a restart is told of every worker that has not begun again, and of one that is stuck since when.
func TestWaitNamesAllThatRestart(t *testing.T) {
	worker := func(i int, state cluster.WorkerState) cluster.WorkerInfo {
		return cluster.WorkerInfo{Task: "fn", Index: i, Node: "n1", Member: "m1", Token: 7, WorkerStatus: cluster.WorkerStatus{State: state, Since: time.Date(2026, 11, 29, 8, 37, 42, 0, time.UTC)}}
	}
	stuck := "fn#1 on n1 is stuck since 08:37:42 UTC by its clock: the worker does not stop; see xconsumer explain 'fn#1'"
	many := make([]cluster.WorkerInfo, 23)
	for i := range many {
		many[i] = worker(i, cluster.WorkerRunning)
	}
	for _, c := range []struct {
		name    string
		workers []cluster.WorkerInfo
		last    string
		n       int
	}{
		{"one is stuck", []cluster.WorkerInfo{worker(0, cluster.WorkerRunning), worker(1, cluster.WorkerStuck)}, stuck, 2},
		{"one stops", []cluster.WorkerInfo{worker(1, cluster.WorkerStuck), worker(2, cluster.WorkerStopping)}, "fn#2 on n1 is stopping", 2},
		{"none has begun", []cluster.WorkerInfo{worker(0, cluster.WorkerRunning), worker(1, cluster.WorkerBackoff)}, "fn#1 on n1 is to be restarted", 2},
		{"many", many, "and 3 more", 21},
		{"one has failed since it took down nodes", []cluster.WorkerInfo{{Task: "fn", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Error: "took down n1, n2, n1, n2"}}}, "fn#0 is not started again yet", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := node{apinode.New(cluster.State{Tasks: []cluster.TaskInfo{{Name: "fn"}}, Workers: c.workers}), new([]string), nil}
			_, text := ask(t, n, http.MethodPost, "/api/v1/tasks/fn/restart?wait=50ms", "")
			var got struct{ Waiting []string }
			if err := json.Unmarshal(text, &got); err != nil || len(got.Waiting) != c.n || got.Waiting[c.n-1] != c.last {
				t.Errorf("%s, %v; want %d, the last %q", text, err, c.n, c.last)
			}
		})
	}
}

// What has settled without a place says so: nothing more will come of it by itself.
func TestSettledWithoutAPlace(t *testing.T) {
	task := func(name string, change func(*cluster.TaskInfo)) cluster.TaskInfo {
		info := cluster.TaskInfo{Name: name, WorkerNum: 2, Unplaced: 2, Reason: "no live node has registered its work", Revision: "9"}
		change(&info)
		return info
	}
	tasks := []cluster.TaskInfo{
		task("a", func(*cluster.TaskInfo) {}),
		task("b", func(t *cluster.TaskInfo) { t.Unplaced = 1; t.Reason = "" }),
		task("paused", func(t *cluster.TaskInfo) { t.Paused = true }),
		task("runs", func(t *cluster.TaskInfo) { t.Runs = true }),
		task("placed", func(t *cluster.TaskInfo) { t.Unplaced = 0; t.Reason = "" }),
	}
	var details []cluster.TaskDetail
	for _, info := range tasks {
		details = append(details, cluster.TaskDetail{TaskInfo: info})
	}
	a, b := "2 of 2 workers of a: no live node has registered its work", "1 of 2 workers of b"
	for path, want := range map[string][]string{
		"tasks/a/reset": {a}, "tasks/b/reset": {b}, "tasks/paused/reset": nil, "tasks/runs/reset": nil, "tasks/placed/reset": nil, "moves/now": {a, b},
	} {
		n := node{apinode.New(cluster.State{Tasks: tasks}, details...), new([]string), nil}
		_, text := ask(t, n, http.MethodPost, "/api/v1/"+path+"?wait=10s", "")
		var got struct {
			Settled  bool
			Unplaced []string
		}
		if err := json.Unmarshal(text, &got); err != nil || !got.Settled || !cmp.Equal(got.Unplaced, want) {
			t.Errorf("%s: %s, %v; want settled, and %q", path, text, err, want)
		}
	}
}

// Whatever a wait tells of is told at some length, and how much more there is.
func TestWaitSaysHowMuchMore(t *testing.T) {
	var tasks []cluster.TaskInfo
	var details []cluster.TaskDetail
	for i := range 23 {
		info := cluster.TaskInfo{Name: fmt.Sprintf("t%02d", i), WorkerNum: 1, Unplaced: 1, Revision: "9"}
		tasks, details = append(tasks, info), append(details, cluster.TaskDetail{TaskInfo: info})
	}
	settled := node{apinode.New(cluster.State{Tasks: tasks}, details...), new([]string), nil}
	moves := planning{node: node{apinode.New(cluster.State{}), new([]string), nil}}
	for i := range 22 {
		slot := cluster.Slot{Task: "t", Index: i}
		moves.plan.Moves = append(moves.plan.Moves, cluster.PlannedMove{Slot: slot, From: "n1"})
		moves.plan.Stops = append(moves.plan.Stops, slot)
	}
	for _, c := range []struct {
		name       string
		node       httpapi.Node
		wait, last string
	}{
		{"without a place", settled, "10s", "and 3 more"},
		{"to move", moves, "50ms", "and 24 more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, text := ask(t, c.node, http.MethodPost, "/api/v1/moves/now?wait="+c.wait, "")
			var got struct{ Waiting, Unplaced []string }
			err := json.Unmarshal(text, &got)
			if list := slices.Concat(got.Waiting, got.Unplaced); err != nil || len(list) != 21 || list[20] != c.last {
				t.Errorf("%s, %v; want 21, the last %q", text, err, c.last)
			}
		})
	}
}

// planning is a node that plans the same whatever is asked.
type planning struct {
	node
	plan cluster.Plan
}

func (p planning) Plan(context.Context, cluster.Operations) (cluster.Plan, error) { return p.plan, nil }
