package cluster_test

import (
	"context"
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
)

// restarting has nodes ask that their slots wait for them.
func restarting(grace time.Duration) func(*xconsumer.Config) {
	return func(c *xconsumer.Config) { c.RestartGrace = grace }
}

// A node that leaves to be restarted finds its work where it was, the leader as well, and nothing else moves. One that does not come
// back is given up when its time is over.
func TestNodesAreRestarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		w.Config = restarting(time.Minute)
		nodes := []*proc{w.start("n1"), w.start("n2"), w.start("n3")}
		time.Sleep(time.Second)
		even := map[string]int{"n1": 2, "n2": 2, "n3": 2}
		w.wantShare(even)
		for i, p := range nodes { // n1 leads, then n2, then n3
			starts := w.floor.started()
			began := time.Now()
			w.leave(p)
			if took := time.Since(began); took > time.Second {
				t.Errorf("%s took %v to leave; nothing of it has to go elsewhere", p.Name(), took)
			}
			time.Sleep(50 * time.Second)
			witness := nodes[(i+1)%3]
			if n := w.floor.started() - starts; n != 0 {
				t.Errorf("%d workers were started while they wait for %s", n, p.Name())
			}
			if info := w.state(witness).Tasks[0]; info.ReasonCode != cluster.WhyDelayed || !strings.Contains(info.Reason, "it has left to be restarted, and is given 1m0s") {
				t.Errorf("%s has left: %+v", p.Name(), info)
			}
			nodes[i] = w.start(p.Name())
			time.Sleep(time.Second)
			w.wantShare(even)
			if n := w.floor.started() - starts; n != 2 {
				t.Errorf("%d workers were started when %s was back; want 2", n, p.Name())
			}
		}
		w.leave(nodes[2])
		time.Sleep(59 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		time.Sleep(2 * time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		w.leave(nodes[1])
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 3})
		w.do(nodes[0], cluster.MoveNow())
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 6})
		w.leave(nodes[0])
	})
}

// What a node was granted and did not start before it left does not wait for it.
func TestUnclaimedGrantsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, live())
		w.Config = restarting(cluster.MaxRestartGrace)
		n1 := w.start("n1")
		var mute atomic.Bool // no status of n2 is written
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			return coordtest.Interceptor{Commit: func(
				ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error),
			) ([]coord.Result, error) {
				for _, op := range ops {
					if mute.Load() && op.Kind == coord.KindSet && strings.HasPrefix(op.Key, root+"/status/") {
						return nil, coord.ErrUnknown
					}
				}
				return next(ctx, ops...)
			}}
		}
		n2 := w.start("n2")
		w.intercept = nil
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		mute.Store(true)
		w.do(n1, cluster.Scale("a", 8))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 4, "n2": 2})
		w.leave(n2)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 6})
		w.do(n1, cluster.MoveNow())
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 8})
		w.leave(n1)
	})
}

// A node that has come back gets free slots only until the nodes are quiet; the state says until when its share waits, and an operator
// ends that.
func TestNodesComeBackQuietly(t *testing.T) {
	for _, asked := range []bool{false, true} {
		t.Run(map[bool]string{false: "in time", true: "move now"}[asked], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 6))
				w.Rebalance.Quiet = cluster.Duration(time.Minute)
				n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
				time.Sleep(time.Second)
				w.leave(n2)
				time.Sleep(time.Second)
				n2 = w.start("n2")
				back := time.Now()
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n1": 3, "n3": 3})
				d := w.state(n3).Deferred
				if d == nil || d.Code != cluster.WhyQuiet || !strings.Contains(d.Reason, "1m0s") || d.Until.Sub(back).Round(2*time.Second) != time.Minute {
					t.Fatalf("deferred: %+v, %v after n2 was back", d, time.Since(back))
				}
				w.leave(n3)
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n1": 3, "n2": 3}) // what n3 left is free
				n3 = w.start("n3")
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n1": 3, "n2": 3})
				if asked {
					w.do(n2, cluster.MoveNow())
				} else {
					time.Sleep(57 * time.Second)
					w.wantShare(map[string]int{"n1": 3, "n2": 3})
					time.Sleep(2 * time.Second)
				}
				time.Sleep(time.Second)
				w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
				if d := w.state(n2).Deferred; d != nil {
					t.Errorf("deferred: %+v", d)
				}
				w.leave(n3) // what was asked is done, and holds for no other node
				time.Sleep(time.Second)
				n3 = w.start("n3")
				time.Sleep(10 * time.Second)
				w.wantShare(map[string]int{"n1": 3, "n2": 3})
				w.leave(n3, n2, n1)
			})
		})
	}
}
