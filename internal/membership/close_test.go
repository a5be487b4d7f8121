package membership_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// dead says what a parent knows of a member.
func dead(self membership.Self, s coord.Session, blame bool) membership.FormerMember {
	return membership.FormerMember{Member: self.MemberID, Node: self.Node, Session: s.Info().ID, By: "parent", Cause: "panic", Blame: blame}
}

func docOf(t *testing.T, s coord.Session, memberID string) (assignment schema.Assignment) {
	t.Helper()
	r, err := s.Get(t.Context(), keys.Assignment(memberID))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Decode(keys.Assignment(memberID), r, &assignment); err != nil {
		t.Fatal(err)
	}
	return assignment
}

func TestDeadMemberIsClosed(t *testing.T) {
	for name, c := range map[string]struct {
		blame bool
		want  []schema.Claimed
	}{
		"to blame":     {true, []schema.Claimed{{SlotRange: schema.SlotRange{Task: "b", Slots: cluster.Indexes{3}, Token: 9}}}},
		"not to blame": {false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				s, parent := open(t, service.Client()), open(t, service.Client())
				self := join(t, s, "n1")
				now := time.Now().UTC()
				status := &schema.Status{Holding: []schema.Claimed{
					{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{0, 1}, Token: 5}, Since: now.Add(-2 * time.Minute)},
					{SlotRange: schema.SlotRange{Task: "b", Slots: cluster.Indexes{3}, Token: 9}, Since: now.Add(-10 * time.Second)},
				}}
				if _, err := s.Commit(t.Context(), coord.Set(keys.Status(self.MemberID), schema.Encode(status, 1), 0)); err != nil {
					t.Fatal(err)
				}
				for range 2 { // the second time there is nothing left to do
					if err := membership.CloseDead(t.Context(), parent, keys, dead(self, s, c.blame)); err != nil {
						t.Fatal(err)
					}
				}
				closed := docOf(t, parent, self.MemberID).Closed
				if closed == nil || closed.By != "parent" || closed.Cause != "panic" {
					t.Fatalf("closed: %+v", closed)
				}
				for i := range c.want {
					c.want[i].Since = now.Add(-10 * time.Second)
				}
				if diff := cmp.Diff(c.want, closed.StartedLast60s); diff != "" || c.blame != closed.At.Equal(now) {
					t.Errorf("started at %v, died at %v: %s", now, closed.At, diff)
				}
				for _, key := range []string{keys.Members(), keys.Elections()} {
					if n := names(t, parent, key); len(n) != 0 {
						t.Errorf("%s: %v", key, n)
					}
				}
				join(t, parent, "n1") // the name is free
			})
		})
	}
}

// A successor that has joined under the same name already keeps it.
func TestDeadMemberLeavesItsSuccessorAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		s := open(t, service.Client())
		self := join(t, s, "n1")
		id := s.Info().ID
		service.Expire(id)
		successor := join(t, open(t, service.Client()), "n1")
		parent := open(t, service.Client())
		d := dead(self, s, true)
		d.Session = id
		if err := membership.CloseDead(t.Context(), parent, keys, d); err != nil {
			t.Fatal(err)
		}
		if closed := docOf(t, parent, self.MemberID).Closed; closed == nil || closed.StartedLast60s != nil {
			t.Errorf("closed: %+v", closed)
		}
		if n := names(t, parent, keys.Members()); len(n) != 1 || n[0] != successor.MemberID {
			t.Errorf("members %v", n)
		}
		if _, err := parent.Get(t.Context(), keys.Name("n1")); err != nil {
			t.Errorf("the successor's name: %v", err)
		}
	})
}

// A member that never came to be is looked for for a moment, since its join may be under way; one
// that comes meanwhile is closed.
func TestDeadMemberIsStillJoining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		s, parent := open(t, service.Client()), open(t, service.Client())
		join(t, parent, "other")
		m := member("n1", s)
		began := time.Now()
		err := membership.CloseDead(t.Context(), parent, keys, dead(membership.Self{Member: m}, s, true))
		if !errors.Is(err, coord.ErrNotFound) || time.Since(began) > time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.AfterFunc(150*time.Millisecond, func() { _, _ = membership.Join(context.Background(), s, keys, m) })
		if err := membership.CloseDead(t.Context(), parent, keys, dead(membership.Self{Member: m}, s, true)); err != nil {
			t.Error(err)
		}
		if docOf(t, parent, m.MemberID).Closed == nil {
			t.Error("it is not closed")
		}
	})
}

// What the dead process had sent may still arrive: its claim after the close is refused, and one
// before the close makes it read again.
func TestCloseOfDeadMemberAgainstItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		s := open(t, service.Client())
		self := join(t, s, "n1")
		claim := func(at int64) error {
			status := &schema.Status{Holding: []schema.Claimed{{SlotRange: schema.SlotRange{Task: "a", Slots: cluster.Indexes{0}, Token: 1}, Since: time.Now().UTC()}}}
			_, err := s.Commit(t.Context(), coord.Check(keys.Assignment(self.MemberID), 0), coord.Set(keys.Status(self.MemberID), schema.Encode(status, at+1), at))
			return err
		}
		first := true
		parent := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				if first {
					first = false
					if err := claim(0); err != nil {
						t.Error(err)
					}
				}
				return next(ctx, ops...)
			},
		}))
		if err := membership.CloseDead(t.Context(), parent, keys, dead(self, s, true)); err != nil {
			t.Fatal(err)
		}
		closed := docOf(t, parent, self.MemberID).Closed
		if closed == nil || schema.Count(closed.StartedLast60s) != 1 {
			t.Errorf("the claim that came in between is not in %+v", closed)
		}
		if err := claim(1); err == nil {
			t.Error("a claim after the close was committed")
		}
	})
}
