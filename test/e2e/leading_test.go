package e2e_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/link"
)

// edit changes a record by hand.
func (f *fleet) edit(key string, change func(coord.Record) coord.Op) {
	f.Helper()
	for {
		r, err := f.session.Get(f.Context(), key)
		if err != nil {
			f.Fatal(err)
		}
		_, err = f.session.Commit(f.Context(), change(r))
		if err == nil {
			return
		}
		if _, checked := coord.FailedCheck(err); !checked {
			f.Fatal(err)
		}
	}
}

func (f *fleet) epoch() (epoch schema.Epoch) {
	f.Helper()
	r, err := f.session.Get(f.Context(), f.keys.Epoch())
	if err == nil {
		err = schema.Decode(f.keys.Epoch(), r, &epoch)
	}
	if err != nil {
		f.Fatal(err)
	}
	return epoch
}

// Records that a leader's commits depend on are written by hand, and then a node is killed: its work runs elsewhere.
func TestLeaderIsWrittenOver(t *testing.T) { onBoth(t, testLeaderIsWrittenOver) }

func testLeaderIsWrittenOver(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	n1, n2, n3 := f.three()
	before := f.epoch()
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"the candidate key", func() {
			list, err := f.session.List(t.Context(), f.keys.Elections())
			if err != nil {
				t.Fatal(err)
			}
			leader := f.epoch().Leader
			for _, e := range list {
				if memberID, _ := schema.Candidate(e.Name); memberID == leader {
					key := f.keys.Elections() + "/" + e.Name
					f.edit(key, func(r coord.Record) coord.Op { return coord.Set(key, r.Value, r.Version) })
				}
			}
			f.Await("another one leads", func() bool { return f.epoch().Leader != leader })
		}},
		{"the next decision", func() {
			if _, err := f.session.Commit(t.Context(), coord.Create(f.keys.Decision(f.epoch().NextDecision), []byte("{}"))); err != nil {
				t.Fatal(err)
			}
		}},
		{"the epoch, put back", func() {
			f.edit(f.keys.Epoch(), func(r coord.Record) coord.Op {
				old := before
				return coord.Set(f.keys.Epoch(), schema.Encode(&old, r.Version+1), r.Version)
			})
		}},
	} {
		t.Log(c.name)
		c.do()
		n3.Signal(syscall.SIGKILL)
		n3.exit()
		n1.awaitBalance("n1", "n2")
		n3 = f.start("n3")
		n1.awaitBalance("n1", "n2", "n3")
	}
	for _, p := range []*proc{n1, n2, n3} {
		p.leave()
	}
}

// A leader is heard and hears nothing, for good, and another node is killed: all work runs where it can.
func TestDeafLeaderIsReplaced(t *testing.T) { onBoth(t, testDeafLeaderIsReplaced) }

func testDeafLeaderIsReplaced(t *testing.T, b backend) {
	server := b.start(t, 1)
	f := newFleet(t, b, server.Hosts(), 5*time.Second)
	wire := link.New(t, server.Addrs()...)
	n1 := f.start("n1", b.flag, wire.Hosts())
	n1.awaitSpread("n1")
	n2, n3 := f.start("n2"), f.start("n3")
	n2.awaitBalance("n1", "n2", "n3")
	began := time.Now()
	wire.LoseReplies()
	n3.Signal(syscall.SIGKILL)
	n3.exit()
	n2.awaitBalance("n2")
	took := time.Since(began)
	t.Logf("all ran after %v", took)
	// Its lease, the end of its session, and what a lost machine takes; the machine may be busy.
	if most := 4*f.timeout + 15*time.Second; took > most {
		t.Errorf("all ran after %v; want at most %v", took, most)
	}
	wire.Heal()
	n2.awaitBalance("n1", "n2")
	n1.leave()
	n2.leave()
}

// A leader's decision hangs while a node is killed: another one leads, and the leader's workers stay.
func TestDecisionHangs(t *testing.T) { onBoth(t, testDecisionHangs) }

func testDecisionHangs(t *testing.T, b backend) {
	hosts := b.start(t, 1).Hosts()
	f := newFleet(t, b, hosts, 4*time.Second)
	back, hang := make(chan struct{}), atomic.Bool{}
	ctx, stop := context.WithCancel(leader.WithPlanner(t.Context(), func(in planner.Input) planner.Plan {
		if hang.Load() {
			<-back
		}
		return planner.Make(in)
	}))
	defer stop()
	task := func(name string) cluster.TaskSpec { return cluster.TaskSpec{Name: name, WorkName: name, WorkerNum: 2} }
	node, err := xconsumer.New(b.store(t, hosts), xconsumer.Config{
		Cluster: "e2e", Name: "n1", Tasks: []cluster.TaskSpec{task("test01"), task("test02")}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"test01", "test02"} {
		node.Handle(name, func(ctx context.Context, w *xconsumer.Worker) error { return lockedWork(ctx, f.dir, "n1", w) })
	}
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	f.Await("n1 leads", func() bool { _, leads := node.Admin().Leading(); return leads })
	n2, n3 := f.start("n2"), f.start("n3")
	first := n2.awaitBalance("n1", "n2", "n3")
	mark := len(f.journal())
	hang.Store(true)
	n3.Signal(syscall.SIGKILL)
	n3.exit()
	after := n2.awaitBalance("n1", "n2")
	if after.Leader != "n2" || memberOf(after, "n1") != memberOf(first, "n1") {
		t.Errorf("%s leads; n1 was member %s, is %s", after.Leader, memberOf(first, "n1"), memberOf(after, "n1"))
	}
	if stops := f.notes(mark, "stop", "n1"); len(stops) > 0 {
		t.Errorf("workers of n1 have stopped: %v", stops)
	}
	if ready := fmt.Sprint(node.Ready()); ready == "[]" {
		t.Error("n1 is ready")
	}
	hang.Store(false)
	close(back)
	f.Await("n1 is ready", func() bool { return len(node.Ready()) == 0 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	n2.awaitBalance("n2")
	n2.leave()
}
