package follower_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
)

// A checkpoint whose slot is given back while it is under way is refused by its commit.
func TestCheckpointIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := schema.NewKeys("test")
		slot := cluster.Slot{Task: "a", Index: 2}
		service := mem.New(mem.Config{})
		status := func(version int64, list ...schema.Claimed) []byte {
			return schema.Encode(&schema.Status{Holding: list}, version)
		}
		var during func()
		s, err := coordtest.Intercept(service.Client(), coordtest.Interceptor{
			Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
				if f := during; f != nil {
					during = nil
					f()
				}
				return next(ctx, ops...)
			},
		}).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		set := func(op coord.Op) {
			t.Helper()
			if _, err := s.Commit(t.Context(), op); err != nil {
				t.Fatal(err)
			}
		}
		set(coord.CreateBound(keys.Status("M"), status(0, schematest.Claimed("a 1-3 @5")...)))
		c := follower.Checkpoints{Session: s, Keys: keys, Member: "M"}
		if err := c.Save(t.Context(), cluster.Grant{Slot: slot, Token: 5}, []byte("one")); err != nil {
			t.Fatal(err)
		}
		during = func() { set(coord.Set(keys.Status("M"), status(1, schematest.Claimed("a 1 @5")...), 0)) }
		if err := c.Save(t.Context(), cluster.Grant{Slot: slot, Token: 5}, []byte("two")); !errors.Is(err, cluster.ErrReleased) {
			t.Errorf("given back meanwhile: %v", err)
		}
		set(coord.Set(keys.Status("M"), status(2, schematest.Claimed("a 2 @9")...), 1))
		if err := c.Save(t.Context(), cluster.Grant{Slot: slot, Token: 5}, []byte("three")); !errors.Is(err, cluster.ErrReleased) {
			t.Errorf("under an older token: %v", err)
		}
		if data, err := c.Last(t.Context(), cluster.Grant{Slot: slot}); string(data) != "one" || err != nil {
			t.Errorf("%s, %v", data, err)
		}
		// A change of something else in the status does not refuse it.
		during = func() { set(coord.Set(keys.Status("M"), status(3, schematest.Claimed("a 2 @9", "b 0 @7")...), 2)) }
		if err := c.Save(t.Context(), cluster.Grant{Slot: slot, Token: 9}, []byte("four")); err != nil {
			t.Error(err)
		}
		if data, err := c.Last(t.Context(), cluster.Grant{Slot: slot}); string(data) != "four" || err != nil {
			t.Errorf("%s, %v", data, err)
		}
		// A task of the same name that was declared after a deletion inherits nothing.
		again := cluster.Grant{Slot: slot, Token: 9, Generation: 1}
		if data, err := c.Last(t.Context(), again); data != nil || err != nil {
			t.Errorf("of another task: %s, %v", data, err)
		}
		if err := c.Save(t.Context(), again, []byte("first")); err != nil {
			t.Error(err)
		}
		if data, err := c.Last(t.Context(), again); string(data) != "first" || err != nil {
			t.Errorf("%s, %v", data, err)
		}
	})
}

// A checkpoint is saved once whatever becomes of the answer, and what reading again does not mend is said at once.
func TestCheckpointWhoseCommitFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := schema.NewKeys("test")
		grant := cluster.Grant{Slot: cluster.Slot{Task: "a", Index: 2}, Token: 5}
		for name, c := range map[string]struct {
			made bool
			err  error
			want error // nil: it is saved
		}{
			"made unheard":    {true, coord.ErrUnknown, nil},
			"lost":            {false, coord.ErrUnknown, nil},
			"without rights":  {false, &coord.CheckError{Op: coord.Create(keys.Checkpoint(grant.Slot), nil), Err: coord.ErrUnauthorized}, coord.ErrUnauthorized},
			"session is over": {false, coord.ErrSessionEnded, cluster.ErrLeaseLost},
		} {
			fails := false
			s, err := coordtest.Intercept(mem.New(mem.Config{}).Client(), coordtest.Interceptor{
				Commit: func(ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error)) ([]coord.Result, error) {
					if fails && c.made {
						_, _ = next(ctx, ops...)
					}
					if fails {
						fails = errors.Is(c.err, coord.ErrUnauthorized) // which lasts
						return nil, fmt.Errorf("test: %w", c.err)
					}
					return next(ctx, ops...)
				},
			}).Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			status := schema.Encode(&schema.Status{Holding: schematest.Claimed("a 1-3 @5")}, 0)
			if _, err := s.Commit(t.Context(), coord.CreateBound(keys.Status("M"), status)); err != nil {
				t.Fatal(err)
			}
			fails = true
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			err = follower.Checkpoints{Session: s, Keys: keys, Member: "M"}.Save(ctx, grant, []byte("one"))
			if !errors.Is(err, c.want) || time.Since(began) > time.Second {
				t.Errorf("%s: after %v: %v", name, time.Since(began), err)
			}
			if r, err := s.Get(ctx, keys.Checkpoint(grant.Slot)); c.want == nil && (err != nil || r.Version != 0) {
				t.Errorf("%s: version %d, %v", name, r.Version, err)
			}
			cancel()
			_ = s.Close()
		}
	})
}
