package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// because gives releases a reason.
func because(code cluster.ReasonCode, list []schema.Releasing) []schema.Releasing {
	for i := range list {
		list[i].Why = &cluster.Reason{Code: code}
	}
	return list
}

// steps draws the steps of a decision, in their order.
func steps(list []cluster.Decided) string {
	var parts []string
	for _, m := range list {
		parts = append(parts, string(m.Step)+" "+m.Task+"["+m.Slots.String()+"] "+m.Node+" "+string(m.Code))
	}
	return strings.Join(parts, "\n")
}

// An assignment is not written only because its member gave a slot back that is granted elsewhere by the same commit.
func TestReturnedSlots(t *testing.T) {
	// N gives back a#1, and M has room for it.
	start := func(code cluster.ReasonCode, applied int64) (*board, *view.Peer) {
		b := newBoard(spec("a", 3))
		b.live("L", 5, schematest.Granted("a 2 @6"), schematest.Releasing(), 5, schematest.Claimed("a 2 @6"))
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
		p := b.live("N", 5, schematest.Granted("a 0 @5"), schematest.Releasing("a 1 @5 v5"), applied, schematest.Claimed("a 0 @5"))
		because(code, p.Assignment.Rec.Releasing)
		return b, p
	}
	for _, c := range []struct {
		name string
		make func() *board
		want string
	}{
		{"confirmed", func() *board {
			b, _ := start(cluster.WhyBalance, 5)
			return b
		}, "M: a[1]@100 | \n"},
		{"not confirmed", func() *board {
			b, _ := start(cluster.WhyBalance, 4)
			return b
		}, ""},
		{"an edit may have put the slot into another assignment", func() *board {
			b, _ := start(cluster.WhyDoubled, 5)
			return b
		}, "M: a[1]@100 | \nN: a[0]@5 | \n"},
		{"its member leaves", func() *board {
			b, p := start(cluster.WhyLeaving, 5)
			p.Assignment.Rec.Granted = schematest.Granted()
			p.Status.Rec = &schema.Status{Applied: 5, Leaving: true}
			return b
		}, "M: a[0-1]@100 | \nN:  | \n"},
		{"it had another count", func() *board {
			b, p := start(cluster.WhyBalance, 5)
			p.Assignment.Rec.Releasing[0].Count = new(7)
			return b
		}, "M: a[1]@100 | \nN: a[0]@5 | \n"},
		{"another one has no place", func() *board {
			b, p := start(cluster.WhyBalance, 5)
			idle := spec("b", 1)
			idle.Paused = true
			b.snap.Tasks["b"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: idle}}
			more := because(cluster.WhyPaused, schematest.Releasing("b 0 @4 v5"))
			more[0].Count = new(1)
			p.Assignment.Rec.Releasing = append(p.Assignment.Rec.Releasing, more...)
			return b
		}, "M: a[1]@100 | \nN: a[0]@5 | \n"},
		{"its target claims what it was granted before", func() *board {
			b, _ := start(cluster.WhyBalance, 5)
			b.snap.Tasks["b"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("b", 1)}}
			b.live("M", 1, schematest.Granted("b 0 @7"), schematest.Releasing(), 0, schematest.Claimed())
			return b
		}, ""},
		{"it is not granted again", func() *board {
			b, _ := start(cluster.WhyScaledDown, 5)
			b.snap.Tasks["a"].Rec.Spec.Paused = true
			return b
		}, "L:  | a[2]@6\nN:  | a[0]@5\n"},
		{"it is granted to its member again", func() *board {
			b, _ := start(cluster.WhyRestart, 5)
			b.snap.Peers["M"].Member.Rec.Works = []string{"b"}
			return b
		}, "N: a[0]@5 a[1]@100 | \n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.make()
			if diff := cmp.Diff(c.want, draw(b.decide())); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A release that stays listed is no longer anything's business once its slot is granted elsewhere.
func TestSupersededReleases(t *testing.T) {
	start := func() *board {
		b := newBoard(spec("a", 3))
		b.live("L", 5, schematest.Granted("a 2 @6"), schematest.Releasing(), 5, schematest.Claimed("a 2 @6"))
		b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
		p := b.live("N", 5, schematest.Granted("a 0 @5"), schematest.Releasing("a 1 @5 v5"), 5, schematest.Claimed("a 0 @5"))
		because(cluster.WhyBalance, p.Assignment.Rec.Releasing)
		d := b.decide()
		if diff := cmp.Diff("free a[1] node-N balance\ngrant a[1] node-M balance", steps(d.Steps)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		if len(d.FreedWhy) != 0 {
			t.Fatalf("free: %v", d.FreedWhy)
		}
		b.apply(t, d)
		m := *b.snap.Peers["M"]
		m.Status.Rec = &schema.Status{Applied: 1, Holding: schematest.Claimed("a 1 @100")}
		b.snap.Peers["M"] = &m
		if schema.Count(b.snap.Peers["N"].Assignment.Rec.Releasing) != 1 {
			t.Fatal("it does not stay listed")
		}
		return b
	}
	t.Run("at rest", func(t *testing.T) {
		d := start().decide()
		if d.Writes() || len(d.Doubles) > 0 {
			t.Errorf("%s, doubles %v", draw(d), d.Doubles)
		}
	})
	t.Run("its member dies", func(t *testing.T) {
		b := start()
		gone(b.snap.Peers["N"]).Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
		d := b.decide()
		for _, m := range d.Steps {
			if m.Slots.Contains(1) {
				t.Errorf("a#1 runs on M: %s", steps(d.Steps))
			}
		}
		b.apply(t, d)
	})
	t.Run("both die", func(t *testing.T) {
		b := start()
		gone(b.snap.Peers["N"]) // not long enough ago
		gone(b.snap.Peers["M"]).Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
		d := b.decide()
		if l := d.Assignments["L"]; l != nil && schema.Find(l.Granted, cluster.Slot{Task: "a", Index: 1}) != nil {
			t.Errorf("nothing shows now that N does not run a#1: %s", draw(d))
		}
		b.apply(t, d)
		b.snap.Peers["N"].Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
		b.apply(t, b.decide())
		if l := b.snap.Peers["L"].Assignment.Rec; schema.Count(l.Granted) != 3 {
			t.Errorf("L has %s", drawList(l.Granted))
		}
	})
	t.Run("both die, and the slots of its member wait for its node", func(t *testing.T) {
		b := start()
		b.snap.Settings.Rec = &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(time.Hour)}}}
		gone(b.snap.Peers["N"]).Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
		gone(b.snap.Peers["M"]).Assignment.Rec.Closed = &schema.Closed{Cause: "it was asked to", Left: true}
		b.apply(t, b.decide())
		if l := b.snap.Peers["L"].Assignment.Rec; schema.Find(l.Granted, cluster.Slot{Task: "a", Index: 1}) == nil || schema.Count(l.Granted) != 2 {
			t.Errorf("L has %s, want a#1, which N had given back, and not a#0", drawList(l.Granted))
		}
	})
	t.Run("it comes back", func(t *testing.T) {
		b := start()
		gone(b.snap.Peers["M"]).Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
		b.apply(t, b.decide())
		n := b.snap.Peers["N"].Assignment.Rec
		if got := drawList(n.Granted) + " | " + drawList(n.Releasing); got != "a[0]@5 a[1]@101 | " {
			t.Errorf("N has %s", got)
		}
	})
	t.Run("its member leads and leaves", func(t *testing.T) {
		b := start()
		p := *b.snap.Peers["N"]
		rec := *p.Assignment.Rec
		rec.Granted = schematest.Granted()
		p.Assignment.Rec, p.Status.Rec = &rec, &schema.Status{Applied: 6, Leaving: true}
		b.snap.Peers["N"] = &p
		d := b.decide()
		if a := d.Assignments["N"]; a == nil || len(a.Releasing) > 0 {
			t.Errorf("it would wait for ever: %s", draw(d))
		}
	})
	t.Run("it is paused elsewhere", func(t *testing.T) {
		b := start()
		n := *b.snap.Peers["N"]
		rec := *n.Assignment.Rec
		rec.Granted = schematest.Granted() // or its assignment would be written for that
		n.Assignment.Rec, n.Status.Rec = &rec, &schema.Status{Applied: 5}
		b.snap.Peers["N"] = &n
		b.snap.Tasks["a"].Rec.Spec.Paused = true
		freed := map[cluster.Slot]cluster.Reason{}
		for range 3 {
			d := b.decide(func(w *round.World) { w.FreedWhy = freed })
			for _, m := range d.Steps {
				if m.Step == cluster.StepFree && m.Slots.Contains(1) && m.Node == "node-N" {
					t.Errorf("N gave it back long ago: %s", steps(d.Steps))
				}
			}
			freed = d.FreedWhy
			b.apply(t, d)
			for name, p := range b.snap.Peers {
				next := *p
				next.Status.Rec = &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(p.Assignment.Rec.Granted)}
				b.snap.Peers[name] = &next
			}
		}
		if n := schema.Count(b.snap.Peers["N"].Assignment.Rec.Releasing); n > 0 {
			t.Errorf("%d releases are left", n)
		}
		if why := freed[cluster.Slot{Task: "a", Index: 1}]; why.Code != cluster.WhyPaused {
			t.Errorf("it is free because of %v", why)
		}
	})
}
