package cluster_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// misled is a planner that goes wrong on some nodes while it is told to.
type misled struct {
	plan func(planner.Input) planner.Plan // what it does instead, nil for nothing wrong
	on   atomic.Bool
}

func (m *misled) make(in planner.Input) planner.Plan {
	if m.on.Load() {
		return m.plan(in)
	}
	return planner.Make(in)
}

// startMisled starts a node whose leader plans with m.
func (w *world) startMisled(name string, m *misled) *proc {
	w.t.Helper()
	w.ctx = leader.WithPlanner(w.t.Context(), m.make)
	defer func() { w.ctx = nil }()
	return w.start(name)
}

// A decision that hangs ends the term: another node leads, workers stay, and what a killed node had runs elsewhere. The
// member stands again when the decision has come back.
func TestDecisionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		back := make(chan struct{})
		m := &misled{plan: func(in planner.Input) planner.Plan {
			<-back
			return planner.Make(in)
		}}
		n1 := w.startMisled("n1", m)
		n2, n3 := w.start("n2"), w.start("n3")
		time.Sleep(time.Second)
		started := w.floor.started()
		events := n1.Events(t.Context())
		m.on.Store(true)
		w.floor.die("n3")
		n3.Kill()
		n3.Stop()
		<-n3.Done()                  // however it ends
		time.Sleep(35 * time.Second) // its session ends, and the leader hangs
		if ready := n1.Ready(); len(ready) != 1 || !strings.Contains(ready[0], "one step") {
			t.Errorf("n1 is ready but for %q", ready)
		}
		if s := w.state(n1); len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "one step") {
			t.Errorf("n1 warns of %q", s.Warnings)
		}
		if s := gauge(n1, "xconsumer_leader_round_seconds"); s < 10 {
			t.Errorf("its round lasts %v s", s)
		}
		time.Sleep(15 * time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		if s := w.state(n2); s.Leader != "n2" {
			t.Errorf("%s leads", s.Leader)
		}
		if n := w.floor.started() - started; n != 2 {
			t.Errorf("%d workers were started", n)
		}
		wantEvent(t, events, cluster.LeaderGaveUp)
		if ready := n1.Ready(); len(ready) != 1 || !strings.Contains(ready[0], "does not stand") {
			t.Errorf("n1 is ready but for %q", ready)
		}
		if stand := w.hand().children("/election"); len(stand) != 1 {
			t.Errorf("candidates: %v", stand)
		}
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 3, "n2": 3})
		m.on.Store(false)
		close(back)
		time.Sleep(5 * time.Second)
		if stand := w.hand().children("/election"); len(stand) != 2 {
			t.Errorf("candidates: %v", stand)
		}
		if ready := n1.Ready(); len(ready) > 0 {
			t.Errorf("n1 is not ready: %q", ready)
		}
		w.leave(n2, n1)
	})
}

// A decision that hangs does not keep its node from leaving in order.
func TestLeavesWhileItsDecisionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		back := make(chan struct{})
		defer close(back)
		m := &misled{plan: func(in planner.Input) planner.Plan {
			<-back
			return planner.Make(in)
		}}
		n1 := w.startMisled("n1", m)
		n2 := w.start("n2")
		time.Sleep(time.Second)
		m.on.Store(true)
		w.hand().scale(4, 5)
		time.Sleep(time.Second)
		w.leave(n1)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n2": 5})
		w.leave(n2)
	})
}

// A decision that panics, on every node, takes no process and no worker with it; when it does not panic any longer,
// all is as it should be.
func TestDecisionPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		m := &misled{plan: func(planner.Input) planner.Plan { return planner.Plan{Unplaced: make([]cluster.Reason, 9)} }}
		n1, n2, n3 := w.startMisled("n1", m), w.startMisled("n2", m), w.startMisled("n3", m)
		time.Sleep(time.Second)
		term := w.state(n1).Term
		started := w.floor.started()
		events := n1.Events(t.Context())
		m.on.Store(true)
		w.hand().scale(6, 9)
		time.Sleep(2 * time.Minute)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		if n := w.floor.started() - started; n != 0 {
			t.Errorf("%d workers were started", n)
		}
		wantEvent(t, events, cluster.PlanFailed)
		wantEvent(t, events, cluster.LeaderGaveUp)
		if fault := string(w.hand().get("/planfault").Value); !strings.Contains(fault, "deciding panicked") || !strings.Contains(fault, "workerNum") {
			t.Errorf("kept: %.300s", fault)
		}
		terms := w.state(n1).Term - term
		t.Logf("%d terms in two minutes", terms)
		if terms < 3 || terms > 40 {
			t.Errorf("%d terms in two minutes", terms)
		}
		m.on.Store(false)
		time.Sleep(40 * time.Second)
		w.wantShare(map[string]int{"n1": 3, "n2": 3, "n3": 3})
		for _, p := range []*proc{n1, n2, n3} {
			if ready := p.Ready(); len(ready) > 0 {
				t.Errorf("%s is not ready: %q", p.Name(), ready)
			}
		}
		w.leave(n1, n2, n3)
	})
}
