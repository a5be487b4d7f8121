package membership_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// deleted returns what operations delete, with the member's MemberID as M, sorted.
func deleted(t *testing.T, memberID string, ops []coord.Op) string {
	t.Helper()
	var list []string
	for _, op := range ops {
		if op.Kind != coord.KindDelete {
			t.Errorf("%s of %s", op.Kind, op.Key)
		}
		key := strings.ReplaceAll(strings.TrimPrefix(op.Key, keys.Root()+"/"), memberID, "M")
		if strings.HasPrefix(key, "election/") {
			key = strings.TrimRight(key, "0123456789") // the sequence
		}
		list = append(list, key)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// Whoever ends a membership deletes the keys of its session; a leader those that a hand has made in their place, too. The
// name is left to another member that has it by now.
func TestBound(t *testing.T) {
	const all = "election/M-n_ heartbeats/M members/M names/n1 status/M"
	type world struct {
		t               *testing.T
		service         *mem.Service
		s, hand         coord.Session
		self, successor membership.Self
	}
	set := func(w *world, ops ...coord.Op) {
		w.t.Helper()
		if _, err := w.hand.Commit(w.t.Context(), ops...); err != nil {
			w.t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		change              func(w *world)
		node                string
		own, every          string // what is deleted
		noSession, noStatus bool
	}{
		"as it joined":    {node: "n1", own: all, every: all},
		"of unknown node": {node: "", own: "election/M-n_ heartbeats/M members/M status/M", every: "election/M-n_ heartbeats/M members/M status/M"},
		"two candidate keys": {func(w *world) {
			if _, err := w.s.Commit(w.t.Context(), coord.CreateSequenced(schema.CandidatePrefix(keys, w.self.MemberID), []byte("{}"))); err != nil {
				w.t.Fatal(err)
			}
		}, "n1", "election/M-n_ " + all, "election/M-n_ " + all, false, false},
		"its name is another's": {func(w *world) {
			set(w, coord.Delete(keys.Name("n1"), 0))
			set(w, coord.CreateBound(keys.Name("n1"), schema.Encode(&schema.Name{Member: "other", Node: "n1"}, 0)))
		}, "n1", "election/M-n_ heartbeats/M members/M status/M", "election/M-n_ heartbeats/M members/M status/M", false, false},
		"a hand has made its status": {func(w *world) {
			set(w, coord.Delete(keys.Status(w.self.MemberID), 0))
			set(w, coord.Create(keys.Status(w.self.MemberID), []byte("what is this?")))
		}, "n1", "election/M-n_ heartbeats/M members/M names/n1", all, false, true},
		"a hand has deleted its member key": {func(w *world) { set(w, coord.Delete(keys.Member(w.self.MemberID), 0)) },
			"n1", "election/M-n_ heartbeats/M names/n1 status/M", "election/M-n_ heartbeats/M names/n1 status/M", true, false},
		"a hand has made its member key": {func(w *world) {
			set(w, coord.Delete(keys.Member(w.self.MemberID), 0))
			set(w, coord.Create(keys.Member(w.self.MemberID), []byte("{}")))
		}, "n1", "election/M-n_ heartbeats/M names/n1 status/M", all, true, false},
		"gone, with a successor": {func(w *world) {
			w.service.Expire(w.s.Info().ID)
			w.successor = join(w.t, w.hand, "n1")
		}, "n1", "", "", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				w := &world{t: t, service: service, s: open(t, service.Client()), hand: open(t, service.Client())}
				w.self = join(t, w.s, "n1")
				join(t, open(t, service.Client()), "n2") // which is left alone
				if c.change != nil {
					c.change(w)
				}
				bound, err := membership.ReadSessionKeys(t.Context(), w.hand, keys, w.self.MemberID, c.node)
				if err != nil {
					t.Fatal(err)
				}
				if own := deleted(t, w.self.MemberID, bound.DeleteOps(w.s.Info().ID)); own != c.own {
					t.Errorf("of its session it deletes %q, want %q", own, c.own)
				}
				if every := deleted(t, w.self.MemberID, bound.DeleteAllOps()); every != c.every {
					t.Errorf("of all it deletes %q, want %q", every, c.every)
				}
				if (bound.Session == "") != c.noSession || !c.noSession && bound.Session != w.s.Info().ID {
					t.Errorf("session %q of %q", bound.Session, w.s.Info().ID)
				}
				if (bound.Status == nil) != c.noStatus {
					t.Errorf("status %+v", bound.Status)
				}
				if ops := bound.DeleteAllOps(); len(ops) > 0 {
					set(w, ops...)
				}
			})
		})
	}
}

// A key that cannot be read is not taken for one that is not there.
func TestBoundThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		self := join(t, open(t, service.Client()), "n1")
		for _, key := range []string{keys.Member(self.MemberID), keys.Status(self.MemberID), keys.Heartbeat(self.MemberID), keys.Name("n1"), self.Election} {
			s := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
				Get: func(ctx context.Context, k string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
					if k == key {
						return coord.Record{}, coord.ErrUnauthorized
					}
					return next(ctx, k)
				},
			}))
			if bound, err := membership.ReadSessionKeys(t.Context(), s, keys, self.MemberID, "n1"); !errors.Is(err, coord.ErrUnauthorized) {
				t.Errorf("%s: %+v, %v", key, bound, err)
			}
		}
	})
}

// A dead member's attempts to stand whose outcome it did not know keep nobody from leading.
func TestDeadMemberOfTwoCandidateKeysIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{})
		s, parent := open(t, service.Client()), open(t, service.Client())
		self := join(t, s, "n1")
		if _, err := s.Commit(t.Context(), coord.CreateSequenced(schema.CandidatePrefix(keys, self.MemberID), []byte("{}"))); err != nil {
			t.Fatal(err)
		}
		if err := membership.CloseDead(t.Context(), parent, keys, dead(self, s, false)); err != nil {
			t.Fatal(err)
		}
		if left := names(t, parent, keys.Elections()); len(left) != 0 {
			t.Errorf("candidate keys %v are left", left)
		}
	})
}
