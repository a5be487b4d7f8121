package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// A node that is lost and comes back in time finds its work where it was.
func TestLeaveDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		w.Rebalance.LeaveDelay = cluster.Duration(time.Minute)
		n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
		time.Sleep(time.Second)
		starts := w.floor.started()
		w.lose(n2)
		time.Sleep(20 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n3": 2})
		if info := w.state(n3).Tasks[0]; info.ReasonCode != cluster.WhyDelayed || !strings.Contains(info.Reason, "it is given 1m0s to come back") {
			t.Errorf("waiting: %+v", info)
		}
		n2 = w.start("n2")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		if n := w.floor.started() - starts; n != 2 {
			t.Errorf("%d workers were started; want 2", n)
		}
		// One that does not come back is given up, and one that leaves is not waited for.
		w.lose(n2)
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 3, "n3": 3})
		w.leave(n3)
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 6})
		w.leave(n1)
	})
}

func TestMoveNowCutsADelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		w.Rebalance.LeaveDelay = cluster.Duration(time.Hour)
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		w.lose(n2)
		w.wantShare(map[string]int{"n1": 2})
		w.do(n1, cluster.MoveNow())
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 4})
		w.leave(n1)
	})
}

// When many vanish at once, it is more likely that something else is wrong: their work waits.
func TestFreeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 10))
		w.Rebalance.FreezeAbove, w.Rebalance.FreezeFor = 0.3, cluster.Duration(10*time.Minute)
		var nodes []*proc
		for i := range 5 {
			nodes = append(nodes, w.start(fmt.Sprint("n", i)))
		}
		time.Sleep(time.Second)
		// One of five is not enough.
		w.lose(nodes[4])
		time.Sleep(time.Second)
		if n := len(w.floor.check.Running()); n != 10 {
			t.Errorf("%d workers run after one node was lost", n)
		}
		// Two more of the four are.
		nodes[3].Kill()
		w.lose(nodes[2])
		w.floor.die("n3")
		nodes[3].Stop()
		if err := nodes[3].Wait(); err != nil {
			t.Log(err)
		}
		time.Sleep(5 * time.Minute)
		running := len(w.floor.check.Running())
		if running == 10 {
			t.Errorf("nothing was frozen")
		}
		if info := w.state(nodes[0]).Tasks[0]; info.ReasonCode != cluster.WhyDelayed || !strings.Contains(info.Reason, "vanished at once") {
			t.Errorf("frozen: %+v", info)
		}
		// One comes back to its work, and the other's goes on when the freeze is over.
		back := w.start("n3")
		time.Sleep(time.Second)
		if n := len(w.floor.check.Running()); n <= running {
			t.Errorf("%d workers run after a node came back; it were %d", n, running)
		}
		time.Sleep(10 * time.Minute)
		if n := len(w.floor.check.Running()); n != 10 {
			t.Errorf("%d workers run after the freeze", n)
		}
		w.leave(nodes[0], nodes[1], back)
	})
}

// Never more are in motion than the budget allows.
func TestBudgets(t *testing.T) {
	for _, c := range []struct {
		name      string
		rebalance cluster.Rebalance
		spec      func(*cluster.TaskSpec)
		most      int
	}{
		{"of the cluster", cluster.Rebalance{MaxInFlight: 2}, func(*cluster.TaskSpec) {}, 2},
		{"of the task", cluster.Rebalance{}, func(s *cluster.TaskSpec) { s.MaxUnavailable = 1 }, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := task("a", 12)
				c.spec(&spec)
				w := newWorld(t, spec)
				w.Rebalance = c.rebalance
				n1, n2 := w.start("n1"), w.start("n2")
				time.Sleep(5 * time.Second)
				w.wantShare(map[string]int{"n1": 6, "n2": 6})
				for _, op := range []cluster.Operation{cluster.Drain("n2", 0), cluster.Uncordon("n2"), cluster.RestartTask("a")} {
					w.do(n1, op)
					least := 12
					for range 5000 {
						time.Sleep(time.Millisecond)
						least = min(least, len(w.floor.check.Running()))
					}
					if 12-least > c.most || least == 12 {
						t.Errorf("%v: %d of 12 workers ran at the least; the budget is %d", op, least, c.most)
					}
					if n := len(w.floor.check.Running()); n != 12 {
						t.Errorf("%v: %d workers run in the end", op, n)
					}
				}
				// What runs nowhere does not wait.
				w.leave(n2)
				time.Sleep(100 * time.Millisecond)
				w.wantShare(map[string]int{"n1": 12})
				w.leave(n1)
			})
		})
	}
}

// Nodes that come in a burst get their shares together; the first one at once.
func TestBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 60))
		n0 := w.start("n0")
		time.Sleep(time.Second)
		starts := w.floor.started()
		var nodes []*proc
		for i := range 5 {
			nodes = append(nodes, w.begin(fmt.Sprint("n", i+1)))
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		for node, n := range w.floor.share() {
			if n != 10 {
				t.Errorf("%s has %d workers", node, n)
			}
		}
		// The first takes 30; without waiting the others would take 20, 15, 12 and 10 more, of
		// which only 40 have to move.
		if n := w.floor.started() - starts; n > 30+40 {
			t.Errorf("%d workers were started", n)
		}
		w.leave(append(nodes, n0)...)
	})
}

// A deadline ends a drain that nobody else can take over.
func TestDrainDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		w.do(n1, cluster.Drain("n1", 30*time.Second))
		time.Sleep(20 * time.Second)
		w.wantShare(map[string]int{"n1": 2}) // there is no other place
		time.Sleep(20 * time.Second)
		w.wantShare(map[string]int{})
		w.do(n1, cluster.Uncordon("n1"))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2})
		w.leave(n1)
	})
}
