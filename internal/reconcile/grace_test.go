package reconcile_test

import (
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

// restarting makes a member one that has left to be restarted.
func restarting(p *view.Peer, after time.Duration) {
	gone(p).Assignment.Rec.Closed = &schema.Closed{Left: true, Cause: "node left", RestartGrace: cluster.Duration(after)}
}

// A slot that its member gave back, and that runs nowhere now, does not wait for the agenda of a run of which the same member reported an
// end.
func TestReturnedSlotsDoNotWaitForAgendas(t *testing.T) {
	once := spec("b", 1)
	once.Mode = cluster.ModeOnce
	b := newBoard(spec("a", 1), once)
	b.live("L", 5, nil, nil, 5, nil)
	p := b.live("N", 5, schematest.Granted("b@r 0 @5"), because(cluster.WhyBalance, schematest.Releasing("a 0 @5 v5")), 5, schematest.Claimed("b@r 0 @5"))
	p.Completions = view.Entry[schema.Completions]{Rec: &schema.Completions{Slots: []schema.Completion{{Task: "b@r", Slots: cluster.Indexes{0}, Token: 5}}}}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"b": {Err: schema.ErrCorrupt}}
	gone(p).Assignment.Rec.Closed = &schema.Closed{Cause: "node left", Left: true}
	m := b.live("M", 1, schematest.Granted("a 0 @9"), nil, 1, schematest.Claimed("a 0 @9"))
	b.apply(t, b.decide(atNoon))
	if schema.Count(b.snap.Peers["N"].Assignment.Rec.Releasing) != 1 {
		t.Fatal("it does not stay listed")
	}
	gone(m).Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
	b.apply(t, b.decide(atNoon))
	if l := b.snap.Peers["L"].Assignment.Rec; schema.Count(l.Granted) != 1 {
		t.Errorf("L has %s", drawList(l.Granted))
	}
}

// Nor does it wait for its node, if that has crashed and its other slots wait for it: also if no node has room when the one that had the
// slot last goes, so that the release is no longer superseded.
func TestReturnedSlotsDoNotWaitForNodes(t *testing.T) {
	b := newBoard(spec("a", 2))
	b.snap.Settings.Rec = &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(time.Hour)}}}
	l := b.live("L", 5, nil, nil, 5, nil)
	l.Member.Rec.Works = []string{"another"}
	n := b.live("N", 5, schematest.Granted("a 1 @5"), because(cluster.WhyBalance, schematest.Releasing("a 0 @5 v5")), 5, schematest.Claimed("a 1 @5"))
	m := b.live("M", 1, schematest.Granted("a 0 @9"), nil, 1, schematest.Claimed("a 0 @9"))
	gone(n).Assignment.Rec.Closed = &schema.Closed{Cause: "killed"}
	gone(m).Assignment.Rec.Closed = &schema.Closed{Cause: "node left", Left: true}
	d := b.decide()
	b.apply(t, d)
	memory := d.Memory
	l = b.live("K", 5, nil, nil, 5, nil)
	for range 3 {
		b.now += time.Second
		d = b.decide(func(w *round.World) { w.Memory = memory })
		memory = d.Memory
		b.apply(t, d)
	}
	if got := drawList(b.snap.Peers["K"].Assignment.Rec.Granted); !strings.HasPrefix(got, "a[0]@") {
		t.Errorf("K has %q, want a#0, which N had given back", got)
	}
	if n := b.snap.Peers["N"]; n == nil || drawList(n.Assignment.Rec.Granted) != "a[1]@5" {
		t.Error("a#1 does not wait for N")
	}
}

// While a barrier waits for a node that has left to be restarted, the slots that were given back for it run on with the old count, and
// people are told until when it waits and how to end that.
func TestRestartGraceWithinABarrier(t *testing.T) {
	b := threeNodes(t, spec("a", 6))
	l := *b.snap.Peers["L"]
	rec := *l.Assignment.Rec
	rec.Releasing = because(cluster.WhyResized, schema.AskedBack(schematest.ClaimAll(rec.Granted), l.Assignment.Version))
	for i := range rec.Releasing {
		rec.Releasing[i].Count = new(6)
	}
	rec.Granted = nil
	l.Assignment.Rec, l.Status.Rec = &rec, &schema.Status{Applied: l.Assignment.Version}
	b.snap.Peers["L"] = &l
	restarting(b.snap.Peers["M"], 10*time.Minute)
	b.scale(7)
	d := b.decide()
	b.apply(t, d)
	if got := schema.Count(b.snap.Peers["L"].Assignment.Rec.Granted); got != 2 {
		t.Errorf("L has %d slots, and gave back 2: %s", got, draw(d))
	}
	if why := d.Unplaced["a"].String(); !strings.Contains(why, "is given 10m0s to come back") || !strings.Contains(why, "xconsumer move-now") {
		t.Errorf("the reason: %q", why)
	}
	b.judgeCounts(t)
}

// Nodes that are being restarted are there for a freeze: if one of ten nodes crashes meanwhile, it is not more than a third of them.
func TestRestartsDoNotMakeAFreeze(t *testing.T) {
	r := newRolled(9, 1, 90)
	r.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{FreezeAbove: 0.3}}}}
	r.grace = time.Minute
	for _, memberID := range []string{"m0001", "m0002", "m0003", "m0004", "m0005", "m0006", "m0007"} {
		r.leave(memberID)
	}
	p := gone(r.snap.Peers["m0008"])
	rec := *p.Assignment.Rec
	rec.Closed = &schema.Closed{Cause: "killed"}
	p.Assignment.Rec = &rec
	r.settle()
	if r.memory.Delays.Frozen || r.total() != 10 {
		t.Errorf("frozen: %v; %d of the 10 slots of the node that crashed run elsewhere", r.memory.Delays.Frozen, r.total())
	}
}

// An operator need not wait for a node that stops to be restarted either: what has stopped there moves.
func TestMoveNowWhileANodeStops(t *testing.T) {
	r := newRolled(4, 1, 40)
	p := r.snap.Peers["m0002"]
	member, status := *p.Member.Rec, *p.Status.Rec
	member.RestartGrace, status.Leaving = cluster.Duration(time.Minute), true
	p.Member.Rec, p.Status.Rec = &member, &status
	r.settle()
	if len(p.Assignment.Rec.Releasing) > 0 {
		t.Fatal("its slots are asked back")
	}
	slot := cluster.Slot{Task: "t000", Index: p.Assignment.Rec.Granted[0].Slots[0]}
	out, err := explain.Slot(&r.snap, slot, r.now, coord.Info{})
	if want := "node-m0002 is leaving, and has 1m0s to come back after that. To wait no longer: xconsumer move-now"; err != nil || out.Here != want {
		t.Errorf("the explanation: %q, %v", out.Here, err)
	}
	for _, n := range out.Nodes {
		if n.Placeable && !n.Here && n.Why != "it could run there, but waits" {
			t.Errorf("why not on %s: %q", n.Node, n.Why)
		}
	}
	r.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{MoveNow: []string{"m0002"}}}
	d := r.board.decide(func(w *round.World) { w.Memory, w.Self = r.memory, "leader" })
	if a := d.Assignments["m0002"]; a == nil || schema.Count(a.Releasing) != 10 {
		t.Errorf("its slots are not asked back: %s", draw(d))
	}
}

// A node that has left to be restarted, or is back from that, is not one of several that leave one soon after the other: what one that
// leaves for good had moves at once.
func TestAGraceIsNotADeparture(t *testing.T) {
	for name, between := range map[string]func(r *rolled){
		"away": func(*rolled) {},
		"back": func(r *rolled) {
			r.pass(10 * time.Second)
			r.join("node-m0001")
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRolled(5, 1, 50)
			r.grace = time.Minute
			r.leave("m0001")
			between(r)
			before := r.total()
			r.grace = 0
			r.leave("m0002")
			if n := r.total() - before; n != 10 {
				t.Errorf("%d of 10 slots moved at once", n)
			}
		})
	}
}
