package operation_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// change writes what a test needs.
func (l *lossy) change(change func(s coord.Session) coord.Op) {
	l.t.Helper()
	s := l.operator().Session
	if _, err := s.Commit(l.t.Context(), change(s)); err != nil {
		l.t.Fatal(err)
	}
}

// rewrite changes a record of the store.
func rewrite[R any, P interface {
	*R
	schema.Record
}](l *lossy, key string, change func(P)) {
	l.t.Helper()
	l.change(func(s coord.Session) coord.Op {
		r, err := s.Get(l.t.Context(), key)
		rec := P(new(R))
		if err == nil {
			err = schema.Decode(key, r, rec)
		}
		if err != nil {
			l.t.Fatal(err)
		}
		change(rec)
		return coord.Set(key, schema.Encode(rec, r.Version+1), r.Version)
	})
}

// What a plan has an eviction write is what an eviction writes, and it leaves what an eviction leaves: the assignment says that
// the member is evicted, and not that nothing of it runs. Both refuse the same in the same words.
func TestEvictionsAreWrittenAsPlanned(t *testing.T) {
	for name, c := range map[string]struct {
		before  func(l *lossy)
		refused string
	}{
		"as it is": {before: func(*lossy) {}},
		"it holds what its assignment does not list": {before: func(l *lossy) {
			rewrite(l, keys.Status("g1"), func(s *schema.Status) {
				s.Holding = []schema.Claimed{{SlotRange: schema.SlotRange{Task: "other", Slots: cluster.Indexes{3}, Token: 4}}}
			})
		}},
		"it was evicted": {func(l *lossy) { rewrite(l, keys.Assignment("g1"), func(a *schema.Assignment) { a.Evicted = true }) }, "no longer a member"},
		"it is closed": {func(l *lossy) {
			rewrite(l, keys.Assignment("g1"), func(a *schema.Assignment) { a.Closed = &schema.Closed{} })
		}, "no such node"},
		"damaged": {func(l *lossy) {
			l.change(func(coord.Session) coord.Op { return coord.Set(keys.Assignment("g1"), []byte("{oops"), 0) })
		}, "the leader writes the record again"},
		"no assignment": {func(l *lossy) {
			l.change(func(coord.Session) coord.Op { return coord.Delete(keys.Assignment("g1"), 0) })
		}, "no longer a member"},
		"no such a node":  {func(l *lossy) { l.change(func(coord.Session) coord.Op { return coord.Delete(keys.Member("g1"), 0) }) }, "no such node"},
		"it is the other": {func(l *lossy) { rewrite(l, keys.Member("g1"), func(m *schema.Member) { m.Node = "n2" }) }, "no such node"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLossy(t)
				c.before(l)
				l.count = 0
				before := l.snapshot()
				next, planErr := operation.Effect(t.Context(), before, cluster.Operations{cluster.Evict("n1")}, operation.Stamp{})
				revision, err := l.operator().Do(t.Context(), before, cluster.Evict("n1"))
				if c.refused != "" {
					if err == nil || planErr == nil || err.Error() != planErr.Error() || !strings.Contains(err.Error(), c.refused) || l.count != 0 {
						t.Errorf("the plan says %v, and the commit %v; %d commits", planErr, err, l.count)
					}
					return
				}
				if err != nil || planErr != nil {
					t.Fatal(planErr, err)
				}
				want, got := next.Peers["g1"], l.snapshot().Peers["g1"]
				if diff := cmp.Diff(string(schema.Encode(want.Assignment.Rec, 1)), string(schema.Encode(got.Assignment.Rec, 1))); diff != "" {
					t.Errorf("-planned +written:\n%s", diff)
				}
				a := got.Assignment
				if !a.Rec.Evicted || a.Rec.Closed != nil || revision != "1" || a.Version != 1 || want.Assignment.Version != 1 {
					t.Errorf("revision %s, planned as %d: %+v", revision, want.Assignment.Version, a)
				}
				if held := before.Peers["g1"].Status.Rec.Holding; len(held) != len(a.Rec.Releasing) {
					t.Errorf("it held %v, of which %+v is asked back", held, a.Rec.Releasing)
				}
				if want.Live() || got.Live() || !got.Member.Absent || !want.Member.Absent || !got.Status.Absent || !want.Status.Absent {
					t.Errorf("planned %+v, written %+v", want, got)
				}
				if old := before.Peers["g1"]; old.Assignment.Rec.Evicted || !old.Live() {
					t.Errorf("the snapshot was changed: %+v", old)
				}
			})
		})
	}
}

// A node that is lost leaves its assignment as it was. Its slots go elsewhere in the plan, whatever delays there are, and so do
// those of a node that is evicted, before it is and after.
func TestPlansDoNotWaitForEndedMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t)
		settings := cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(time.Hour), FreezeAbove: 0.1, FreezeFor: cluster.Duration(time.Hour)}}
		l.change(func(coord.Session) coord.Op {
			return coord.Create(keys.Settings(), schema.Encode(&schema.Settings{Spec: settings}, 0))
		})
		before, o := l.snapshot(), l.operator()
		next, err := operation.Effect(t.Context(), before, cluster.Operations{cluster.Lose("n1")}, operation.Stamp{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(schema.Encode(before.Peers["g1"].Assignment.Rec, 0)), string(schema.Encode(next.Peers["g1"].Assignment.Rec, 0))); diff != "" {
			t.Errorf("a loss writes (-before +after):\n%s", diff)
		}
		plan := func(s *view.Snapshot, ops ...cluster.Operation) cluster.Plan {
			t.Helper()
			plan, err := o.Plan(t.Context(), s, ops)
			if err != nil {
				t.Fatal(err)
			}
			return plan
		}
		moves := func(code cluster.ReasonCode, reason string) (list []cluster.PlannedMove) {
			for i := range 2 {
				list = append(list, cluster.PlannedMove{Slot: cluster.Slot{Task: "a", Index: i}, From: "n1", To: "n2", Code: code, Reason: reason})
			}
			return list
		}
		if diff := cmp.Diff(moves(cluster.WhyLost, "n1 was lost"), plan(before, cluster.Lose("n1")).Moves); diff != "" {
			t.Errorf("a loss (-want +got):\n%s", diff)
		}
		evicted := plan(before, cluster.Evict("n1"))
		if diff := cmp.Diff(moves(cluster.WhyEvicted, "n1 was evicted"), evicted.Moves); diff != "" {
			t.Errorf("an eviction (-want +got):\n%s", diff)
		}
		do(t, o, before, cluster.Evict("n1"))
		if after := plan(l.snapshot(), cluster.MoveNow()).After; after != evicted.After || len(plan(l.snapshot(), cluster.MoveNow()).Unplaced) > 0 {
			t.Errorf("after the eviction %+v is planned; before it was %+v", after, evicted.After)
		}
		if _, err := o.Plan(t.Context(), before, cluster.Operations{cluster.Lose("n1"), cluster.Evict("n1")}); !errors.Is(err, cluster.ErrNoNode) {
			t.Errorf("of a node that was lost: %v", err)
		}
	})
}
