package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

func TestClusterLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4), task("b", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 6})
		n2 := w.start("n2")
		n3 := w.start("n3")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		state := w.state(n3)
		if state.Leader != "n1" || state.Term != 1 || len(state.Nodes) != 3 || len(state.Workers) != 6 {
			t.Errorf("state: %+v", state)
		}
		for _, wk := range state.Workers {
			if wk.State != cluster.WorkerRunning || wk.Token < 1 || wk.Node == "" {
				t.Errorf("worker: %+v", wk)
			}
		}
		// A node leaves: its workers run elsewhere at once.
		w.leave(n2)
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 3, "n3": 3})
		// The leader leaves: it hands over before it goes.
		w.leave(n1)
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n3": 6})
		if state := w.state(n3); state.Leader != "n3" || state.Term != 2 || len(state.Lost) != 0 {
			t.Errorf("state after the leader left: %+v", state)
		}
		w.leave(n3)
		w.wantShare(map[string]int{})
	})
}

func TestShortCutMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		started := w.floor.started()
		for _, p := range []*proc{n1, n2} {
			p.Cut()
			time.Sleep(10 * time.Second)
			p.Heal()
			time.Sleep(5 * time.Second)
		}
		if n := w.floor.started(); n != started {
			t.Errorf("%d workers were started again", n-started)
		}
		if state := w.state(n1); state.Leader != "n1" || state.Term != 1 {
			t.Errorf("leader %q, term %d", state.Leader, state.Term)
		}
		w.leave(n1, n2)
	})
}

func TestLongCutFencesAndMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		events := n2.Events(t.Context())
		member := memberOf(w.state(n1), "n2")
		n2.Cut()
		began := time.Now()
		for e := range events {
			if e.Kind == cluster.LeaseLost {
				break
			}
		}
		if took := time.Since(began); took < 10*time.Second || took > 17*time.Second {
			t.Errorf("fenced %v after the cut", took)
		}
		time.Sleep(10 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 2})
		time.Sleep(20 * time.Second) // the session expires, and the leader takes over
		w.wantShare(map[string]int{"n1": 4})
		n2.Heal()
		time.Sleep(15 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if again := memberOf(w.state(n1), "n2"); again == "" || again == member {
			t.Errorf("n2 is member %q; it was %q", again, member)
		}
		w.leave(n2, n1)
	})
}

func TestOutageResumesUnderTheSameTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		before := tokens(w.state(n1))
		n1.Cut()
		n2.Cut()
		time.Sleep(18 * time.Second) // longer than the lease, shorter than the session
		w.wantShare(map[string]int{})
		n1.Heal()
		n2.Heal()
		time.Sleep(5 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if diff := cmp.Diff(before, tokens(w.state(n1))); diff != "" {
			t.Errorf("tokens changed:\n%s", diff)
		}
		w.leave(n1, n2)
	})
}

func TestLostNodeIsReplacedAfterItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		n2 := w.start("n2")
		time.Sleep(time.Second)
		n3 := w.start("n3")
		time.Sleep(time.Second)
		n1.Cut() // the leader
		time.Sleep(26 * time.Second)
		w.wantShare(map[string]int{"n2": 3, "n3": 3})
		if state := w.state(n3); state.Leader != "n2" || state.Term != 2 {
			t.Errorf("leader %q, term %d", state.Leader, state.Term)
		}
		n1.Heal()
		time.Sleep(15 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		if state := w.state(n1); state.Leader != "n2" {
			t.Errorf("leader %q after the old one came back", state.Leader)
		}
		w.leave(n3, n2, n1)
	})
}

func TestNameIsRefusedWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		twin := w.start("n1")
		time.Sleep(5 * time.Second)
		want := func(until string) {
			t.Helper()
			reasons := strings.Join(twin.Ready(), "\n")
			if !strings.Contains(reasons, `node name "n1" is taken by host`) || !strings.Contains(reasons, until+"; stop that node, or give this one another name") {
				t.Errorf("ready: %s; want %s", reasons, until)
			}
		}
		want("until that node leaves, or for 21s at most if it has died")
		time.Sleep(25 * time.Second)
		want("until that node leaves: it is alive")
		if len(n1.Ready()) > 0 {
			t.Errorf("ready: %v", n1.Ready())
		}
		w.leave(n1)
		time.Sleep(time.Second)
		if len(twin.Ready()) > 0 {
			t.Errorf("ready: %v", twin.Ready())
		}
		w.wantShare(map[string]int{"n1": 2})
		w.leave(twin)
	})
}

// lostJoin is a store in which the first join happens, and its answer is lost.
type lostJoin struct {
	coord.Store
	lost, closed *atomic.Bool // that join, and its session
}

func (l lostJoin) Open(ctx context.Context) (coord.Session, error) {
	s, err := l.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	return &lostJoinSession{Session: s, of: l}, nil
}

type lostJoinSession struct {
	coord.Session
	of   lostJoin
	lost bool
}

func (s *lostJoinSession) Close() error {
	if s.lost {
		s.of.closed.Store(true)
	}
	return s.Session.Close()
}

func (s *lostJoinSession) Commit(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
	results, err := s.Session.Commit(ctx, ops...)
	joins := slices.ContainsFunc(ops, func(op coord.Op) bool { return strings.Contains(op.Key, "/heartbeats/") })
	if err == nil && joins && s.of.lost.CompareAndSwap(false, true) {
		s.lost = true
		return nil, coord.ErrUnknown
	}
	return results, err
}

// A node that does not know whether it has joined ends that session, whose keys would otherwise be there for as long as its client
// lives, and joins in another one.
func TestJoinWithoutAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		var lost, closed atomic.Bool
		w.store = func(s coord.Store) coord.Store { return lostJoin{s, &lost, &closed} }
		n1 := w.start("n1")
		time.Sleep(5 * time.Second) // less than a session timeout
		if !lost.Load() || !closed.Load() {
			t.Errorf("a join was lost: %t; its session was ended: %t", lost.Load(), closed.Load())
		}
		if reasons := n1.Ready(); len(reasons) > 0 {
			t.Errorf("not ready: %q", reasons)
		}
		w.wantShare(map[string]int{"n1": 2})
		w.leave(n1)
	})
}

func TestUnregisteredWorkIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1), task("nobody", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		want := []cluster.TaskInfo{
			{Name: "a", WorkName: "a", WorkerNum: 1, Running: 1, Revision: "0"},
			{Name: "nobody", WorkName: "nobody", WorkerNum: 2, Unplaced: 2, Reason: "no live node has registered its work", ReasonCode: cluster.WhyNoWork, Revision: "0"},
		}
		if diff := cmp.Diff(want, w.state(n1).Tasks); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		w.leave(n1)
	})
}

func TestFailingWorkBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("bad", 1), task("worse", 1), task("busy", 1))
		count := func(n *atomic.Int32, f func() error) xconsumer.Func {
			return func(context.Context, *xconsumer.Worker) error {
				n.Add(1)
				return f()
			}
		}
		var bad, worse, busy atomic.Int32
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("bad", count(&bad, func() error { return errors.New("no luck " + strings.Repeat("é", 2000)) }))
			n.Handle("worse", count(&worse, func() error { panic("boom") }))
			n.Handle("busy", count(&busy, func() error { time.Sleep(time.Second); return nil }))
		})
		time.Sleep(60 * time.Second)
		for _, wk := range w.state(n1).Workers {
			switch wk.Task {
			case "bad", "worse":
				// It may be seen in the middle of one of its short executions.
				if wk.State != cluster.WorkerBackoff && wk.State != cluster.WorkerRunning || wk.Restarts < 4 || wk.Restarts > 10 || wk.Error == "" || len(wk.Error) > 1024 {
					t.Errorf("worker: %+v", wk)
				}
			case "busy":
				if wk.State != cluster.WorkerRunning || wk.Restarts != 0 {
					t.Errorf("worker: %+v", wk)
				}
			}
		}
		if bad.Load() > 10 || worse.Load() > 10 || busy.Load() < 50 {
			t.Errorf("executed bad %d, worse %d, busy %d times", bad.Load(), worse.Load(), busy.Load())
		}
		w.leave(n1)
	})
}

// A node that lost its session joins again only when every old worker has stopped.
func TestJoinGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("slow", 2))
		var stopped []time.Time
		var mu sync.Mutex
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("slow", func(ctx context.Context, wk *xconsumer.Worker) error {
				defer w.floor.enter("n1", wk)()
				<-ctx.Done()
				time.Sleep(time.Second) // less than a leader waits
				mu.Lock()
				defer mu.Unlock()
				stopped = append(stopped, time.Now())
				return nil
			})
		})
		events := n1.Events(t.Context())
		w.Service.Expire(memberSession(w, n1))
		for e := range events {
			if e.Kind == cluster.NodeJoined {
				mu.Lock()
				if len(stopped) != 2 || e.Time.Before(stopped[1]) {
					t.Errorf("joined at %v; old workers stopped at %v", e.Time, stopped)
				}
				mu.Unlock()
				break
			}
		}
		time.Sleep(10 * time.Second)
		w.wantShare(map[string]int{"n1": 2})
		w.leave(n1)
	})
}

// A session that is ended before its time, of a node that is cut off and cannot hear of it: its slots move when
// its own lease is over for certain, not when the leader's would be.
func TestEarlyEndOfALongerSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		w.Service = mem.New(mem.Config{Timeout: 10 * time.Second, TakeoverDelay: coord.OwnTimeout, Latency: 3 * time.Millisecond})
		w.timeouts = map[string]time.Duration{"n2": 30 * time.Second}
		n1 := w.start("n1")
		n2 := w.start("n2")
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		n2.Cut()
		w.Service.Expire(memberSession(w, n2))
		began := time.Now()
		for w.floor.share()["n1"] < 2 { // the floor sees every overlap
			time.Sleep(100 * time.Millisecond)
		}
		// Its last heartbeat was sent at most 2 s before, and the leader's next one has shown it.
		if took := time.Since(began); took < 28*time.Second || took > 32*time.Second {
			t.Errorf("its slots moved after %v; its session timeout is 30s", took)
		}
		n2.Heal()
		time.Sleep(30 * time.Second)
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		w.leave(n1, n2)
	})
}

// Where a session may end early, a lost machine costs one session timeout after its last heartbeat all the same, the leader's too:
// the next leader remembers what it was shown before it led. If the service has forgotten that heartbeat, the leader waits for a
// timeout from the end of the session.
func TestLostMachineCostsOneTimeout(t *testing.T) {
	const timeout = 10 * time.Second
	for name, c := range map[string]struct {
		lost     string
		forgets  bool
		min, max time.Duration
	}{
		"a follower":               {"n2", false, timeout - 2*time.Second, timeout + 2*time.Second},
		"the leader":               {"n1", false, timeout - 2*time.Second, timeout + 2*time.Second},
		"and the history is gone":  {"n2", true, 2*timeout - 3*time.Second, 2*timeout + time.Second},
		"and the leader's as well": {"n1", true, 2*timeout - 3*time.Second, 2*timeout + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 6))
				w.Service = mem.New(mem.Config{Timeout: timeout, TakeoverDelay: coord.OwnTimeout, Latency: 3 * time.Millisecond})
				nodes := map[string]*proc{}
				for _, name := range []string{"n1", "n2", "n3"} {
					nodes[name] = w.start(name)
				}
				w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
				time.Sleep(time.Minute)
				began := time.Now()
				w.die(nodes[c.lost])
				for w.floor.share()["n3"] < 3 {
					if c.forgets {
						w.Service.Compact()
					}
					time.Sleep(10 * time.Millisecond)
				}
				took := time.Since(began)
				t.Logf("its slots moved after %v; the session timeout is %v", took, timeout)
				if took < c.min || took > c.max {
					t.Errorf("its slots moved after %v; want %v to %v", took, c.min, c.max)
				}
				delete(nodes, c.lost)
				for _, n := range nodes {
					w.leave(n)
				}
			})
		})
	}
}

// Slots of a node that leaves move one by one, each when its worker has stopped and not before.
func TestSlowWorkersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("slow", 6))
		slow := func(name string) func(*xconsumer.Node) {
			return func(n *xconsumer.Node) {
				n.Handle("slow", func(ctx context.Context, wk *xconsumer.Worker) error {
					defer w.floor.enter(name, wk)()
					<-ctx.Done()
					time.Sleep(time.Duration(1+wk.Index()) * time.Second)
					return nil
				})
			}
		}
		n1, n2, n3 := w.start("n1", slow("n1")), w.start("n2", slow("n2")), w.start("n3", slow("n3"))
		time.Sleep(30 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		for _, p := range []*proc{n2, n1} { // a follower, then the leader
			p.Stop()
			moved := 0
			for stopped := false; !stopped; {
				select {
				case <-p.Done():
					stopped = true
					if err := p.Wait(); err != nil {
						t.Error(err)
					}
				case <-time.After(100 * time.Millisecond):
					share := w.floor.share()
					if left := share[p.Name()]; left > 0 && left < 3 && share["n1"]+share["n2"]+share["n3"] == 6 {
						moved = max(moved, 3-left)
					}
				}
			}
			time.Sleep(time.Second)
			share := w.floor.share()
			if share[p.Name()] != 0 || share["n1"]+share["n2"]+share["n3"] != 6 {
				t.Errorf("after %s left: %v", p.Name(), share)
			}
			if moved == 0 {
				t.Errorf("%s: nothing ran elsewhere before its last worker had stopped", p.Name())
			}
		}
		w.leave(n3)
	})
}
