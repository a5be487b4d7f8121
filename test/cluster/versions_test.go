package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// slowCommits delays what nodes commit, so that operators come between what a leader reads and what it does about it.
func slowCommits(*mem.Client) coordtest.Interceptor {
	return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
		time.Sleep(50 * time.Millisecond)
		return next(ctx, ops...)
	}}
}

// operatorInterrupted returns an operator to whom something happens after it has read the record that it
// writes for the first time, before it writes it.
func (w *world) operatorInterrupted(during func()) operation.Operator {
	w.t.Helper()
	keys := testcluster.Keys()
	var first sync.Once
	s, err := coordtest.Intercept(w.Service.Client(), coordtest.Interceptor{
		Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
			r, err := next(ctx, key)
			if key != keys.Audit() && key != keys.Removed() {
				first.Do(during)
			}
			return r, err
		},
	}).Open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = s.Close() })
	return operation.Operator{Session: s, Keys: keys, By: "test"}
}

// snapshot reads the cluster once.
func (w *world) snapshot() *view.Snapshot {
	w.t.Helper()
	v := view.New(testcluster.Name, w.hand().s, testcluster.Keys())
	defer v.Close()
	if _, err := v.Refresh(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	return v.Snapshot()
}

// An order that was acknowledged is obeyed, once, although the record of orders was emptied and written again while
// somebody else was about to write it.
func TestNoOrderIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r ran
		w := newWorld(t, once(1))
		w.intercept = slowCommits
		n1 := w.start("n1", r.handle)
		time.Sleep(5 * time.Second)
		var want []string
		runNow := func() {
			id, err := n1.Admin().Do(t.Context(), cluster.RunNow("job", ""))
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, id+"#0")
		}
		runNow()
		late := w.operatorInterrupted(func() {
			time.Sleep(10 * time.Second) // the order that it has read is obeyed
			runNow()                     // and another one is there
		})
		id, err := late.Do(t.Context(), w.snapshot(), cluster.RunNow("job", ""))
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, id+"#0")
		time.Sleep(30 * time.Second)
		got := r.executions()[1:] // but that of the declaration
		slices.Sort(got)
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("executions (-want +got):\n%s", diff)
		}
		w.leave(n1)
	})
}

// What is wanted of a node is not lost because it was taken back and wanted again while somebody else was about to
// write it.
func TestNoMarkIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		n1, n2 := w.start("n1"), w.start("n2")
		w.do(n1, cluster.Cordon("n2"))
		time.Sleep(time.Second)
		late := w.operatorInterrupted(func() {
			w.do(n1, cluster.Uncordon("n2"))
			w.do(n1, cluster.Drain("n2", 0))
		})
		if _, err := late.Do(t.Context(), w.snapshot(), cluster.Label("n2", map[string]*string{"gpu": new("a")})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if mark := w.snapshot().Mark("n2"); mark.Drain == nil || mark.Cordoned || mark.Labels["gpu"] != "a" {
			t.Errorf("of n2 is wanted: %+v", mark)
		}
		w.wantShare(map[string]int{"n1": 2})
		w.leave(n2, n1)
	})
}

// Nothing is left of tasks that were declared and deleted but what has to be remembered, and that is bounded: neither of
// their records, runs and checkpoints, nor of the marks of nodes that are gone.
func TestDeletedTasksLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, wk *xconsumer.Worker) error { return wk.Checkpoint(ctx, []byte("x")) })
		})
		n2 := w.start("n2")
		w.do(n1, cluster.Cordon("n2"))
		w.do(n1, cluster.Uncordon("n2"))
		w.leave(n2)
		var early int
		const tasks, atOnce = 1000, 50
		for i := 0; i < tasks; i += atOnce {
			for n := range atOnce {
				spec := once(2)
				spec.Name = fmt.Sprintf("job%d", i+n)
				w.do(n1, cluster.Declare(spec))
			}
			time.Sleep(10 * time.Second)
			if n := len(w.hand().children("/checkpoints")); i == 0 && n == 0 {
				t.Error("no worker has noted how far it is")
			}
			for n := range atOnce {
				w.do(n1, cluster.Delete(fmt.Sprintf("job%d", i+n)))
			}
			time.Sleep(20 * time.Second)
			if keys := w.Service.Keys() - len(w.hand().children("/decisions")); i == 0 {
				early = keys
			} else if keys > early {
				t.Fatalf("%d keys after %d tasks; %d after %d", keys, i+atOnce, early, atOnce)
			}
		}
		for _, dir := range []string{"/tasks", "/agendas", "/runs", "/checkpoints", "/marks"} {
			if left := w.hand().children(dir); len(left) > 0 {
				t.Errorf("%d left of %s: %.100v", len(left), dir, left)
			}
		}
		if s := w.state(n1); len(s.Tasks) != 0 || len(s.Errors) != 0 {
			t.Errorf("%d tasks, errors %v", len(s.Tasks), s.Errors)
		}
		w.leave(n1)
	})
}

// The checkpoints of a run go with its record, those of the runs that are kept stay.
func TestCheckpointsGoWithTheirRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cluster.TaskSpec{Name: "job", WorkName: "job", WorkerNum: 3, Every: cluster.Duration(10 * time.Second), KeepRuns: 2})
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, wk *xconsumer.Worker) error { return wk.Checkpoint(ctx, []byte("x")) })
		})
		time.Sleep(10 * time.Minute)
		if kept := w.hand().children("/checkpoints"); len(kept) != 2 {
			t.Errorf("checkpoints of %d runs: %v", len(kept), kept)
		}
		if runs := w.runs(n1); len(runs) != 2 {
			t.Errorf("%d runs are kept", len(runs))
		}
		w.leave(n1)
	})
}

// A task that is declared again goes on as a new one: under another revision, with no checkpoint of the old one;
// and a file that declared the old one does not bring it back.
func TestDeclaredAgainIsAnotherTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("count", 1))
		var c counter
		n1 := w.start("n1", c.register)
		time.Sleep(10 * time.Second)
		before := w.state(n1).Tasks[0].Revision
		w.do(n1, cluster.Delete("count"))
		time.Sleep(20 * time.Second)
		if left := slices.Concat(w.hand().children("/tasks"), w.hand().children("/checkpoints")); len(left) > 0 {
			t.Errorf("not removed: %v", left)
		}
		n2 := w.start("n2", c.register) // with the same file
		time.Sleep(5 * time.Second)
		if s := w.state(n2); len(s.Tasks) != 0 {
			t.Errorf("a file has brought it back: %+v", s.Tasks)
		}
		c.mu.Lock()
		c.seen = nil
		c.mu.Unlock()
		w.do(n1, cluster.Declare(task("count", 1)))
		time.Sleep(3500 * time.Millisecond)
		c.mu.Lock()
		if len(c.seen) == 0 || c.seen[0] != 1 {
			t.Errorf("it has counted %v", c.seen)
		}
		c.mu.Unlock()
		after := w.state(n1).Tasks[0].Revision
		if after == before || !strings.HasPrefix(after, "1.") {
			t.Errorf("revision %s, was %s", after, before)
		}
		op := cluster.Scale("count", 2)
		op.If = before
		if _, err := n1.Admin().Do(t.Context(), op); err == nil {
			t.Error("what was asked for of the old task is done to the new one")
		}
		w.leave(n2, n1)
	})
}
