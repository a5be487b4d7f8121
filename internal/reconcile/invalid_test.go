package reconcile_test

import (
	"fmt"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

const absurd = int64(schema.MaxToken) - 1

// A grant that must not be is asked back at once, and the slot is granted again only when no assignment lists it.
func TestRecall(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*board)
		want string
	}{
		{"of two grants the older one", func(b *board) {
			b.live("L", 5, schematest.Granted("a 0 @5", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5", "a 2 @7"))
			b.live("M", 5, schematest.Granted("a 1 @6", "a 0 @9"), schematest.Releasing(), 5, schematest.Claimed("a 1 @6", "a 0 @9"))
		}, `
L: a[2]@7 | a[0]@5
`},
		{"also where the plan would have it there", func(b *board) {
			b.live("L", 5, schematest.Granted("a 1 @6", "a 0 @9"), schematest.Releasing(), 5, schematest.Claimed("a 1 @6", "a 0 @9"))
			b.live("M", 5, schematest.Granted("a 0 @5", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5", "a 2 @7"))
		}, `
M: a[2]@7 | a[0]@5
`},
		{"while the older one stops nothing is granted", func(b *board) {
			b.live("L", 6, schematest.Granted("a 2 @7"), schematest.Releasing("a 0 @5 v6"), 5, schematest.Claimed("a 0 @5", "a 2 @7"))
			b.live("M", 5, schematest.Granted("a 0 @9", "a 1 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0 @9", "a 1 @6"))
		}, ``},
		{"of two grants under one token both", func(b *board) {
			b.live("L", 5, schematest.Granted("a 0 @5", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5", "a 2 @7"))
			b.live("M", 5, schematest.Granted("a 0 @5", "a 1 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5", "a 1 @6"))
		}, `
L: a[2]@7 | a[0]@5
M: a[1]@6 | a[0]@5
`},
		{"the younger one is of a node that is gone", func(b *board) {
			b.live("L", 5, schematest.Granted("a 0 @5", "a 1 @6", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5", "a 1 @6", "a 2 @7"))
			gone(b.live("M", 5, schematest.Granted("a 0 @9"), schematest.Releasing(), 5, schematest.Claimed()))
		}, `
L: a[1]@6 a[2]@7 | a[0]@5
look at [M]
`},
		{"a refused one, which is granted under a token that is above", func(b *board) {
			p := b.live("L", 5, schematest.Granted("a 0 @5", "a 1 @6", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 1 @6", "a 2 @7"))
			p.Status.Rec.Refused, p.Status.Rec.Above = schematest.Ranges("a 0 @5"), 300
		}, `
L: a[1]@6 a[2]@7 | a[0]@5
`},
		{"what was refused before does not matter", func(b *board) {
			p := b.live("L", 5, schematest.Granted("a 0 @8", "a 1 @6", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 0 @8", "a 1 @6", "a 2 @7"))
			p.Status.Rec.Refused, p.Status.Rec.Above = schematest.Ranges("a 0 @5"), 6
		}, ``},
		{"what a member holds is not granted elsewhere, though a hand took it out of its assignment: that lists it again", func(b *board) {
			b.live("L", 5, schematest.Granted("a 2 @7"), schematest.Releasing(), 5, schematest.Claimed("a 2 @7"))
			b.live("M", 5, schematest.Granted("a 1 @6"), schematest.Releasing(), 4, schematest.Claimed("a 0 @5", "a 1 @6"))
		}, `
M: a[1]@6 | a[0]@5
`},
		{"a token that nobody has given", func(b *board) {
			b.live("L", 5, schematest.Granted(fmt.Sprintf("a 0 @%d", absurd), "a 1 @6", "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed())
		}, fmt.Sprintf(`
L: a[1]@6 a[2]@7 | a[0]@%d
`, absurd)},
		{"beside one that somebody has", func(b *board) {
			b.live("L", 5, schematest.Granted(fmt.Sprintf("a 0 @%d", absurd), "a 2 @7"), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 5, schematest.Granted("a 0 @5", "a 1 @6"), schematest.Releasing(), 5, schematest.Claimed("a 0 @5", "a 1 @6"))
		}, fmt.Sprintf(`
L: a[2]@7 | a[0]@%d
`, absurd)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBoard(spec("a", 3))
			b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: 1}}}}
			c.make(b)
			d := b.decide()
			wantDraw(t, c.want, d)
			if d.Token > 1000 {
				t.Errorf("the next token is %d", d.Token)
			}
		})
	}
}

// What a member holds and a hand took out of its assignment is granted to nobody else, also while that assignment cannot list it again.
// It is a run's here: workers of other tasks wait for what may be told another count, which nobody knows of this one.
func TestHeldSlotIsGrantedToNobodyElse(t *testing.T) {
	once := spec("a", 4)
	once.Mode = cluster.ModeOnce
	b := newBoard(once)
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "r", WorkerNum: 4}, WorkName: "a"}}}}}
	run := cluster.RunTask("a", "r")
	b.live("L", 5, schematest.Granted(run+" 2 @7"), schematest.Releasing(), 5, schematest.Claimed(run+" 2 @7"))
	b.live("M", 5, schematest.Granted(run+" 1,3 @6"), schematest.Releasing(), 4, schematest.Claimed(run+" 0 @5", run+" 1,3 @6"))
	d := b.decide(atNoon, func(w *round.World) {
		w.Omitted = map[round.Part]time.Duration{{Kind: round.PartAssignment, Name: "M"}: b.now + time.Minute}
	})
	if assignment := d.Assignments["L"]; assignment != nil && schema.Find(assignment.Granted, cluster.Slot{Task: run}) != nil {
		t.Errorf("decision: %s", draw(d))
	}
}

// Tokens rise above what a member says it has seen, so that it does not refuse them for ever.
func TestTokensRiseAboveWhatWasRefused(t *testing.T) {
	b := newBoard(spec("a", 1))
	p := b.live("L", 6, schematest.Granted(), schematest.Releasing(), 6, schematest.Claimed())
	p.Status.Rec.Above = 300
	wantDraw(t, "\nL: a[0]@301 | \n", b.decide())
}

// A slot that two assignments list is told of with all who have it.
func TestDoublesAreTold(t *testing.T) {
	b := newBoard(spec("a", 2))
	b.live("L", 5, schematest.Granted("a 0-1 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0-1 @5"))
	b.live("M", 5, schematest.Granted("a 1 @9"), schematest.Releasing(), 5, schematest.Claimed("a 1 @9"))
	d := b.decide(func(*round.World) {})
	if got := view.DescribeListings(d.Doubles[cluster.Slot{Task: "a", Index: 1}]); len(d.Doubles) != 1 || got != "node-M under token 9 and node-L under token 5" {
		t.Errorf("%d doubles, %q", len(d.Doubles), got)
	}
}
