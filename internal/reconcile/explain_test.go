package reconcile_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// slotOfN returns a slot that N is granted.
func (b *board) slotOfN(t *testing.T) cluster.Slot {
	t.Helper()
	for slot := range schema.Each(b.snap.Peers["N"].Assignment.Rec.Granted) {
		return slot
	}
	t.Fatal("N has nothing")
	return cluster.Slot{}
}

func (b *board) wantHere(t *testing.T, slot cluster.Slot, want ...string) {
	t.Helper()
	const node = "node-N"
	out, err := explain.Slot(&b.snap, slot, b.now, coord.Info{TakeoverDelay: coord.OwnTimeout})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range append(want, slot.String()+" on "+node) {
		if !strings.Contains(out.Here, text) {
			t.Errorf("%q does not say %q", out.Here, text)
		}
	}
	if strings.Contains(out.Here, "about to") {
		t.Errorf("%q", out.Here)
	}
	for _, c := range out.Nodes {
		if c.Here != (c.Node == node) {
			t.Errorf("of %s it says here %v, %q", c.Node, c.Here, c.Why)
		}
	}
}

// What is asked back and does not stop is told as that: since when, why, and what to do.
func TestExplainStuck(t *testing.T) {
	b := threeNodes(t, spec("a", 3))
	slot := b.slotOfN(t)
	b.mark("N", schema.Mark{Drain: &schema.Drain{}})
	for range 5 { // until it is its turn
		b.now += time.Minute
		if b.apply(t, b.decide()); len(b.snap.Peers["N"].Assignment.Rec.Releasing) > 0 {
			break
		}
	}
	b.wantHere(t, slot, "(stopping)", "node-N is draining", "It has its stopTimeout of 10s to end by itself, and a program is killed then", "when it has ended")
	b.answer("N", true)
	for i := range b.snap.Peers["N"].Status.Rec.Workers {
		w := &b.snap.Peers["N"].Status.Rec.Workers[i]
		w.State, w.Since = cluster.WorkerStopping, time.Date(2026, 11, 28, 10, 20, 30, 0, time.UTC)
	}
	b.wantHere(t, slot, "(stopping) since 10:20:30 UTC by its clock", "It has until 10:20:40 UTC, its stopTimeout of 10s, to end by itself, and a program is killed then")
	b.answer("N", true)
	for i := range b.snap.Peers["N"].Status.Rec.Workers {
		b.snap.Peers["N"].Status.Rec.Workers[i].Since = time.Date(2026, 11, 28, 10, 20, 30, 0, time.UTC)
	}
	b.wantHere(t, slot, "(stuck) since 10:20:30 UTC", "node-N is draining", "within its stopTimeout of 10s", "It is granted to no other node", "xconsumer stack "+slot.String(), "xconsumer evict node-N")
}

// What keeps a slot where it is, is said, and what nodes have is what they have now, not what the plan gives them.
func TestExplainWhatStays(t *testing.T) {
	explain := func(t *testing.T, b *board, slot cluster.Slot) cluster.Explanation {
		t.Helper()
		out, err := explain.Slot(&b.snap, slot, b.now, coord.Info{TakeoverDelay: coord.OwnTimeout})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	t.Run("a suspect", func(t *testing.T) {
		b := threeNodes(t, spec("a", 3))
		slot := b.slotOfN(t)
		b.snap.Suspects = view.Entry[schema.Suspects]{Rec: &schema.Suspects{Slots: []schema.Suspect{{Task: "a", Slots: cluster.Indexes{slot.Index}, TookDown: []string{"n1", "n2"}}}}}
		const want = "it may have taken down n1, n2, so it stays on node-N until it has run for 1m0s there"
		if out := explain(t, b, slot); out.Here != want {
			t.Errorf("%q; want %q", out.Here, want)
		}
	})
	t.Run("on a draining node", func(t *testing.T) {
		s := spec("a", 3)
		s.Require = "disk"
		b := newBoard(s)
		for _, memberID := range []string{"L", "M", "N"} {
			p := b.live(memberID, 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
			if memberID == "N" {
				p.Member.Rec.Labels = cluster.Labels{"disk": "ssd"}
			}
		}
		b.settle(t)
		b.mark("N", schema.Mark{Drain: &schema.Drain{}})
		b.settle(t)
		slot := b.slotOfN(t)
		out := explain(t, b, slot)
		if want := "node-N is draining, and it stays there until another node can run it"; out.Here != want {
			t.Errorf("%q; want %q", out.Here, want)
		}
	})
	t.Run("before the plan is carried out", func(t *testing.T) {
		b := threeNodes(t, spec("a", 6))
		b.live("O", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
		for _, c := range explain(t, b, b.slotOfN(t)).Nodes {
			if want := map[string]int{"node-L": 2, "node-M": 2, "node-N": 2}[c.Node]; c.Load != want || c.TaskWorkers != want {
				t.Errorf("%s has %d of the task and a load of %d; want %d", c.Node, c.TaskWorkers, c.Load, want)
			}
		}
	})
}

// stopping makes commits until N is asked for a slot back, and returns which.
func (b *board) stopping(t *testing.T) cluster.Slot {
	t.Helper()
	for range 5 { // until it is its turn
		b.now += time.Minute
		b.apply(t, b.decide())
		for slot := range schema.Each(b.snap.Peers["N"].Assignment.Rec.Releasing) {
			return slot
		}
	}
	t.Fatal("N is asked for nothing")
	return cluster.Slot{}
}

// What stops says what becomes of it then.
func TestExplainAfterwards(t *testing.T) {
	live := func() *board {
		task := spec("a", 3)
		task.Resize = cluster.ResizeLive
		return threeNodes(t, task)
	}
	pause := func(paused bool) func(*cluster.TaskSpec) { return func(s *cluster.TaskSpec) { s.Paused = paused } }
	again := "it is granted again when it has ended"

	b := live()
	b.declare("a", pause(true))
	slot := b.stopping(t)
	b.wantHere(t, slot, "(stopping)", "it is granted again when the task is resumed")
	b.declare("a", pause(false))
	b.wantHere(t, slot, "(stopping)", again)

	b = live()
	b.scale(0)
	slot = b.stopping(t)
	b.wantHere(t, slot, "(stopping)", "the task was scaled down", "it is not granted again")
	b.answer("N", true)
	b.wantHere(t, slot, "(stuck)", "the task was scaled down", "xconsumer stack "+slot.String())
	b.scale(3)
	b.answer("N", true)
	b.wantHere(t, slot, "(stuck)", "xconsumer stack "+slot.String())
	b.scale(0)
	b.answer("N", false)
	if out, err := explain.Slot(&b.snap, slot, b.now, coord.Info{}); !errors.Is(err, cluster.ErrNoSlot) {
		t.Errorf("given back: %q, %v", out.Here, err)
	}

	b = live()
	task := *b.snap.Tasks["a"].Rec
	task.Deleted = true
	b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &task, Version: 9}
	if out, err := explain.Slot(&b.snap, b.slotOfN(t), b.now, coord.Info{}); err != nil || out.Here != "it has to leave node-N: the task was deleted" {
		t.Errorf("%q, %v", out.Here, err)
	}
	b.wantHere(t, b.stopping(t), "(stopping)", "the task was deleted", "it is not granted again")
}

// What a lost node had says for how long, what for, and what to do about it.
func TestExplainLostSince(t *testing.T) {
	lost := func() *board {
		b := threeNodes(t, spec("a", 3))
		p := *b.snap.Peers["N"]
		p.Member, p.Status = view.Entry[schema.Member]{Absent: true, Read: b.now}, view.Entry[schema.Status]{Absent: true, Read: b.now}
		p.LostAt = b.now
		b.snap.Peers["N"] = &p
		b.now += 7*time.Second + 300*time.Millisecond
		return b
	}
	b := lost()
	b.wantHere(t, b.slotOfN(t), "(lost), for 7s at least", "its session has ended", "granted elsewhere after the takeover delay", "The takeover delay is 20s, which is its session timeout")
	out, err := explain.Slot(&b.snap, b.slotOfN(t), b.now, coord.Info{TakeoverDelay: 2 * time.Second})
	if err != nil || !strings.Contains(out.Here, "The takeover delay is 2s, one tick of the service") || strings.Contains(out.Here, "session timeout") {
		t.Errorf("with a tick: %q, %v", out.Here, err)
	}
	b = lost()
	b.snap.Peers["N"].Silent, b.snap.Peers["N"].Member.Absent, b.snap.Peers["N"].Status.Absent = true, false, false
	b.snap.Peers["N"].Status.Rec, b.snap.Peers["N"].Member.Rec = &schema.Status{}, &schema.Member{Member: cluster.Member{Node: "node-N", Works: []string{"a"}}}
	b.wantHere(t, b.slotOfN(t), "(lost), for 7s at least", "xconsumer evict node-N")
	b = lost()
	b.snap.Settings.Rec = &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(time.Minute)}}}
	b.wantHere(t, b.slotOfN(t), "it is given 1m0s to come back", "xconsumer move-now")
}

// A slot that is freed in one commit and granted in a later one is granted for the reason that it left its node for; one
// that nobody had says so.
func TestReasonsAreKept(t *testing.T) {
	live := spec("a", 3)
	live.Resize = cluster.ResizeLive
	b := threeNodes(t, live)
	slot := b.slotOfN(t)
	for _, node := range []string{"L", "M"} {
		b.mark(node, schema.Mark{Cordoned: true})
	}
	gone := *b.snap.Peers["N"]
	gone.Assignment.Rec.Closed = &schema.Closed{By: "parent", Cause: "panic"}
	gone.Member, gone.Status = view.Entry[schema.Member]{Absent: true, Read: b.now}, view.Entry[schema.Status]{Absent: true, Read: b.now}
	b.snap.Peers["N"] = &gone
	var left map[cluster.Slot]cluster.Reason
	remembered := func(w *round.World) { w.FreedWhy = left }
	decide := func() []cluster.Decided {
		b.now += time.Second
		b.answer("L", false)
		b.answer("M", false)
		d := b.decide(remembered)
		left = d.FreedWhy
		b.apply(t, d)
		return d.Steps
	}
	grants := func(moves []cluster.Decided) (list []cluster.Decided) {
		return slices.DeleteFunc(moves, func(m cluster.Decided) bool { return m.Step != cluster.StepGrant })
	}
	if got := grants(decide()); len(got) > 0 {
		t.Fatalf("cordoned nodes are granted %+v", got)
	}
	if got := grants(decide()); len(got) > 0 || left[slot].Code != cluster.WhyLost {
		t.Fatalf("%+v; it remembers %+v", got, left)
	}
	b.mark("L", schema.Mark{})
	b.scale(4)
	got := map[cluster.Slot]cluster.ReasonCode{}
	for range 3 {
		for _, m := range grants(decide()) {
			for _, index := range m.Slots {
				got[cluster.Slot{Task: m.Task, Index: index}] = m.Code
			}
		}
	}
	if got[slot] != cluster.WhyLost || got[cluster.Slot{Task: "a", Index: 3}] != cluster.WhyUnplaced {
		t.Errorf("granted for %v", got)
	}
	if len(left) > 0 {
		t.Errorf("it remembers %v", left)
	}
}

// A task that is resumed is granted because it was resumed, not because it is paused.
func TestResumedIsTheReason(t *testing.T) {
	b := threeNodes(t, spec("a", 3))
	var left map[cluster.Slot]cluster.Reason
	moves := func() (list []cluster.Decided) {
		for range 4 {
			b.now += time.Second
			for memberID := range b.snap.Peers {
				b.answer(memberID, false)
			}
			d := b.decide(func(w *round.World) { w.FreedWhy = left })
			left = d.FreedWhy
			b.apply(t, d)
			list = append(list, d.Steps...)
		}
		return list
	}
	for _, c := range []struct {
		paused bool
		step   cluster.Step
		why    cluster.ReasonCode
	}{{true, cluster.StepFree, cluster.WhyPaused}, {false, cluster.StepGrant, cluster.WhyResumed}} {
		b.declare("a", func(s *cluster.TaskSpec) { s.Paused = c.paused })
		slots := 0
		for _, m := range moves() {
			if m.Step != c.step {
				continue
			}
			slots += len(m.Slots)
			if m.Code != c.why {
				t.Errorf("%s for %q; want %q", m.Step, m.Code, c.why)
			}
		}
		if slots != 3 {
			t.Errorf("%s of %d slots; want 3", c.step, slots)
		}
	}
}

// What is the matter with a worker that fails is said, and what comes next.
func TestAiling(t *testing.T) {
	for want, w := range map[string]cluster.WorkerInfo{
		"it is withheld, since it took down n1, n2, n1, one after the other; it is tried again by itself after 1m10s, and at once if its task is changed or by `xconsumer restart a#0`": {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerWithheld, Error: "took down n1, n2, n1"}},
		"it has failed permanently: it took down n1, n2, n1, n2, one after the other; `xconsumer restart a#0` tries it again, as does a change of its task":                             {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Error: "took down n1, n2, n1, n2"}},
		"it has failed permanently on n1 after 3 failures, the last: no; `xconsumer restart a#0` tries it again, as does a change of its task":                                          {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Restarts: 3, Error: "no"}, Node: "n1"},
		"it returns at once, without an error, on n1, where it is run again after a pause that grows up to 10s; it should run until":                                                    {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning, Error: cluster.ReturnsAtOnce}, Node: "n1"},
		"here; it runs after 8 failures there, the last: exit status 3":                                                                                                                 {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning, Restarts: 8, Error: "exit status 3"}, Node: "n1"},
		"it fails on n1, where it is run again after a pause that grows: 1 failure, the last: no":                                                                                       {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Restarts: 1, Error: "no"}, Node: "n1"},
		"it fails on n1, where it is run again after a pause that grows: 1 failure, the last: no file open x":                                                                           {Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Restarts: 1, Error: "no file\nopen x"}, Node: "n1"},
	} {
		if got := explain.Ailing(&w, "here"); !strings.HasPrefix(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
	e := cluster.Explanation{Here: "here", Nodes: []cluster.Candidate{{Node: "n1", Here: true, Placeable: true, Why: "one"}, {Node: "n2", Placeable: true, Why: "two"}, {Node: "n3", Why: "three"}}}
	explain.Observe(&e, cluster.WorkerInfo{Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerGivenUp, Restarts: 3, Error: "no"}, Node: "n1"})
	const stays = "it could run there, but balance does not move a slot that has failed permanently"
	if e.Nodes[0].Why != "one" || e.Nodes[1].Why != stays || e.Nodes[2].Why != "three" {
		t.Errorf("of the other nodes: %+v", e.Nodes)
	}
	if got := explain.Ailing(&cluster.WorkerInfo{Task: "a", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning}, Node: "n1"}, "here"); got != "here" {
		t.Errorf("of one that has never failed: %q", got)
	}
}

// What a node's parent says of its death is the reason of the steps that follow from it.
func TestTheCauseOfADeathIsTold(t *testing.T) {
	for cause, want := range map[string]string{
		"killed by signal 9 (killed)": "node-N was lost: killed by signal 9 (killed)",
		"exit code 2: panic":          "node-N was lost: exit code 2: panic",
		"lost":                        "node-N was lost",
	} {
		b := threeNodes(t, spec("a", 3))
		gone(b.snap.Peers["N"]).Assignment.Rec.Closed = &schema.Closed{By: "parent of node-N", Cause: cause}
		steps := map[cluster.Step]string{}
		for _, m := range b.decide().Steps {
			steps[m.Step] = m.Why
		}
		for _, step := range []cluster.Step{cluster.StepReap, cluster.StepFree, cluster.StepGrant} {
			if steps[step] != want {
				t.Errorf("%s: %q; want %q", step, steps[step], want)
			}
		}
	}
}

// A slot that waits for a place cannot be moved, and is told from one that there is not.
func TestMoveOfASlotWithoutANode(t *testing.T) {
	s := spec("a", 2)
	s.Require = "disk"
	b := threeNodes(t, s)
	_, err := explain.MayMove(&b.snap, cluster.Slot{Task: "a", Index: 1}, "node-M")
	if want := "a#1 is on no node; `xconsumer explain a#1` says why"; !errors.Is(err, cluster.ErrConflict) || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("%v; want %s", err, want)
	}
	b.live("N", 5, schematest.Granted(), schematest.Releasing("a 0 @5 v5"), 4, schematest.Claimed("a 0 @5"))
	if _, err := explain.MayMove(&b.snap, cluster.Slot{Task: "a"}, "node-M"); !errors.Is(err, cluster.ErrConflict) || !strings.Contains(err.Error(), "a#0 is stopping on node-N") {
		t.Errorf("of one that stops: %v", err)
	}
	if _, err := explain.MayMove(&b.snap, cluster.Slot{Task: "a", Index: 2}, "node-M"); !errors.Is(err, cluster.ErrNoSlot) {
		t.Errorf("of no such slot: %v", err)
	}
	b.live("N", 6, schematest.Granted("a 0 @5"), schematest.Releasing(), 6, schematest.Claimed("a 0 @5"))
	b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: s, Deleted: true}}
	if _, err := explain.MayMove(&b.snap, cluster.Slot{Task: "a"}, "node-M"); !errors.Is(err, cluster.ErrNoSlot) {
		t.Errorf("of a task that was deleted: %v", err)
	}
}
