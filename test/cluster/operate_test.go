package cluster_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func TestOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})

		w.do(n2, cluster.Scale("a", 6)) // on a node that does not lead
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		w.do(n2, cluster.Pause("a"))
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{})
		if info := w.state(n1).Tasks[0]; !info.Paused || info.ReasonCode != cluster.WhyPaused {
			t.Errorf("paused: %+v", info)
		}
		w.do(n2, cluster.Resume("a"))
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		w.do(n2, cluster.Reset("a"))
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})

		w.do(n1, cluster.Cordon("n2"))
		w.do(n1, cluster.Scale("a", 8))
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 6, "n2": 2})
		w.do(n1, cluster.Drain("n2", 0))
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 8})
		if info := w.nodeInfo(n1, "n2"); !info.Cordoned || info.Drain == nil || info.Drain.From != 2 || info.Drain.Left != 0 {
			t.Errorf("drained: %+v", info)
		}
		w.leave(n2) // a drain outlives the member
		n2 = w.start("n2")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 8})
		w.do(n1, cluster.Uncordon("n2"))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 4, "n2": 4})
		w.leave(n1, n2)
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 3), task("b", 3))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		tokens := func() map[string]int64 {
			list := map[string]int64{}
			for _, wk := range w.state(n1).Workers {
				if wk.State != cluster.WorkerRunning {
					t.Errorf("%s#%d is %s", wk.Task, wk.Index, wk.State)
				}
				list[fmt.Sprintf("%s#%d %s", wk.Task, wk.Index, wk.Node)] = wk.Token
			}
			return list
		}
		// restarted returns which slots have another token than before, and those of a node.
		restarted := func(op cluster.Operation) (slots []string) {
			before := tokens()
			starts := w.floor.started()
			w.do(n2, op)
			time.Sleep(time.Second)
			after := tokens()
			seen := map[string]bool{}
			for at, token := range after {
				slot, _, _ := strings.Cut(at, " ")
				if before[at] != token && !seen[slot] {
					seen[slot] = true
					slots = append(slots, slot)
				}
			}
			if n := w.floor.started() - starts; n != len(slots) {
				t.Errorf("%v: %d workers were started, %d slots have new tokens", op, n, len(slots))
			}
			slices.Sort(slots)
			return slots
		}
		for _, c := range []struct {
			op   cluster.Operation
			want []string
		}{
			{cluster.RestartWorker(cluster.Slot{Task: "a", Index: 1}), []string{"a#1"}},
			{cluster.RestartTask("b"), []string{"b#0", "b#1", "b#2"}},
		} {
			if diff := cmp.Diff(c.want, restarted(c.op)); diff != "" {
				t.Errorf("%v (-want +got):\n%s", c.op, diff)
			}
		}
		if slots := restarted(cluster.RestartNode("n1")); len(slots) != 3 {
			t.Errorf("restarting a node with 3 workers restarts %v", slots)
		}
		w.leave(n1, n2)
	})
}

func TestStepDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
		time.Sleep(time.Second)
		starts := w.floor.started()
		for _, want := range []string{"n2", "n3", "n1"} {
			w.do(n2, cluster.StepDown())
			time.Sleep(time.Second)
			if state := w.state(n1); state.Leader != want {
				t.Errorf("%q leads; want %s", state.Leader, want)
			}
		}
		if n := w.floor.started() - starts; n > 0 {
			t.Errorf("%d workers were started", n)
		}
		w.leave(n1, n2) // whose candidate keys are not those that they joined with
		time.Sleep(time.Second)
		w.do(n3, cluster.StepDown())
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n3": 4})
		w.leave(n3)
		for key := range w.Service.Records() {
			if strings.Contains(key, "/members/") || strings.Contains(key, "/election/") {
				t.Errorf("%s is left", key)
			}
		}
	})
}

func TestWhatCannotBeDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		for _, c := range []struct {
			op   cluster.Operation
			want error
		}{
			{cluster.Scale("x", 1), cluster.ErrNoTask},
			{cluster.Scale("a", -1), cluster.ErrChange},
			{cluster.Scale("a", cluster.MaxWorkers+1), cluster.ErrChange},
			{cluster.Pause("x"), cluster.ErrNoTask},
			{cluster.Cordon("x"), cluster.ErrNoNode},
			{cluster.Drain("x", 0), cluster.ErrNoNode},
			{cluster.Drain("n1", -time.Second), cluster.ErrChange},
			{cluster.RestartTask("x"), cluster.ErrNoTask},
			{cluster.RestartNode("x"), cluster.ErrNoNode},
			{cluster.RestartWorker(cluster.Slot{Task: "a", Index: 7}), cluster.ErrNoSlot},
			{cluster.Operation{Kind: cluster.OpRestart}, cluster.ErrChange},
			{cluster.Operation{Kind: "fly"}, cluster.ErrChange},
			{cluster.Declare(cluster.TaskSpec{Name: "b"}), cluster.ErrChange},
			{cluster.Operation{Kind: cluster.OpDeclare, Task: "a", Spec: &cluster.TaskSpec{Name: "b", WorkName: "a"}}, cluster.ErrChange},
			{cluster.Patch("a", json.RawMessage(`{"workerNum": -1}`)), cluster.ErrChange},
			{cluster.Patch("a", json.RawMessage(`{"workers": 1}`)), cluster.ErrChange},
			{cluster.Patch("a", json.RawMessage(`{"schedule": "never"}`)), cluster.ErrChange},
			{cluster.Patch("a", json.RawMessage(`{"name": "b"}`)), cluster.ErrChange},
			{cluster.Patch("a", json.RawMessage(`7`)), cluster.ErrChange},
			{cluster.Patch("x", json.RawMessage(`{"workerNum": 1}`)), cluster.ErrNoTask},
			{cluster.Delete("x"), cluster.ErrNoTask},
		} {
			if _, err := n1.Admin().Do(t.Context(), c.op); !errors.Is(err, c.want) {
				t.Errorf("%v: %v; want %v", c.op, err, c.want)
			}
		}
		// What is not there is named once.
		for want, op := range map[string]cluster.Operation{
			`no such task: "x"`:    cluster.Pause("x"),
			`no such node: "x"`:    cluster.Drain("x", 0),
			`no such node: "y"`:    cluster.Evict("y"),
			`no such worker: a#7`:  cluster.RestartWorker(cluster.Slot{Task: "a", Index: 7}),
			`no such worker: ok#0`: cluster.Move(cluster.Slot{Task: "ok"}, "y"),
		} {
			if _, err := n1.Admin().Do(t.Context(), op); err == nil || err.Error() != want {
				t.Errorf("%v: %v; want %s", op, err, want)
			}
		}
		w.wantShare(map[string]int{"n1": 1})
		w.leave(n1)
		if _, err := n1.Admin().Do(t.Context(), cluster.Pause("a")); !errors.Is(err, cluster.ErrNotMember) {
			t.Errorf("after it left: %v", err)
		}
	})
}

// Tasks are declared, changed and deleted while they run, by whoever has looked at them last.
func TestDeclarations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		ctx := t.Context()
		create := cluster.Declare(task("a", 2))
		create.If = cluster.IfAbsent
		first, err := n1.Admin().Do(ctx, create)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n2.Admin().Do(ctx, create); !errors.Is(err, cluster.ErrExists) {
			t.Errorf("created twice: %v", err)
		}
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 1, "n2": 1})

		patch := cluster.Patch("a", json.RawMessage(`{"workerNum": 4, "restart": {"max": 5}, "params": {"queue": "x"}}`))
		patch.If = first
		second, err := n2.Admin().Do(ctx, patch)
		if err != nil || second == first {
			t.Fatalf("revision %s, %v", second, err)
		}
		if _, err := n1.Admin().Do(ctx, patch); !errors.Is(err, cluster.ErrMovedOn) {
			t.Errorf("patched what nobody has looked at: %v", err)
		}
		w.do(n1, cluster.Patch("a", json.RawMessage(`{"restart": {"backoff": "2s"}, "params": null}`)))
		w.do(n1, cluster.Scale("a", 3))
		time.Sleep(time.Second)
		tasks, err := n2.Admin().Tasks(ctx)
		want := task("a", 4)
		want.Restart = cluster.Restart{Max: 5, Backoff: cluster.Duration(2 * time.Second)}
		if err != nil || len(tasks) != 1 || tasks[0].Declared != want || *tasks[0].Override.WorkerNum != 3 || tasks[0].WorkerNum != 3 || tasks[0].Running != 3 {
			t.Errorf("%+v, %v", tasks, err)
		}
		last := cluster.Delete("a")
		last.If = tasks[0].Revision
		if _, err := n1.Admin().Do(ctx, last); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		w.wantShare(map[string]int{})
		if tasks, err := n1.Admin().Tasks(ctx); err != nil || len(tasks) > 0 {
			t.Errorf("%+v, %v", tasks, err)
		}
		w.do(n1, create) // and again
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		w.leave(n1, n2)
	})
}

// A plan says exactly what then happens, and is not applied to another cluster than it was made for.
func TestPlanAndApply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6), task("b", 3))
		n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
		time.Sleep(time.Second)
		places := func() map[cluster.Slot]string {
			list := map[cluster.Slot]string{}
			for _, wk := range w.state(n2).Workers {
				list[cluster.Slot{Task: wk.Task, Index: wk.Index}] = wk.Node
			}
			return list
		}
		ops := cluster.Operations{cluster.Scale("b", 1), cluster.Drain("n3", 0)}
		plan, err := n2.Admin().Plan(t.Context(), ops)
		if err != nil {
			t.Fatal(err)
		}
		if len(plan.Moves) == 0 || len(plan.Stops) != 2 || len(plan.Unplaced) != 0 || plan.After.Mean <= plan.Before.Mean {
			t.Errorf("plan %+v", plan)
		}
		want := places()
		for _, m := range plan.Moves {
			if want[m.Slot] != m.From || m.From == "n3" && m.Reason != "n3 is draining" {
				t.Errorf("move %+v; it is on %s", m, want[m.Slot])
			}
			want[m.Slot] = m.To
		}
		for _, s := range plan.Stops {
			delete(want, s)
		}
		written, err := n2.Admin().Apply(t.Context(), ops, plan.Revision, cluster.Caller{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff(want, places()); diff != "" {
			t.Errorf("places (-planned +are):\n%s", diff)
		}
		n2.Admin().KeepFresh()
		snap, err := n2.Admin().Watch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		seen := []string{snap.Tasks[1].Revision, snap.Marks["n3"]}
		if diff := cmp.Diff(seen, written); diff != "" {
			t.Errorf("revisions (-seen +returned):\n%s", diff)
		}
		if revision, err := n2.Admin().Do(t.Context(), cluster.Uncordon("n1")); revision != "" || err != nil {
			t.Errorf("of a node of which nothing is wanted: %q, %v", revision, err)
		}
		if _, err := n2.Admin().Apply(t.Context(), ops, plan.Revision, cluster.Caller{}); !errors.Is(err, cluster.ErrMovedOn) {
			t.Errorf("applied again: %v", err)
		}
		w.leave(n1, n2, n3)
	})
}

// What only happens can be asked about.
func TestPlanOfALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		for _, c := range []struct {
			name string
			ops  cluster.Operations
			want string // of the first move
		}{
			{"loss", cluster.Operations{cluster.Lose("n2")}, "n2 was lost"},
			{"another task", cluster.Operations{cluster.Declare(cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 4, Require: "gpu"})}, "it needs label gpu, n1 does not have it"},
			{"labels", cluster.Operations{
				cluster.Declare(cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 4, Require: "gpu"}), cluster.Label("n1", map[string]*string{"gpu": new("true")}),
			}, "it needs label gpu, n2 does not have it"},
			{"pause", cluster.Operations{cluster.Pause("a")}, "the task is paused"},
		} {
			plan, err := n1.Admin().Plan(t.Context(), c.ops)
			if err != nil || len(plan.Moves) == 0 || plan.Moves[0].Reason != c.want {
				t.Errorf("%s: %+v, %v", c.name, plan.Moves, err)
			}
		}
		if _, err := n1.Admin().Apply(t.Context(), cluster.Operations{cluster.Lose("n2")}, revisionOf(t, n1), cluster.Caller{}); !errors.Is(err, cluster.ErrChange) {
			t.Errorf("a loss was applied: %v", err)
		}
		if _, err := n1.Admin().Plan(t.Context(), cluster.Operations{cluster.Drain("x", 0)}); !errors.Is(err, cluster.ErrNoNode) {
			t.Errorf("drain of nothing: %v", err)
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.leave(n1, n2)
	})
}

func revisionOf(t *testing.T, p *proc) string {
	t.Helper()
	plan, err := p.Admin().Plan(t.Context(), nil)
	if err != nil || len(plan.Moves) > 0 {
		t.Fatalf("a plan of nothing: %+v, %v", plan, err)
	}
	return plan.Revision
}
