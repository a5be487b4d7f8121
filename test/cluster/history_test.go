package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// places returns where everything is, as in "a#0 n1".
func places(workers []cluster.WorkerInfo) (list []string) {
	for _, w := range workers {
		if w.Node != "" {
			list = append(list, fmt.Sprintf("%s %s", w.Slot(), w.Node))
		}
	}
	return list
}

// A worker goes where an operator wants it, another one makes room, and all of it stays so.
func TestMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := task("a", 4)
		spec.MaxPerNode = 3
		w := newWorld(t, spec)
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		before := w.state(n1).Workers
		slot, to := before[0].Slot(), map[string]string{"n1": "n2", "n2": "n1"}[before[0].Node]
		w.do(n2, cluster.Move(slot, to))
		time.Sleep(time.Second)
		after := w.state(n1)
		if after.Workers[0].Node != to || after.Workers[0].State != cluster.WorkerRunning {
			t.Errorf("%s was to be on %s: %+v", slot, to, after.Workers[0])
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.do(n1, cluster.Cordon("n1")) // whatever makes the leader plan again
		w.do(n1, cluster.Uncordon("n1"))
		time.Sleep(time.Minute)
		if diff := cmp.Diff(places(after.Workers), places(w.state(n1).Workers)); diff != "" {
			t.Errorf("later (-want +got):\n%s", diff)
		}
		for _, c := range []struct {
			name string
			op   cluster.Operation
			err  error
			text string
		}{
			{"where it is", cluster.Move(slot, to), cluster.ErrChange, slot.String() + " is on " + to},
			{"to nobody", cluster.Move(slot, "n9"), cluster.ErrNoNode, "n9"},
			{"no worker", cluster.Move(cluster.Slot{Task: "a", Index: 9}, "n1"), cluster.ErrNoSlot, "a#9"},
		} {
			if _, err := n1.Admin().Do(t.Context(), c.op); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
		w.do(n1, cluster.Cordon(before[0].Node))
		time.Sleep(time.Second)
		if _, err := n1.Admin().Do(t.Context(), cluster.Move(slot, before[0].Node)); !errors.Is(err, cluster.ErrChange) || !strings.Contains(err.Error(), "is cordoned") {
			t.Errorf("to a cordoned node: %v", err)
		}
		w.leave(n1, n2)
	})
}

// A worker that was moved is not the first one to make room, though it came last: also while the budget lets one
// worker move at a time.
func TestMovedWorkersStay(t *testing.T) {
	for name, rebalance := range map[string]cluster.Rebalance{"no budget": {}, "one at a time": {MaxInFlight: 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 6))
				w.Rebalance = rebalance
				n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
				time.Sleep(time.Minute)
				for _, i := range []int{0, 1, 2, 3, 4, 5, 5, 4, 3, 2, 1, 0} { // those that came last first
					worker := w.state(n1).Workers[i]
					slot, to := worker.Slot(), map[string]string{"n1": "n2", "n2": "n3", "n3": "n1"}[worker.Node]
					w.do(n2, cluster.Move(slot, to))
					time.Sleep(time.Minute)
					if now := w.state(n1).Workers[i]; now.Node != to || now.State != cluster.WorkerRunning {
						t.Errorf("%s was to be on %s: %+v", slot, to, now)
					}
					w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
				}
				w.leave(n1, n2, n3)
			})
		})
	}
}

// A report says soon that the coordination service does not answer, however long a whole one may take.
func TestReportWithoutTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		n1.Cut()
		began := time.Now()
		if _, err := n1.Admin().Report(t.Context()); !errors.Is(err, cluster.ErrUnanswered) || time.Since(began) > 6*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		n1.Heal()
		w.leave(n1)
	})
}

func TestEvict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		before := w.nodeInfo(n1, "n2").Member
		w.do(n1, cluster.Evict("n2"))
		time.Sleep(time.Minute)
		if after := w.nodeInfo(n1, "n2").Member; after == before {
			t.Error("n2 is the member that it was")
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		leader := w.nodeInfo(n1, "n1").Member
		w.do(n2, cluster.Evict("n1")) // the leader
		time.Sleep(time.Minute)
		if state := w.state(n2); state.Leader != "n2" || w.nodeInfo(n2, "n1").Member == leader {
			t.Errorf("%q leads", state.Leader)
		}
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if _, err := n1.Admin().Do(t.Context(), cluster.Evict("n9")); !errors.Is(err, cluster.ErrNoNode) {
			t.Errorf("%v", err)
		}
		w.leave(n1, n2)
	})
}

// Labels that an operator gives a node are in force like its own, and outlive its process.
func TestLabel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := task("a", 2)
		spec.Require = "gpu=true"
		w := newWorld(t, spec)
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{})
		w.do(n1, cluster.Label("n2", map[string]*string{"gpu": new("true")}))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n2": 2})
		w.leave(n2)
		n2 = w.start("n2")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n2": 2})
		if diff := cmp.Diff(cluster.Labels{"gpu": "true"}, w.nodeInfo(n1, "n2").Labels); diff != "" {
			t.Error(diff)
		}
		w.do(n1, cluster.Label("n2", map[string]*string{"gpu": new("")}))
		time.Sleep(time.Second)
		w.wantShare(map[string]int{})
		w.do(n1, cluster.Label("n2", map[string]*string{"gpu": nil}))
		time.Sleep(time.Second)
		if labels := w.nodeInfo(n1, "n2").Labels; len(labels) > 0 {
			t.Errorf("labels %v", labels)
		}
		for _, bad := range []map[string]*string{nil, {"a b": new("x")}, {"node": new("x")}, {"x": new("a b")}} {
			if _, err := n1.Admin().Do(t.Context(), cluster.Label("n2", bad)); !errors.Is(err, cluster.ErrChange) {
				t.Errorf("%v: %v", bad, err)
			}
		}
		w.leave(n1, n2)
	})
}

// Whatever somebody asks for is in the audit, by whom and from where, with the change itself.
func TestAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		op := cluster.Scale("a", 3)
		op.By, op.From = "ada", "10.0.0.1"
		plan, err := n1.Admin().Plan(t.Context(), cluster.Operations{cluster.Drain("n2", 0)})
		if err != nil {
			t.Fatal(err)
		}
		w.do(n2, op)
		w.do(n2, op) // which changes nothing
		op = cluster.Cordon("n1")
		op.From = "127.0.0.1" // nobody's name is known
		w.do(n2, op)
		w.do(n2, cluster.Uncordon("n1")) // as the program itself asks
		time.Sleep(time.Second)
		if _, err := n1.Admin().Apply(t.Context(), cluster.Operations{cluster.Drain("n2", 0)}, plan.Revision, cluster.Caller{}); !errors.Is(err, cluster.ErrMovedOn) {
			t.Errorf("%v", err)
		}
		plan, err = n1.Admin().Plan(t.Context(), cluster.Operations{cluster.Drain("n2", 0)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n1.Admin().Apply(t.Context(), cluster.Operations{cluster.Drain("n2", 0)}, plan.Revision, cluster.Caller{By: "bob"}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		var got []string
		list, err := n2.Admin().Decisions(t.Context())
		for _, l := range list.Audit {
			got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s: %s", l.By, l.From, l.What)))
		}
		if diff := cmp.Diff([]string{`ada 10.0.0.1, over n2: scale task "a" to 3`, `anonymous 127.0.0.1, over n2: cordon node "n1"`, `n2 : uncordon node "n1"`, `bob : drain node "n2"`}, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		w.leave(n1, n2)
	})
}

// Undoing the decisions one by one leads through everything that was.
func TestPast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6), task("b", 5))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		was := map[int64][]string{} // by decision, once everything had settled
		note := func() {
			time.Sleep(time.Minute)
			n1.Admin().KeepFresh()
			snap, err := n1.Admin().Watch(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			was[snap.NextDecision-1] = places(snap.State.Workers)
		}
		note()
		n2 := w.start("n2")
		note()
		n3 := w.start("n3")
		note()
		w.do(n1, cluster.Scale("a", 9))
		note()
		w.do(n1, cluster.Drain("n2", 0))
		note()
		w.lose(n3)
		note()
		w.do(n1, cluster.RestartTask("b"))
		w.do(n1, cluster.Uncordon("n2"))
		note()
		w.do(n1, cluster.Scale("a", 1))
		note()
		w.do(n1, cluster.Delete("b"))
		note()
		if len(was) != 9 {
			t.Errorf("%d moments", len(was))
		}
		for n, want := range was {
			past, err := n1.Admin().Past(t.Context(), n)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, places(past.Workers)); diff != "" || past.Incomplete {
				t.Errorf("after decision %d, incomplete %v (-want +got):\n%s", n, past.Incomplete, diff)
			}
			// All of it was settled: what has happened since, to workers, tasks and nodes, is not in it.
			if running, wanted := past.Tally(); running != len(want) || wanted != len(want) {
				t.Errorf("after decision %d %d of %d workers run; want all %d", n, running, wanted, len(want))
			}
			for _, node := range past.Nodes {
				if node.Cordoned || node.Drain != nil || node.State != cluster.NodeUp {
					t.Errorf("after decision %d: %+v", n, node)
				}
			}
		}
		for _, n := range []int64{-1, 1000} {
			if _, err := n1.Admin().Past(t.Context(), n); !errors.Is(err, cluster.ErrNoDecision) {
				t.Errorf("%d: %v", n, err)
			}
		}
		w.leave(n1, n2)
	})
}

// explain says that a worker fails, and not that it is well placed.
func TestExplainFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := task("bad", 1)
		spec.Restart = cluster.Restart{Backoff: cluster.Duration(10 * time.Second), Max: 2}
		w := newWorld(t, spec)
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("bad", func(context.Context, *xconsumer.Worker) error { return errors.New("no such bucket") })
		})
		slot := cluster.Slot{Task: "bad"}
		time.Sleep(6 * time.Second)
		if out, err := n1.Admin().Explain(t.Context(), slot); err != nil || !strings.HasPrefix(out.Here, "it fails on n1, where it is run again after a pause that grows: 1 failure, the last: no such bucket") {
			t.Errorf("%q, %v", out.Here, err)
		}
		time.Sleep(10 * time.Minute)
		if out, err := n1.Admin().Explain(t.Context(), slot); err != nil || !strings.HasPrefix(out.Here, "it has failed permanently on n1 after ") {
			t.Errorf("%q, %v", out.Here, err)
		}
		w.leave(n1)
	})
}

func TestExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := task("a", 2)
		spec.Require = "node!=n3"
		w := newWorld(t, spec, task("b", 3))
		n1, n2, n3 := w.start("n1"), w.start("n2"), w.start("n3")
		time.Sleep(time.Minute)
		w.do(n1, cluster.Drain("n2", 0))
		time.Sleep(time.Minute)
		out, err := n2.Admin().Explain(t.Context(), cluster.Slot{Task: "a", Index: 1})
		if err != nil {
			t.Fatal(err)
		}
		why := map[string]string{}
		for _, c := range out.Nodes {
			why[c.Node] = fmt.Sprint(c.Placeable, " ", c.Why)
		}
		want := map[string]string{"n1": "true it is here", "n2": "false n2 is draining", "n3": "false it needs label node!=n3, n3 does not have it"}
		if diff := cmp.Diff(want, why); diff != "" || out.Worker.Node != "n1" || !strings.HasPrefix(out.Here, "n1 may run it") {
			t.Errorf("%+v %q (-want +got):\n%s", out.Worker, out.Here, diff)
		}
		granted := slices.ContainsFunc(out.History, func(d cluster.Decision) bool {
			return slices.ContainsFunc(d.Moves, func(m cluster.Decided) bool { return m.Step == cluster.StepGrant && m.Node == "n1" })
		})
		if !granted {
			t.Errorf("history %+v", out.History)
		}
		if _, err := n1.Admin().Explain(t.Context(), cluster.Slot{Task: "a", Index: 2}); !errors.Is(err, cluster.ErrNoSlot) {
			t.Errorf("%v", err)
		}
		w.do(n1, cluster.Drain("n1", 0))
		time.Sleep(time.Minute)
		out, err = n1.Admin().Explain(t.Context(), cluster.Slot{Task: "a", Index: 0})
		if err != nil || out.Here == "" {
			t.Errorf("%+v %v", out, err)
		}
		w.leave(n1, n2, n3)
	})
}
