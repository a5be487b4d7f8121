package reconcile_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A cluster that starts waits until nodes have stopped coming, but not for ever; one in which something runs does not.
func TestClusterGathersBeforeItBegins(t *testing.T) {
	b := newBoard(spec("a", 4))
	began := b.now
	var memory round.Memory
	decide := func() round.Decision {
		d := b.decide(func(w *round.World) { w.Began, w.Memory = began, memory })
		memory = d.Memory
		return d
	}
	come := func(name string) {
		b.live(name, 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}
	come("L")
	if d := decide(); len(d.Assignments) != 0 || d.RequeueAt != b.now+200*time.Millisecond {
		t.Errorf("at once: %v, again at %v", draw(d), d.RequeueAt-began)
	}
	b.now += 80 * time.Millisecond
	come("M") // which begins the wait again
	if d := decide(); len(d.Assignments) != 0 || d.RequeueAt != b.now+500*time.Millisecond {
		t.Errorf("when another one comes: %v, again at %v", draw(d), d.RequeueAt-began)
	}
	late, still := *b, memory
	b.now += 500 * time.Millisecond
	if d := decide(); len(d.Assignments) != 2 {
		t.Errorf("when no more come: %v", draw(d))
	}
	memory, *b = still, late
	for i := range 60 {
		b.now += 190 * time.Millisecond
		come(fmt.Sprintf("N%d", i))
		if d := decide(); len(d.Assignments) > 0 {
			if after := b.now - began; after < 5*time.Second || after > 5200*time.Millisecond {
				t.Errorf("while more come: after %v", after)
			}
			return
		}
	}
	t.Error("it waits for ever while nodes come")
}

// A cluster that starts begins as soon as those nodes are there that start together with its leader.
func TestClusterBeginsWhenAllAreThere(t *testing.T) {
	b := newBoard(spec("a", 4))
	var memory round.Memory
	decide := func() round.Decision {
		d := b.decide(func(w *round.World) { w.Began, w.Memory, w.Together = b.now, memory, 3 })
		memory = d.Memory
		return d
	}
	for i, name := range []string{"L", "M", "N"} {
		b.live(name, 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
		want := 0
		if i == 2 {
			want = 3
		}
		if d := decide(); len(d.Assignments) != want {
			t.Errorf("with %d of 3 nodes: %v", i+1, draw(d))
		}
	}
}

// A planner that fails stops nothing: what runs stays, what is free is granted, and what it was asked is
// kept so that it can be asked again.
func TestPlannerFails(t *testing.T) {
	b := newBoard(spec("a", 3))
	b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
	b.live("M", 3, schematest.Granted("a 1 @6"), schematest.Releasing(), 3, schematest.Claimed("a 1 @6"))
	d := b.decide(func(w *round.World) { w.Planner = func(planner.Input) planner.Plan { panic("out of luck") } })
	want := `L: a[0]@5 a[2]@100 | 
`
	if diff := cmp.Diff(want, draw(d)); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
	if d.PlanFault == nil || d.PlanFault.Error != "out of luck" || d.PlanFault.Stack == "" {
		t.Fatalf("fault: %+v", d.PlanFault)
	}
	text, err := json.Marshal(d.PlanFault.Input)
	if err != nil {
		t.Fatal(err)
	}
	var again planner.Input
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(planner.Make(d.PlanFault.Input), planner.Make(again)); diff != "" {
		t.Errorf("the input as it is kept gives another plan: %s", diff)
	}
}

// draining marks a node.
func (b *board) mark(node string, mark schema.Mark) {
	if b.snap.Marks == nil {
		b.snap.Marks = map[string]view.Entry[schema.Mark]{}
	}
	b.snap.Marks["node-"+node] = view.Entry[schema.Mark]{Rec: &mark}
}

func TestPace(t *testing.T) {
	limit := func(b *board, m cluster.Rebalance) {
		b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: m}}}
	}
	for _, c := range []struct {
		name    string
		setup   func(*board)
		want    string
		pending int
	}{
		{"a budget lets as many go as it has", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 2})
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 3, schematest.Granted("a 0-3 @6"), schematest.Releasing(), 3, schematest.Claimed("a 0-3 @6"))
			b.mark("M", schema.Mark{Drain: &schema.Drain{}})
		}, `
M: a[2-3]@6 | a[0-1]@6
`, 2},
		{"what is being released counts", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 2})
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 3, schematest.Granted("a 0-2 @6"), schematest.Releasing("a 3 @6 v3"), 2, schematest.Claimed("a 0-3 @6"))
			b.mark("M", schema.Mark{Drain: &schema.Drain{}})
		}, `
M: a[1-2]@6 | a[3]@6 a[0]@6
`, 2},
		{"what has to go in any case counts", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 2})
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 3, schematest.Granted("a 0-1 @6"), schematest.Releasing(), 3, schematest.Claimed("a 0-1 @6")).Status.Rec.Leaving = true
			b.live("N", 3, schematest.Granted("a 2-3 @7"), schematest.Releasing(), 3, schematest.Claimed("a 2-3 @7"))
			b.mark("N", schema.Mark{Drain: &schema.Drain{}})
		}, `
M:  | a[0-1]@6
`, 2},
		{"what is granted and does not run yet counts, and may go", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 1})
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 3, schematest.Granted("a 0-3 @6"), schematest.Releasing(), 3, schematest.Claimed("a 0-2 @6"))
			b.mark("M", schema.Mark{Drain: &schema.Drain{}})
		}, `
M: a[0-2]@6 | a[3]@6
`, 3},
		{"free slots do not wait", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 1})
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 3, schematest.Granted("a 0 @6"), schematest.Releasing(), 3, schematest.Claimed("a 0 @6"))
		}, `
L: a[1,3]@100 | 
M: a[0]@6 a[2]@101 | 
`, 0},
		{"a slot that may not run where it is, and nowhere else, does not wait either", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 1})
			b.snap.Tasks["a"].Rec.Spec.Require = "gpu"
			b.live("L", 5, schematest.Granted("a 0-3 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0-3 @6"))
		}, `
L:  | a[0-3]@6
`, 0},
		{"a task is given back when it is paused", func(b *board) {
			limit(b, cluster.Rebalance{MaxInFlight: 1})
			b.snap.Tasks["a"].Rec.Spec.Paused = true
			b.live("L", 5, schematest.Granted("a 0-3 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0-3 @6"))
		}, `
L:  | a[0-3]@6
`, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 4))
			c.setup(b)
			d := b.decide()
			if diff := cmp.Diff(c.want[1:], draw(d)); diff != "" || d.Pending != c.pending {
				t.Errorf("pending %d, want %d; decision (-want +got):\n%s", d.Pending, c.pending, diff)
			}
		})
	}
}

// A member that leaves may be seen gone before its assignment is seen closed. It is not waited for.
func TestLeavingIsNoVanishing(t *testing.T) {
	b := newBoard(spec("a", 2))
	b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(time.Minute)}}}}
	b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
	p := gone(b.live("M", 3, schematest.Granted("a 1 @6"), schematest.Releasing(), 3, schematest.Claimed()))
	memory := b.decide().Memory
	p.Assignment.Rec.Closed = &schema.Closed{Cause: "node left", Left: true}
	d := b.decide(func(w *round.World) { w.Memory = memory })
	if assignment, touched := d.Assignments["M"]; !touched || assignment != nil {
		t.Errorf("decision: %s", draw(d))
	}
}

// A crashed member is waited for, unless it is back, has left on purpose, or nobody wants to wait.
func TestWait(t *testing.T) {
	crashed := func(b *board) *view.Peer {
		p := gone(b.live("M", 3, schematest.Granted("a 1 @6"), schematest.Releasing(), 3, schematest.Claimed()))
		p.Assignment.Rec.Closed = &schema.Closed{Cause: "crash"}
		return p
	}
	for _, c := range []struct {
		name  string
		setup func(*board)
		waits bool
	}{
		{"crashed", func(b *board) { crashed(b) }, true},
		{"left on purpose", func(b *board) { crashed(b).Assignment.Rec.Closed.Left = true }, false},
		{"settled by a former leader", func(b *board) { crashed(b).Assignment.Rec.Closed.Settled = true }, false},
		{"evicted", func(b *board) {
			p := crashed(b)
			p.Assignment.Rec.Evicted = true
		}, false},
		{"back", func(b *board) {
			crashed(b)
			b.live("M2", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed())
			b.snap.Peers["M2"].Member.Rec.Node, b.snap.Peers["M2"].Assignment.Rec.Node = "node-M", "node-M"
		}, false},
		{"not to be waited for", func(b *board) {
			crashed(b)
			b.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{MoveNow: []string{"M"}}}
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 2))
			b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(time.Minute)}}}}
			b.live("L", 5, schematest.Granted("a 0 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5"))
			c.setup(b)
			memory := round.Memory{}
			decide := func() bool {
				d := b.decide(func(w *round.World) { w.Memory = memory })
				memory = d.Memory
				assignment, touched := d.Assignments["M"]
				return touched && assignment == nil
			}
			if reaped := decide(); reaped == c.waits {
				t.Fatalf("reaped at once: %v", reaped)
			}
			b.now += time.Minute
			if c.waits && !decide() {
				t.Error("not reaped when the delay is over")
			}
		})
	}
}

// A node that has come back no longer counts as vanished, also if its former member was reaped and all others live.
func TestVanishedUntilItComesBack(t *testing.T) {
	b := newBoard(spec("a", 2))
	for _, name := range []string{"n1", "n2"} {
		b.live(name, 1, []schema.Granted{}, nil, 1, nil)
	}
	for node, want := range map[string]int{"node-n1": 0, "node-n3": 1} {
		d := b.decide(func(w *round.World) {
			w.Memory.Delays.Vanished = map[string]round.Absence{"former": {Node: node, At: b.now}}
		})
		if n := len(d.Memory.Delays.Vanished); n != want {
			t.Errorf("%s: %d nodes have vanished; want %d", node, n, want)
		}
	}
}
