package cluster_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// A task that is to go on without contact does, though others run it too meanwhile; with contact again there
// is one worker. Other tasks of the node are stopped.
func TestContinuesWhenDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := cluster.TaskSpec{Name: "go", WorkName: "go", WorkerNum: 1, WhenDisconnected: cluster.WhenDisconnectedContinue}
		w := newWorld(t, task("a", 2), spec)
		var running [2]atomic.Int32
		var valid atomic.Bool
		work := func(i int) func(*xconsumer.Node) {
			return func(n *xconsumer.Node) {
				n.Handle("go", func(ctx context.Context, wk *xconsumer.Worker) error {
					running[i].Add(1)
					defer running[i].Add(-1)
					for ctx.Err() == nil {
						valid.Store(wk.Valid())
						select {
						case <-ctx.Done():
						case <-time.After(100 * time.Millisecond):
						}
					}
					return nil
				})
			}
		}
		n1 := w.start("n1", work(0))
		time.Sleep(time.Second)
		n2 := w.start("n2")
		time.Sleep(time.Second)
		if running[0].Load() != 1 {
			t.Fatal("it does not run")
		}
		n1.Cut()
		time.Sleep(time.Minute)
		n3 := w.start("n3", work(1))
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n2": 1, "n3": 1})
		if running[0].Load() != 1 || running[1].Load() != 1 {
			t.Errorf("without contact: %d and %d run", running[0].Load(), running[1].Load())
		}
		n1.Heal()
		time.Sleep(30 * time.Second)
		if sum := running[0].Load() + running[1].Load(); sum != 1 {
			t.Errorf("with contact again %d run", sum)
		}
		w.leave(n1, n2, n3)
		if sum := running[0].Load() + running[1].Load(); sum != 0 {
			t.Errorf("in the end %d run", sum)
		}
	})
}

// A node that leaves without contact takes all of its workers with it.
func TestLeavesWhenDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := cluster.TaskSpec{Name: "go", WorkName: "go", WorkerNum: 1, WhenDisconnected: cluster.WhenDisconnectedContinue}
		w := newWorld(t, spec)
		var running atomic.Int32
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("go", func(ctx context.Context, _ *xconsumer.Worker) error {
				running.Add(1)
				defer running.Add(-1)
				<-ctx.Done()
				return nil
			})
		})
		time.Sleep(time.Second)
		n1.Cut()
		time.Sleep(2 * time.Minute)
		if running.Load() != 1 {
			t.Error("it does not run on")
		}
		w.leave(n1)
		if running.Load() != 0 {
			t.Error("it runs after its node has left")
		}
	})
}

// A slot that ends while its node is cut off, for less than the session lasts, is done: its node notes that when its
// lease is back, and does not execute it again. What has not ended by then is stopped, and begins again.
func TestEndDuringACutIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once(3))
		var executions [3]atomic.Int32
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, wk *xconsumer.Worker) error {
				executions[wk.Index()].Add(1)
				select {
				case <-ctx.Done():
				case <-time.After([]time.Duration{3 * time.Second, 12 * time.Second, 60 * time.Second}[wk.Index()]):
				}
				return nil
			})
		})
		time.Sleep(time.Second)
		before := w.member(n1)
		n1.Cut()
		time.Sleep(17500 * time.Millisecond)
		if !n1.LastReport().Idle {
			t.Error("its parent would kill it, although nothing runs")
		}
		n1.Heal()
		time.Sleep(90 * time.Second)
		if w.member(n1) != before {
			t.Fatal("the cut outlasted the session")
		}
		w.wantRuns(n1, "done 3 done 0 failed of 3")
		for index, want := range []int32{1, 1, 2} {
			if n := executions[index].Load(); n != want {
				t.Errorf("worker %d was executed %d times, want %d", index, n, want)
			}
		}
		w.leave(n1)
	})
}

// A slot that has ended while its node was cut off for longer than its session lasts does not keep the node from
// joining again; it is executed again, since nobody knows that it was.
func TestEndDuringALongCutIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once(1))
		var executions atomic.Int32
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, _ *xconsumer.Worker) error {
				executions.Add(1)
				select {
				case <-ctx.Done():
				case <-time.After(3 * time.Second):
				}
				return nil
			})
		})
		time.Sleep(time.Second)
		n1.Cut()
		time.Sleep(time.Minute)
		n1.Heal()
		time.Sleep(time.Minute)
		w.wantRuns(n1, "done 1 done 0 failed of 1")
		if n := executions.Load(); n != 2 {
			t.Errorf("it was executed %d times", n)
		}
		w.leave(n1)
	})
}
