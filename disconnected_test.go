package xconsumer_test

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
