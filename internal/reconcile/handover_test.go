package reconcile_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// tellsAlone closes the leader with what a hand, or another version, has it tell the next one.
func (l *leavers) tellsAlone(told schema.Burst) {
	memberID := l.leader
	l.leave(memberID, false)
	l.snap.Peers[memberID].Assignment.Rec.Closed.Burst = &told
}

// Whatever a closed assignment tells of a burst, what its member left behind waits no longer than one leader would have held it, however
// many leave after it and however often leaders change.
func TestForgedBurstsHoldNobody(t *testing.T) {
	const huge = cluster.Duration(math.MaxInt64)
	for _, told := range []schema.Burst{
		{Term: 1, Count: 1, Deferred: -cluster.Duration(time.Hour)}, {Term: 1, Count: 1, Deferred: -huge - 1}, {Term: 1, Count: 1, Deferred: huge},
		{Term: 1, Count: math.MaxInt}, {Term: 1, Count: math.MinInt}, {Term: 1},
		{Term: math.MaxInt64, Count: 1}, {Term: 2, Count: 1}, {Term: math.MinInt64, Count: 1},
	} {
		t.Run(fmt.Sprintf("%+v", told), func(t *testing.T) {
			l := newLeavers(60)
			l.leave("m0059", false)
			l.tellsAlone(told)
			for i := 1; i < 50; i++ {
				for end := l.now + 150*time.Millisecond; l.now < end; l.now += 10 * time.Millisecond {
					l.decide()
				}
				for memberID, at := range l.left {
					if _, waits := l.snap.Peers[memberID]; waits && l.now > at+2500*time.Millisecond {
						t.Fatalf("what %s left behind still waits after %v", memberID, l.now-at)
					}
				}
				l.leave(fmt.Sprintf("m%04d", i), true)
			}
		})
	}
}

// What no leader can have told is as good as nothing: what there was when the next one began is given away at once.
func TestWhatNoLeaderCanHaveToldIsNothing(t *testing.T) {
	for _, told := range []schema.Burst{
		{Term: 2, Count: 1}, {Term: math.MaxInt64, Count: 1}, {Term: math.MinInt64, Count: 1}, {Term: -1, Count: 1},
		{Term: 1}, {Term: 1, Count: -1}, {Term: 1, Count: 1, Deferred: -1}, {Term: 1, Count: 1, Deferred: math.MaxInt64},
	} {
		l := newLeavers(10)
		l.leave("m0009", false)
		l.tellsAlone(told)
		l.now = l.ready
		if l.decide(); len(l.snap.Peers) != 8 {
			t.Errorf("%+v is believed", told)
		}
	}
}

// Leaders that tell the next one and leaders that cannot take turns: nobody's slots wait for longer than one leader would have held
// them, and a moment for each change.
func TestLeadersOfWhichSomeTellNothing(t *testing.T) {
	for _, lasts := range []time.Duration{70 * time.Millisecond, 150 * time.Millisecond} {
		l := newLeavers(70)
		l.leave("m0000", true)
		l.leave("m0001", true)
		for i := 2; i < 60; i++ {
			for end := l.now + lasts + lasts*time.Duration(i%2); l.now < end; l.now += 10 * time.Millisecond {
				l.decide()
			}
			for memberID, at := range l.left {
				if _, waits := l.snap.Peers[memberID]; waits && l.now > at+2500*time.Millisecond {
					t.Fatalf("leaders change every %v: what %s left behind still waits after %v", lasts, memberID, l.now-at)
				}
			}
			l.leave(fmt.Sprintf("m%04d", i), i%2 == 0)
		}
	}
}

// A leader that could not give away what it found when it began, and for how long nobody knows, tells the next one that it was held for
// long enough.
func TestUnknownWaitsStayUnknown(t *testing.T) {
	l := newLeavers(10)
	l.leave("m0007", false)
	l.leave("m0008", false)
	l.leave("m0000", false) // it has crashed, or could tell nothing
	l.now = l.ready
	l.memory = l.board.decide(func(w *round.World) { w.Memory, w.Self = l.memory, l.leader }).Memory // which is not carried out
	l.leave(l.leader, true)
	l.now = l.ready
	if l.decide(); len(l.snap.Peers) != 6 {
		t.Error("it is deferred again")
	}
}
