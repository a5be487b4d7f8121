package cluster_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// startFailing starts a node whose work fails while the node is the bad one.
func (w *world) startFailing(name string, bad *atomic.Value) *proc {
	return w.start(name, func(n *xconsumer.Node) {
		n.Handle("picky", func(ctx context.Context, wk *xconsumer.Worker) error {
			if name == bad.Load() {
				return errors.New("disk is full")
			}
			defer w.floor.enter(name, wk)()
			<-ctx.Done()
			return nil
		})
	})
}

func picky(workers int, r cluster.Restart) cluster.TaskSpec {
	return cluster.TaskSpec{Name: "picky", WorkName: "picky", WorkerNum: workers, Restart: r}
}

// What fails again and again on one node is tried on another.
func TestFailsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, picky(2, cluster.Restart{Elsewhere: 3}))
		var bad atomic.Value
		bad.Store("n2")
		n1, n2, n3 := w.startFailing("n1", &bad), w.startFailing("n2", &bad), w.startFailing("n3", &bad)
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 1, "n3": 1})
		at := len(w.state(n1).Workers)
		time.Sleep(5 * time.Minute)
		w.wantShare(map[string]int{"n1": 1, "n3": 1})
		if at != 2 {
			t.Errorf("%d workers", at)
		}
		w.leave(n1, n2, n3)
	})
}

// A node on which everything fails is given nothing, until somebody says that it is well.
func TestQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, picky(9, cluster.Restart{}))
		var bad atomic.Value
		bad.Store("n2")
		n1, n2, n3 := w.startFailing("n1", &bad), w.startFailing("n2", &bad), w.startFailing("n3", &bad)
		time.Sleep(time.Minute)
		info := w.nodeInfo(n1, "n2")
		if info.Slots != 0 || info.Quarantine == "" {
			t.Errorf("%+v", info)
		}
		bad.Store("")
		w.do(n3, cluster.Uncordon("n2"))
		time.Sleep(10 * time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3, "n3": 3})
		if info := w.nodeInfo(n1, "n2"); info.Quarantine != "" {
			t.Errorf("%+v", info)
		}
		w.leave(n1, n2, n3)
	})
}

// What fails on most nodes and runs on one does not take those out.
func TestFailsOnMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, picky(9, cluster.Restart{}))
		var one, two atomic.Value
		one.Store("n1")
		two.Store("n2")
		n1, n2, n3 := w.startFailing("n1", &one), w.startFailing("n2", &two), w.startFailing("n3", &one)
		time.Sleep(10 * time.Minute)
		for _, n := range w.state(n3).Nodes {
			if n.Quarantine != "" || n.Slots != 3 {
				t.Errorf("%+v", n)
			}
		}
		w.leave(n1, n2, n3)
	})
}

// A work that fails everywhere quarantines nobody.
func TestFailsEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, picky(9, cluster.Restart{Elsewhere: 3, Max: 6}))
		fail := func(n *xconsumer.Node) {
			n.Handle("picky", func(context.Context, *xconsumer.Worker) error { return errors.New("no luck") })
		}
		n1, n2, n3 := w.start("n1", fail), w.start("n2", fail), w.start("n3", fail)
		time.Sleep(30 * time.Minute)
		s := w.state(n1)
		for _, n := range s.Nodes {
			if n.Quarantine != "" || n.Slots == 0 {
				t.Errorf("%+v", n)
			}
		}
		for _, wk := range s.Workers {
			if wk.State != cluster.WorkerGivenUp {
				t.Errorf("%s is %s after half an hour, with %d failures", wk.Slot(), wk.State, wk.Restarts)
			}
		}
		w.leave(n1, n2, n3)
	})
}
