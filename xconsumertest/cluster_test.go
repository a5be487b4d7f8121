package xconsumertest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/xconsumertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A worker whose node has crashed, as the others see it, runs for a while in addition to its
// successor: its effects are refused.
func TestCrashLeavesAZombie(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		work := &counter{ended: make(chan error, 10)}
		register := func(n *xconsumer.Node) { n.Methods(work) }
		c.Task("counts", "count", 1)
		n1 := c.Start("n1", register)
		c.Start("n2", register)
		if on := c.Where("counts", 0); on != "n1" {
			t.Fatalf("it runs on %s", on)
		}
		n1.Crash()
		c.Settle()
		if on := c.Where("counts", 0); on != "n2" {
			t.Errorf("it runs on %s", on)
		}
		c.Advance(3 * time.Second)
		if work.sink.Refused() == 0 {
			t.Error("nothing of the zombie was refused")
		}
	})
}

// A worker that ignores its context is not granted elsewhere, and ends its node's process when the
// lease is over.
func TestStuckWorker(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		release := make(chan struct{})
		defer close(release)
		c.Declare(cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 1, StopTimeout: cluster.Duration(time.Second)})
		n1 := c.Start("n1", func(n *xconsumer.Node) {
			n.Handle("a", func(context.Context, *xconsumer.Worker) error {
				<-release
				return nil
			})
		})
		n1.Cut()
		c.Advance(time.Minute)
		if err := n1.Err(); !errors.Is(err, xconsumer.ErrStuck) {
			t.Errorf("the node ended with %v", err)
		}
	})
}

// A node whose session is ended by an administrator loses its membership, and joins again.
func TestExpire(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		work := &counter{ended: make(chan error, 10)}
		c.Task("counts", "count", 3)
		n := c.Start("n1", func(n *xconsumer.Node) { n.Methods(work) })
		before := c.State().Nodes[0].Member
		n.Expire()
		c.Advance(5 * time.Second)
		c.Settle()
		if after := c.State().Nodes[0].Member; after == before {
			t.Error("it is the same member")
		}
		for range 3 {
			if cause := <-work.ended; !errors.Is(cause, xconsumer.ErrLeaseLost) {
				t.Errorf("stopped because %v", cause)
			}
		}
		if err := n.Err(); err != nil {
			t.Error(err)
		}
	})
}

// After a cut, the cluster has settled only when the lost node's workers run on the other node, although nothing happens
// while its session lasts.
func TestSettleAfterACut(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		register := func(n *xconsumer.Node) { n.Methods(&counter{ended: make(chan error, 10)}) }
		c.Task("counts", "count", 4)
		c.Start("n1", register)
		n2 := c.Start("n2", register)
		n2.Cut()
		c.Settle()
		for i := range 4 {
			if on := c.Where("counts", i); on != "n1" {
				t.Errorf("counts#%d runs on %q; want n1", i, on)
			}
		}
		n2.Heal()
		c.Settle()
		if n := len(c.State().Nodes); n != 2 {
			t.Errorf("after the cut, there are %d nodes; want 2", n)
		}
	})
}

// A task whose work no node has does not keep the cluster from settling.
func TestTaskWithoutAWork(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		c.Task("counts", "count", 1)
		c.Task("orphan", "none", 1)
		c.Start("n1", func(n *xconsumer.Node) { n.Methods(&counter{ended: make(chan error, 10)}) })
		if on := c.Where("orphan", 0); on != "" {
			t.Errorf("it runs on %s", on)
		}
	})
}
