package reconcile_test

import (
	"fmt"
	"math/rand/v2"
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

// rolled is a cluster whose nodes are restarted under their names. The leader has a node to itself, which stays.
type rolled struct {
	*board
	memory round.Memory
	again  time.Duration // when the leader asked for its next decision
	moved  map[cluster.Slot]int
	joined int
	grace  time.Duration // that the nodes ask for when they leave
}

func newRolled(nodes, tasks, slots int) *rolled {
	r := &rolled{board: settledBoard(nodes, tasks, slots), moved: map[cluster.Slot]int{}}
	r.snap.Epoch.Rec.NextToken = 100_000
	for _, p := range r.snap.Peers {
		p.Status.Rec.Holding = schematest.ClaimAll(p.Assignment.Rec.Granted)
	}
	r.live("leader", 3, nil, nil, 3, nil).Member.Rec.Works = nil
	r.settle()
	r.pass(time.Hour)
	clear(r.moved)
	return r
}

// settle decides until there is nothing to write.
func (r *rolled) settle() {
	for range 50 {
		d := r.board.decide(func(w *round.World) { w.Memory, w.Self = r.memory, "leader" })
		r.memory, r.again = d.Memory, d.RequeueAt
		if r.carryOut(d, r.moved); len(d.Assignments) == 0 {
			return
		}
	}
	panic("decisions do not end")
}

// pass lets time pass, with the decisions that are asked for.
func (r *rolled) pass(d time.Duration) {
	for end := r.now + d; ; {
		if r.again == 0 || r.again > end {
			r.now = end
			return
		}
		r.now = max(r.now, r.again)
		r.settle()
	}
}

// leave closes a member whose work has stopped.
func (r *rolled) leave(memberID string) {
	p := gone(r.snap.Peers[memberID])
	assignment := *p.Assignment.Rec
	assignment.Closed = &schema.Closed{Left: true, Cause: "node left", RestartGrace: cluster.Duration(r.grace)}
	version := p.Assignment.Version + 1
	p.Assignment = view.Entry[schema.Assignment]{Rec: &assignment, Version: version, RecAt: version, Read: r.now}
	r.settle()
}

// join adds a member under the name of a node, with works other than a and b if some are given.
func (r *rolled) join(node string, works ...string) (memberID string) {
	r.joined++
	memberID = fmt.Sprintf("r%04d", r.joined)
	p := r.live(memberID, 1, nil, nil, 1, nil)
	p.Member.Rec.Node, p.Assignment.Rec.Node = node, node
	if len(works) > 0 {
		p.Member.Rec.Works = works
	}
	r.settle()
	return memberID
}

// total returns how many moves there were.
func (r *rolled) total() (n int) {
	for _, times := range r.moved {
		n += times
	}
	return n
}

// even checks that everything runs, and that the nodes have as much as each other.
func (r *rolled) even(t *testing.T, slots int) {
	t.Helper()
	least, most, all := slots, 0, 0
	for memberID, p := range r.snap.Peers {
		if memberID != "leader" {
			n := schema.Count(p.Assignment.Rec.Granted)
			least, most, all = min(least, n), max(most, n), all+n
		}
	}
	if all != slots || most-least > 1 {
		t.Errorf("%d of %d slots are granted, from %d to %d a node", all, slots, least, most)
	}
}

// A rolling restart moves each slot about once: what a node leaves goes to the node that has come back before it.
func TestRollingRestartMovesEachSlotOnce(t *testing.T) {
	for _, c := range []struct {
		name                string
		nodes, tasks, slots int
		batch               int           // nodes restarted at a time
		away, pause         time.Duration // of each, and before the next
		most                float64       // moves of a slot, on average
	}{
		{"large", 100, 50, 10_000, 1, 3 * time.Second, 2 * time.Second, 1.05},
		{"one task", 40, 1, 1000, 1, 3 * time.Second, 2 * time.Second, 1.05},
		{"at once", 40, 10, 1000, 1, 10 * time.Millisecond, 10 * time.Millisecond, 1.05},
		{"odd", 38, 10, 1000, 1, 3 * time.Second, 2 * time.Second, 1.06},
		{"four at a time", 40, 10, 1000, 4, 3 * time.Second, 2 * time.Second, 1.25},
		{"few", 10, 5, 100, 1, 3 * time.Second, 2 * time.Second, 1.3},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.slots > 1000 && testing.Short() {
				t.Skip("100 nodes × 10,000 slots are of `make verify`")
			}
			r := newRolled(c.nodes, c.tasks, c.slots)
			for n := 0; n < c.nodes; n += c.batch {
				for i := range c.batch {
					r.leave(fmt.Sprintf("m%04d", n+i))
				}
				r.pass(c.away)
				for i := range c.batch {
					r.join(fmt.Sprintf("node-m%04d", n+i))
				}
				r.pass(c.pause)
			}
			r.pass(time.Minute)
			r.even(t, c.slots)
			average := float64(r.total()) / float64(c.slots)
			t.Logf("%.3f moves a slot", average)
			if average > c.most {
				t.Errorf("%.3f moves a slot, want %v at most", average, c.most)
			}
		})
	}
}

// Many nodes that leave within a second are emptied together: what they had goes to nodes that stay, and not from one to the next.
func TestNodesThatLeaveWithinASecondMoveTheirSlotsOnce(t *testing.T) {
	nodes, leavers, slots := 100, 30, 10_000
	if testing.Short() {
		slots = 1000
	}
	r := newRolled(nodes, 1, slots)
	random := rand.New(rand.NewPCG(100, 30))
	must := 0
	for _, n := range random.Perm(nodes)[:leavers] {
		memberID := fmt.Sprintf("m%04d", n)
		must += slots / nodes
		r.leave(memberID)
		r.pass(time.Second / time.Duration(leavers))
	}
	r.pass(5 * time.Second)
	r.even(t, slots)
	t.Logf("%d moves, of which %d have to be", r.total(), must)
	if most := must + slots/nodes; r.total() > most { // what the first one leaves does not wait, and may go to others that leave
		t.Errorf("%d moves, want %d at most", r.total(), most)
	}
}

// A node that asks for a restart grace gets its slots back, and nothing else moves. If it does not come back in time, an operator does
// not want to wait, or it is drained, its slots move.
func TestRestartGrace(t *testing.T) {
	const slots = 1000
	held := func(r *rolled, memberID string) int {
		return schema.Count(r.snap.Peers[memberID].Assignment.Rec.Granted)
	}
	t.Run("back", func(t *testing.T) {
		r := newRolled(20, 5, slots)
		r.grace = time.Minute
		for n := range 20 {
			r.leave(fmt.Sprintf("m%04d", n))
			r.pass(50 * time.Second)
			if back := r.join(fmt.Sprintf("node-m%04d", n)); held(r, back) != slots/20 {
				t.Fatalf("%s has %d slots", back, held(r, back))
			}
		}
		if r.total() != slots {
			t.Errorf("%d grants, want %d: each slot again on its node", r.total(), slots)
		}
		r.even(t, slots)
	})
	for name, c := range map[string]struct {
		after time.Duration
		do    func(*rolled)
	}{
		"late": {time.Minute, func(*rolled) {}},
		"move now": {0, func(r *rolled) {
			r.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{MoveNow: []string{"m0007"}}}
		}},
		"drained": {0, func(r *rolled) {
			r.snap.Marks = map[string]view.Entry[schema.Mark]{"node-m0007": {Rec: &schema.Mark{Drain: &schema.Drain{}}}}
		}},
		"quarantined": {0, func(r *rolled) {
			mark := &schema.Mark{Quarantine: &schema.Quarantine{Member: "m0007", Error: "e"}}
			r.snap.Marks = map[string]view.Entry[schema.Mark]{"node-m0007": {Rec: mark}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRolled(20, 5, slots)
			r.grace = time.Minute
			r.leave("m0007")
			r.pass(50 * time.Second)
			if r.total() != 0 {
				t.Fatalf("%d slots were granted while they wait", r.total())
			}
			c.do(r)
			r.settle()
			r.pass(c.after)
			if r.total() != slots/20 {
				t.Errorf("%d slots were granted, want %d", r.total(), slots/20)
			}
			r.even(t, slots)
		})
	}
	t.Run("for ever", func(t *testing.T) { // a record may say so; it is counted as the longest grace
		r := newRolled(20, 5, slots)
		r.grace = 24 * time.Hour
		r.leave("m0007")
		r.pass(cluster.MaxRestartGrace - time.Second)
		if r.total() != 0 {
			t.Errorf("%d slots were granted while they wait", r.total())
		}
		r.pass(time.Second)
		if r.total() != slots/20 {
			t.Errorf("%d slots were granted, want %d", r.total(), slots/20)
		}
	})
	t.Run("while it stops", func(t *testing.T) { // nothing is asked back, and nothing more is granted to it
		r := newRolled(20, 5, slots)
		p := r.snap.Peers["m0007"]
		member, status := *p.Member.Rec, *p.Status.Rec
		member.RestartGrace, status.Leaving = cluster.Duration(time.Minute), true
		p.Member.Rec, p.Status.Rec = &member, &status
		r.leave("m0003")
		r.pass(5 * time.Second)
		if held(r, "m0007") != slots/20 || len(p.Assignment.Rec.Releasing) > 0 || r.total() != slots/20 {
			t.Errorf("%d slots stay, %v are asked back, %d were granted", held(r, "m0007"), p.Assignment.Rec.Releasing, r.total())
		}
	})
	t.Run("asked back before", func(t *testing.T) { // these slots were to leave in any case
		r := newRolled(20, 1, slots)
		r.grace = time.Minute
		p := r.snap.Peers["m0007"]
		rec := *p.Assignment.Rec
		rec.Releasing = []schema.Releasing{{SlotRange: schema.SlotRange{Task: "t000", Slots: rec.Granted[0].Slots[:3], Token: rec.Granted[0].Token}, Version: p.Assignment.Version}}
		rec.Granted = slices.Clone(rec.Granted)
		rec.Granted[0].Slots = rec.Granted[0].Slots[3:]
		p.Assignment.Rec = &rec
		r.leave("m0007")
		r.pass(5 * time.Second)
		if waiting := held(r, "m0007"); r.total() != 3 || waiting != slots/20-3 {
			t.Errorf("%d slots were granted and %d wait, want the 3 that were asked back elsewhere", r.total(), waiting)
		}
	})
}

// A node that has come back gets its share when no node has come or gone for the quiet time, when an operator does not want to wait, or
// after several quiet times in a cluster that has none. A new node gets its share at once.
func TestQuiet(t *testing.T) {
	const nodes, slots = 10, 1000
	begin := func() (r *rolled, back string) {
		r = newRolled(nodes, 1, slots)
		r.leave("m0003")
		r.pass(time.Second)
		back = r.join("node-m0003")
		r.pass(time.Second)
		return r, back
	}
	held := func(r *rolled, memberID string) int {
		return schema.Count(r.snap.Peers[memberID].Assignment.Rec.Granted)
	}
	want := func(t *testing.T, r *rolled, memberID string, n int) {
		t.Helper()
		if got := held(r, memberID); got != n {
			t.Errorf("%s has %d slots, want %d", memberID, got, n)
		}
	}
	t.Run("over", func(t *testing.T) {
		r, back := begin()
		r.pass(cluster.DefaultQuiet - 1500*time.Millisecond)
		want(t, r, back, 0)
		r.pass(time.Second)
		want(t, r, back, slots/nodes)
	})
	t.Run("move now", func(t *testing.T) {
		r, back := begin()
		want(t, r, back, 0)
		r.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{BalanceNow: r.snap.Epoch.Rec.Term}}
		r.settle()
		r.snap.Requests = view.Entry[schema.Requests]{}
		r.pass(time.Second)
		want(t, r, back, slots/nodes)
	})
	t.Run("new", func(t *testing.T) {
		r, back := begin()
		fresh := r.join("fresh")
		r.pass(time.Second)
		want(t, r, back, 0)
		if n := held(r, fresh); n < slots/nodes-10 {
			t.Errorf("a new node has %d slots", n)
		}
	})
	t.Run("free slots", func(t *testing.T) {
		r, back := begin()
		r.leave("m0004")
		r.pass(time.Second)
		want(t, r, back, 111)
	})
	t.Run("of another term", func(t *testing.T) { // such a request is void
		r, back := begin()
		r.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{BalanceNow: r.snap.Epoch.Rec.Term + 1}}
		r.settle()
		want(t, r, back, 0)
	})
	t.Run("drain", func(t *testing.T) { // that is not for balance
		r, back := begin()
		r.snap.Marks = map[string]view.Entry[schema.Mark]{"node-m0004": {Rec: &schema.Mark{Drain: &schema.Drain{}}}}
		r.settle()
		want(t, r, "m0004", 0)
		want(t, r, back, 111)
	})
	t.Run("a leader begins", func(t *testing.T) { // it does not know who has come back
		r, back := begin()
		r.memory = round.Memory{}
		r.settle()
		fresh := r.join("fresh")
		r.pass(cluster.DefaultQuiet - time.Second)
		want(t, r, back, 0)
		want(t, r, fresh, 0)
		r.pass(2 * time.Second)
		if a, b := held(r, back), held(r, fresh); min(a, b) < 90 {
			t.Errorf("%d and %d slots when the nodes were quiet", a, b)
		}
		fresh = r.join("fresher") // by now it knows
		r.pass(time.Second)
		if n := held(r, fresh); n < 80 {
			t.Errorf("a new node has %d slots", n)
		}
	})
	t.Run("gone for long", func(t *testing.T) {
		r, _ := begin()
		r.pass(time.Minute)
		r.leave("m0005")
		r.pass(11 * time.Minute)
		late := r.join("node-m0005")
		r.pass(time.Second)
		want(t, r, late, slots/nodes)
	})
	t.Run("never quiet", func(t *testing.T) {
		r, back := begin()
		most := r.now - time.Second + cluster.MaxQuiets*cluster.DefaultQuiet
		for i := 0; r.now < most; i++ {
			want(t, r, back, 0)
			r.pass(cluster.DefaultQuiet - 2*time.Second)
			if i%2 == 0 {
				r.join("restless", "another work")
			} else {
				r.leave(fmt.Sprintf("r%04d", r.joined))
			}
		}
		r.pass(time.Second)
		if n := held(r, back); n < slots/nodes-10 {
			t.Errorf("a node that has come back has %d slots while another one comes and goes", n)
		}
	})
}

// A slot that runs nowhere never waits for the nodes to be quiet: if its only room is that of slots which would move to a node that has
// come back, they move.
func TestQuietHoldsNothingThatRunsNowhere(t *testing.T) {
	a, big := spec("a", 2), spec("b", 1)
	a.Weight, big.Weight, big.Require = 2, 4, "big=true"
	b := newBoard(a, big)
	b.live("leader", 3, nil, nil, 3, nil).Member.Rec.Works = nil
	n1 := b.live("n1", 3, schematest.Granted("a 0-1 @5"), nil, 3, schematest.Claimed("a 0-1 @5"))
	n1.Member.Rec.Capacity, n1.Member.Rec.Labels = 4, cluster.Labels{"big": "true"}
	r := &rolled{board: b, moved: map[cluster.Slot]int{}}
	r.settle()
	r.pass(time.Hour)
	r.memory.Returns.Gone["n2"] = r.now
	n2 := r.live("n2", 3, nil, nil, 3, nil)
	n2.Member.Rec.Node, n2.Assignment.Rec.Node, n2.Member.Rec.Capacity = "n2", "n2", 4
	r.settle()
	r.pass(time.Second)
	if n := schema.Count(n2.Assignment.Rec.Granted); n != 2 || len(n1.Assignment.Rec.Granted) != 1 || n1.Assignment.Rec.Granted[0].Task != "b" {
		t.Errorf("n1 has %v, n2 has %d slots", n1.Assignment.Rec.Granted, n)
	}
}

// Readers are told until when a slot waits that would move to a node that has come back.
func TestExplainQuiet(t *testing.T) {
	r := newRolled(4, 1, 12)
	r.leave("m0003")
	r.pass(time.Second)
	r.join("node-m0003")
	at := time.Date(2026, 11, 28, 10, 20, 30, 0, time.UTC)
	r.snap.Epoch.Rec.BalanceAt = at
	waits := 0
	for memberID, p := range r.snap.Peers {
		for slot := range schema.Each(p.Assignment.Rec.Granted) {
			out, err := explain.Slot(&r.snap, slot, r.now, coord.Info{})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(out.Here, "it is to move to node-m0003") {
				waits++
				for _, text := range []string{"waits until 10:20:30 UTC at least", "for 15s", "xconsumer move-now"} {
					if !strings.Contains(out.Here, text) {
						t.Errorf("%s on %s: %q does not say %q", slot, memberID, out.Here, text)
					}
				}
			}
		}
	}
	if waits != 3 {
		t.Errorf("%d slots are to move, want 3", waits)
	}
}
