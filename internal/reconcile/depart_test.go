package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// carryOut applies a decision: who is granted something claims it at once, who is asked for something gives it back at once.
func (b *board) carryOut(d round.Decision, granted map[cluster.Slot]int) {
	for memberID, assignment := range d.Assignments {
		p := b.snap.Peers[memberID]
		if assignment == nil {
			delete(b.snap.Peers, memberID)
			continue
		}
		for _, h := range assignment.Granted {
			for _, index := range h.Slots {
				if h.Token >= b.snap.Epoch.Rec.NextToken {
					granted[cluster.Slot{Task: h.Task, Index: index}]++
				}
			}
		}
		p.Assignment.Rec, p.Assignment.Version, p.Assignment.RecAt, p.Assignment.Read = assignment, p.Assignment.Version+1, p.Assignment.Version+1, b.now
		if p.Status.Absent {
			continue
		}
		p.Status.Read = b.now
		p.Status.Rec = &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(assignment.Granted), Leaving: p.Status.Rec.Leaving}
	}
	b.snap.Epoch.Rec.NextToken = d.Token
}

// Of 40 nodes 30 are told to leave within a second: what they had moves to those that stay, and not from leaver to leaver.
func TestManyLeaveTogether(t *testing.T) {
	const nodes, leavers, each = 40, 30, 5
	for _, within := range []time.Duration{10 * time.Millisecond, time.Second} {
		t.Run(within.String(), func(t *testing.T) {
			all, worst := 0, 0
			const rounds = 20
			for seed := range uint64(rounds) {
				moved := leaveTogether(t, nodes, leavers, each, within, seed)
				sum, most := 0, 0
				for _, n := range moved {
					sum += n
					most = max(most, n)
				}
				if most > 2 {
					t.Errorf("seed %d: a slot moved %d times", seed, most)
				}
				all, worst = all+sum, max(worst, sum)
			}
			t.Logf("%d moves have to be; %.1f on average, %d at most", leavers*each, float64(all)/rounds, worst)
			if most := leavers*each + each; worst > most { // what the first one leaves may go to others that leave
				t.Errorf("%d moves, want %d at most", worst, most)
			}
		})
	}
}

// leaveTogether returns how often every slot moved.
func leaveTogether(t *testing.T, nodes, leavers, each int, within time.Duration, seed uint64) map[cluster.Slot]int {
	b := settledBoard(nodes, 1, nodes*each)
	b.snap.Epoch.Rec.NextToken = 10_000
	for _, p := range b.snap.Peers {
		p.Status.Rec.Holding = schematest.ClaimAll(p.Assignment.Rec.Granted)
	}
	random := rand.New(rand.NewPCG(40, seed))
	at := map[time.Duration][]string{}
	for _, n := range random.Perm(nodes)[:leavers] {
		when := b.now + time.Duration(random.Int64N(int64(within)))
		at[when] = append(at[when], fmt.Sprintf("m%04d", n))
	}
	var memory round.Memory
	moved := map[cluster.Slot]int{}
	decide := func() time.Duration {
		for range 10 {
			d := b.decide(func(w *round.World) { w.Memory = memory })
			memory = d.Memory
			if b.carryOut(d, moved); len(d.Assignments) == 0 {
				return d.RequeueAt
			}
		}
		t.Fatal("decisions do not end")
		return 0
	}
	b.now -= time.Second
	again := decide()
	b.now += time.Second
	for _, when := range append(slices.Sorted(maps.Keys(at)), b.now+within+time.Minute) {
		for again > 0 && again <= when {
			b.now = max(b.now, again)
			next := decide()
			if next != 0 && next <= b.now {
				t.Fatalf("a decision asks for one at %v, which is not after %v", next, b.now)
			}
			again = next
		}
		b.now = when
		for _, memberID := range at[when] {
			p := gone(b.snap.Peers[memberID])
			assignment := *p.Assignment.Rec
			assignment.Closed = &schema.Closed{Left: true}
			p.Assignment = view.Entry[schema.Assignment]{Rec: &assignment, Version: p.Assignment.Version + 1, RecAt: p.Assignment.Version + 1, Read: b.now}
		}
		again = decide()
	}
	if len(b.snap.Peers) != nodes-leavers {
		t.Fatalf("%d nodes are left", len(b.snap.Peers))
	}
	held := 0
	for _, p := range b.snap.Peers {
		held += schema.Count(p.Assignment.Rec.Granted)
	}
	if held != nodes*each {
		t.Fatalf("%d slots are granted", held)
	}
	return moved
}

// A stream of nodes that leave one soon after the other holds what each of them leaves behind for a bounded time, also if
// what was decided is not carried out: the commits may fail for as long as they like.
func TestAStreamOfDeparturesHoldsNobodyForEver(t *testing.T) {
	const nodes, each = 60, 150 * time.Millisecond
	b := settledBoard(nodes, 1, 2*nodes)
	b.snap.Epoch.Rec.NextToken = 10_000
	b.now += time.Hour
	left := map[string]time.Duration{}
	var memory round.Memory
	for i := range nodes - 10 {
		memberID := fmt.Sprintf("m%04d", i)
		p := gone(b.snap.Peers[memberID])
		assignment := *p.Assignment.Rec
		assignment.Closed = &schema.Closed{Left: true}
		p.Assignment = view.Entry[schema.Assignment]{Rec: &assignment, Version: p.Assignment.Version + 1, RecAt: p.Assignment.Version + 1, Read: b.now}
		left[memberID] = b.now
		d := b.decide(func(w *round.World) { w.Memory = memory })
		memory = d.Memory
		held := 0
		for memberID, at := range left {
			assignment, written := d.Assignments[memberID]
			if reaped := written && assignment == nil; !reaped && b.now >= at+2*time.Second {
				t.Errorf("%v after it has left, what %s leaves behind still waits", b.now-at, memberID)
			} else if !reaped {
				held++
			}
		}
		if i == 8 && held < 8 {
			t.Errorf("%d of %d that left within a second wait for the others", held, i)
		}
		b.now += each
	}
}

// A leader that leaves gives itself nothing from the moment that it knows, also while its status does not say so yet: it
// would ask that back as soon as it has read its status. What is bound to it waits.
func TestALeaderThatLeavesGivesItselfNothing(t *testing.T) {
	for name, c := range map[string]struct {
		require cluster.Selector
		want    int // slots that M is granted
	}{"free for anybody": {"", 2}, "bound to the leader": {cluster.LabelNode + "=node-L", 0}} {
		t.Run(name, func(t *testing.T) {
			task := spec("a", 2)
			task.Require = c.require
			b := newBoard(task)
			b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			b.live("M", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
			d := b.decide(func(w *round.World) { w.Leaving = true })
			if assignment := d.Assignments["L"]; assignment != nil && schema.Count(assignment.Granted) > 0 {
				t.Errorf("it gives itself %v", assignment.Granted)
			}
			got := 0
			if assignment := d.Assignments["M"]; assignment != nil {
				got = schema.Count(assignment.Granted)
			}
			if got != c.want {
				t.Errorf("M is granted %d slots, want %d", got, c.want)
			}
		})
	}
}

// Members that a leader has settled did not leave on purpose: nothing of theirs waits for others that leave at the same time.
func TestSettledMembersDidNotLeave(t *testing.T) {
	b := newBoard(spec("a", 2))
	b.live("L", 5, schematest.Granted(), schematest.Releasing(), 5, schematest.Claimed())
	for i, memberID := range []string{"M", "N"} {
		granted := schematest.Granted(fmt.Sprintf("a %d @%d", i, 5+i))
		p := gone(b.live(memberID, 5, granted, schematest.Releasing(), 5, schematest.Claimed()))
		p.Assignment.Rec.Closed = &schema.Closed{By: "L", Cause: schema.CauseLost, Settled: true}
	}
	known := round.Departures{Known: map[string]time.Duration{}}
	d := b.decide(func(w *round.World) { w.Memory.Delays.Departures = known })
	for _, memberID := range []string{"M", "N"} {
		if assignment, written := d.Assignments[memberID]; !written || assignment != nil {
			t.Errorf("%s is not reaped: %s", memberID, draw(d))
		}
	}
	if d.Memory.Delays.Departures.Count != 0 {
		t.Errorf("%d departures are counted", d.Memory.Delays.Departures.Count)
	}
}
