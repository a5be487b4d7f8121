package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

// declareMany declares tasks before there is a cluster.
func (w *world) declareMany(specs []cluster.TaskSpec) {
	w.t.Helper()
	keys := testcluster.Keys()
	s := w.hand().s
	for len(specs) > 0 {
		n := min(len(specs), coord.MaxOps)
		var ops []coord.Op
		for _, spec := range specs[:n] {
			ops = append(ops, coord.Create(keys.Task(spec.Name), schema.Encode(&schema.Task{Spec: spec}, 0)))
		}
		if _, err := s.Commit(w.t.Context(), ops...); err != nil {
			w.t.Fatal(err)
		}
		specs = specs[n:]
	}
}

// wantBounded fails for every record in the store that is beyond its bound.
func (w *world) wantBounded() {
	w.t.Helper()
	keys := testcluster.Keys()
	for key, r := range w.Service.Records() {
		if most := schema.KeyBound(keys, key); len(r.Value) > most {
			w.t.Errorf("%s has %d bytes, at most %d", key, len(r.Value), most)
		}
	}
}

// A bad release panics on every node of a cluster with thousands of tasks: each is a suspect, which is more than a record
// takes. Everything runs again when the good release is out.
func TestMassPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const tasks = 4000
		w := newWorld(t)
		var specs []cluster.TaskSpec
		for i := range tasks {
			specs = append(specs, cluster.TaskSpec{Name: fmt.Sprintf("tenant-%04d", i), WorkName: "w", WorkerNum: 1})
		}
		w.declareMany(specs)
		var running atomic.Int64
		work := func(n *xconsumer.Node) {
			n.Handle("w", func(ctx context.Context, _ *xconsumer.Worker) error {
				running.Add(1)
				defer running.Add(-1)
				<-ctx.Done()
				return nil
			})
		}
		var first, second []*proc
		for i := range 4 {
			first = append(first, w.start(fmt.Sprint("n", i), work))
		}
		time.Sleep(10 * time.Second)
		if n := running.Load(); n != tasks {
			t.Fatalf("%d of %d run", n, tasks)
		}
		for _, p := range first {
			dead := w.crash(p)
			dead.Blame = true
			if err := w.closeDead(dead, w.Service.Client()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // what they ran stops by itself here
		if n := running.Load(); n != 0 {
			t.Fatalf("%d run on", n)
		}
		for i := range 4 {
			second = append(second, w.start(fmt.Sprint("m", i), work))
		}
		time.Sleep(20 * time.Second)
		if n := running.Load(); n != tasks {
			t.Errorf("%d of %d run after the panic", n, tasks)
		}
		w.wantBounded()
		for _, p := range first {
			p.Stop()
			<-p.Done() // however it ends
		}
		w.leave(second...)
	})
}

// So many slots of a run fail at once, each for reasons of its own, that one record does not take them: the run ends, and
// none is executed twice.
func TestManyFailInARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := once(800)
		spec.MaxAttempts = 1
		w := newWorld(t, spec)
		var executions atomic.Int64
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("job", func(_ context.Context, wk *xconsumer.Worker) error {
				executions.Add(1)
				return fmt.Errorf("order %d: %s", wk.Index(), strings.Repeat("no such row \x01 ", 20))
			})
		})
		time.Sleep(30 * time.Second)
		list := w.runs(n1)
		if len(list) != 1 || list[0].State != cluster.RunFailed || list[0].Failed != 800 {
			t.Fatalf("runs: %+v", list)
		}
		if n := executions.Load(); n != 800 {
			t.Errorf("%d executions", n)
		}
		w.wantBounded()
		w.leave(n1)
	})
}

// A node has as many tasks as its assignment takes, and all of their workers fail, as when their database is down: it goes
// on saying what it holds, and does what it is asked.
func TestManyFailOnANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		const tasks = 1500
		var specs []cluster.TaskSpec
		for i := range tasks {
			specs = append(specs, cluster.TaskSpec{Name: fmt.Sprintf("t%04d", i), WorkName: "w", WorkerNum: 1, Restart: cluster.Restart{Backoff: cluster.Duration(time.Minute)}})
		}
		w.declareMany(specs)
		var granted atomic.Int64
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("w", func(context.Context, *xconsumer.Worker) error {
				granted.Add(1)
				return errors.New("dial tcp 10.1.2.3:5432: " + strings.Repeat("connection refused \x02 ", 12))
			})
		})
		time.Sleep(20 * time.Second)
		if n := granted.Load(); n != tasks {
			t.Fatalf("%d of %d were started", n, tasks)
		}
		w.wantBounded()
		w.do(n1, cluster.Pause("t0000"))
		w.do(n1, cluster.Pause("t1499"))
		time.Sleep(10 * time.Second)
		s := w.state(n1)
		failing := 0
		for _, wk := range s.Workers {
			if (wk.Task == "t0000" || wk.Task == "t1499") && wk.Node != "" {
				t.Errorf("%s#%d is still on %s", wk.Task, wk.Index, wk.Node)
			}
			if wk.Error != "" {
				failing++
			}
		}
		if failing < 100 {
			t.Errorf("%d workers, %d of them with errors", len(s.Workers), failing)
		}
		w.wantBounded()
		w.leave(n1)
	})
}

// A record that is too large to be written stops nothing else, is reported once, and is written as soon as it can be.
func TestGoesAroundWhatIsTooLarge(t *testing.T) {
	for _, what := range []string{"/agendas/job", "/assignments/"} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := once(1)
				job.Mode, job.Every, job.Overlap = "", cluster.Duration(5*time.Second), cluster.OverlapAllow
				w := newWorld(t, live(), job)
				var refused atomic.Pointer[string] // the key that no commit may set
				w.intercept = func(*mem.Client) coordtest.Interceptor {
					return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
						for _, op := range ops {
							if key := refused.Load(); key != nil && op.Key == *key && op.Value != nil {
								return nil, fmt.Errorf("%w: in a test", coord.ErrTooLarge)
							}
						}
						return next(ctx, ops...)
					}}
				}
				var r ran
				n1, n2 := w.start("n1", r.handle), w.start("n2", r.handle)
				time.Sleep(20 * time.Second)
				events := n1.Events(t.Context())
				key := root + what
				if what == "/assignments/" {
					key += w.member(n2)
				}
				refused.Store(&key)
				before := r.count()
				w.do(n1, cluster.Scale("a", 12))
				time.Sleep(40 * time.Second)
				running := 0
				for node, n := range w.floor.share() {
					running += n
					if what == "/assignments/" && node == "n2" && n != 2 {
						t.Errorf("n2 runs %d", n)
					}
				}
				want := map[string]int{"/agendas/job": 12, "/assignments/": 2 + 6}[what] // what n2 should have stays out
				if running != want {
					t.Errorf("%d of a run, want %d", running, want)
				}
				if n := r.count() - before; (what == "/assignments/") != (n >= 3) {
					t.Errorf("%d runs meanwhile", n)
				}
				refused.Store(nil)
				time.Sleep(2 * time.Minute)
				w.wantShare(map[string]int{"n1": 6, "n2": 6})
				if n := r.count() - before; n < 15 {
					t.Errorf("%d runs after it", n)
				}
				reports := 0
				for len(events) > 0 {
					if e := <-events; e.Kind == cluster.RecordTooLarge {
						reports++
					}
				}
				if reports != 1 {
					t.Errorf("it is reported %d times", reports)
				}
				past, err := n1.Admin().Decisions(t.Context())
				skips := 0
				for _, d := range past.Decisions {
					for _, m := range d.Moves {
						if m.Step == cluster.StepSkip {
							skips++
						}
					}
				}
				if err != nil || skips != 1 {
					t.Errorf("%d skips among the decisions: %v", skips, err)
				}
				w.leave(n1, n2)
			})
		})
	}
}
