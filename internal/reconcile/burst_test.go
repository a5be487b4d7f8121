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

// leavers is a cluster of nodes with 5 slots each, some of which leave. The oldest node leads, and each leader remembers nothing of the
// one before it.
type leavers struct {
	*board
	term    int64
	leader  string
	memory  round.Memory
	ready   time.Duration // when the leader has begun to lead
	left    map[string]time.Duration
	longest time.Duration // that anybody's slots have waited while somebody led
	moved   map[cluster.Slot]int
}

func newLeavers(nodes int) *leavers {
	l := &leavers{board: settledBoard(nodes, 1, nodes*5), leader: "m0000", term: 1, left: map[string]time.Duration{}, moved: map[cluster.Slot]int{}}
	l.now += time.Hour
	l.snap.Epoch.Rec.NextToken, l.snap.Epoch.Rec.Term = 10_000, l.term
	for _, p := range l.snap.Peers {
		p.Status.Rec.Holding = schematest.ClaimAll(p.Assignment.Rec.Granted)
	}
	l.decide()
	return l
}

// leave closes a member. If it leads, another one does after a moment.
func (l *leavers) leave(memberID string, tells bool) {
	p := gone(l.snap.Peers[memberID])
	assignment := *p.Assignment.Rec
	assignment.Closed = &schema.Closed{Left: true}
	if memberID == l.leader && tells {
		assignment.Closed.Burst = l.memory.Delays.Departures.Burst(l.term, memberID, l.now)
	}
	p.Assignment = view.Entry[schema.Assignment]{Rec: &assignment, Version: p.Assignment.Version + 1, RecAt: p.Assignment.Version + 1, Read: l.now}
	l.left[memberID] = l.now
	if memberID == l.leader {
		l.next()
	}
}

func (l *leavers) next() {
	l.leader = ""
	for memberID, p := range l.snap.Peers {
		if !p.Member.Absent && (l.leader == "" || memberID < l.leader) {
			l.leader = memberID
		}
	}
	l.memory, l.term, l.ready = round.Memory{}, l.term+1, l.now+60*time.Millisecond
	l.snap.Epoch.Rec.Term = l.term
}

// decide lets the leader decide until it has nothing to write.
func (l *leavers) decide() {
	for range 10 {
		if l.now < l.ready {
			return
		}
		d := l.board.decide(func(w *round.World) { w.Memory, w.Self = l.memory, l.leader })
		l.memory = d.Memory
		for memberID, assignment := range d.Assignments {
			if at, left := l.left[memberID]; left && assignment == nil {
				l.longest = max(l.longest, l.now-at)
			}
		}
		if l.carryOut(d, l.moved); len(d.Assignments) == 0 {
			return
		}
	}
}

// Of 40 nodes 30 leave, also the leaders, in the order in which they joined or in any: what leaders remember of the burst does not end
// with their terms. Nobody's slots wait for long, and they do not go from leaver to leaver.
func TestLeadersLeaveTogether(t *testing.T) {
	const nodes, gone, each = 40, 30, 5
	for _, c := range []struct {
		inOrder     bool
		within      time.Duration
		total, most int // moves
	}{{true, time.Second, 155, 2}, {true, 3 * time.Second, 215, 4}, {false, time.Second, 170, 3}, {false, 3 * time.Second, 215, 4}} {
		t.Run(fmt.Sprintf("%v %v", c.inOrder, c.within), func(t *testing.T) {
			total, most, longest := 0, 0, time.Duration(0)
			for seed := range uint64(3) {
				random := rand.New(rand.NewPCG(40, seed))
				l := newLeavers(nodes)
				at := map[string]time.Duration{}
				for i, n := range random.Perm(nodes)[:gone] {
					if c.inOrder {
						at[fmt.Sprintf("m%04d", i)] = l.now + time.Second + c.within*time.Duration(i)/gone
					} else {
						at[fmt.Sprintf("m%04d", n)] = l.now + time.Second + time.Duration(random.Int64N(int64(c.within)))
					}
				}
				for end := l.now + c.within + 10*time.Second; l.now < end; l.now += 10 * time.Millisecond {
					for _, memberID := range slices.Sorted(maps.Keys(at)) {
						if at[memberID] <= l.now {
							l.leave(memberID, true)
							delete(at, memberID)
						}
					}
					l.decide()
				}
				if len(l.snap.Peers) != nodes-gone {
					t.Fatalf("%d nodes are left", len(l.snap.Peers))
				}
				sum := 0
				for _, n := range l.moved {
					sum, most = sum+n, max(most, n)
				}
				total, longest = max(total, sum), max(longest, l.longest)
			}
			t.Logf("%d moves at most, %d have to be; one slot %d times; waited %v", total, gone*each, most, longest)
			if total > c.total || most > c.most || longest > 2500*time.Millisecond {
				t.Error("too many, or for too long")
			}
		})
	}
}

// However often leaders change, and whether or not they tell the next one anything, nobody's slots wait for longer than one leader
// would have held them, and a moment for each change.
func TestNoSuccessionOfLeadersHoldsAnybodyForEver(t *testing.T) {
	for _, tells := range []bool{true, false} {
		for _, each := range []time.Duration{150 * time.Millisecond, 300 * time.Millisecond, 450 * time.Millisecond} {
			l := newLeavers(60)
			l.leave("m0000", tells)
			l.leave("m0001", tells)
			for i := 2; i < 50; i++ {
				for end := l.now + each; l.now < end; l.now += 10 * time.Millisecond {
					l.decide()
				}
				for memberID, at := range l.left {
					if _, waits := l.snap.Peers[memberID]; waits && l.now > at+2500*time.Millisecond {
						t.Fatalf("leaders change every %v: what %s left behind still waits after %v", each, memberID, l.now-at)
					}
				}
				l.leave(fmt.Sprintf("m%04d", i), tells)
			}
		}
	}
}

// A leader that leaves alone has nothing to tell, and the next one gives its slots away at once; so does one that knows nothing of what
// has left before its term.
func TestTheFirstOfABurstDoesNotWait(t *testing.T) {
	l := newLeavers(10)
	l.leave("m0000", true)
	if told := l.snap.Peers["m0000"].Assignment.Rec.Closed.Burst; told != nil {
		t.Errorf("it tells %+v", told)
	}
	l.now = l.ready
	if l.decide(); len(l.snap.Peers) != 9 {
		t.Error("what the former leader left behind waits")
	}
	l = newLeavers(10)
	l.leave("m0003", true)
	l.leave("m0000", false) // the leader has crashed
	l.now = l.ready
	if l.decide(); len(l.snap.Peers) != 8 {
		t.Error("what was there when the leader began waits")
	}
}

// What a leader has told is for the next one, or for the first one after it that decides anything if those in between say that they have
// not. After one that says nothing nobody knows for how long anything has been held.
func TestABurstIsToldToTheNextLeader(t *testing.T) {
	for said, waits := range map[string]bool{"": true, "t": true, "ttt": true, "c": false, "tc": false, "ct": false, "tct": false} {
		l := newLeavers(10)
		l.leave("m0005", true)
		l.now += 10 * time.Millisecond
		l.memory = l.board.decide(func(w *round.World) { w.Memory = l.memory }).Memory // which is not carried out
		l.leave("m0000", true)
		if told := l.snap.Peers["m0000"].Assignment.Rec.Closed.Burst; told == nil || told.Count != 1 || told.Term != 1 {
			t.Fatalf("it tells %+v", told)
		}
		for i, c := range said {
			l.leave(fmt.Sprintf("m%04d", i+1), c == 't')
		}
		left := 10
		if !waits {
			left = 10 - 2 - len(said)
		}
		l.now = l.ready
		if l.decide(); len(l.snap.Peers) != left {
			t.Errorf("leaders that have decided nothing: %q; %d nodes are there or wait, want %d", said, len(l.snap.Peers), left)
		}
	}
}
