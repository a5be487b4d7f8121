package membership_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// A cluster is deleted although the answer to the commit that deletes its meta is lost. One that a node joins in the last moment
// stays as it was: while no member is known and meta is not yet deleted, or when the answer to the commit that makes
// meta again is lost as well.
func TestDeleteCluster(t *testing.T) {
	for _, joins := range []bool{false, true} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("joins %v done %v", joins, done), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					service := mem.New(mem.Config{})
					first := open(t, service.Client())
					join(t, first, "n1")
					before, err := first.Get(t.Context(), keys.Meta())
					if err != nil {
						t.Fatal(err)
					}
					service.Expire(first.Info().ID)
					other, lost := open(t, service.Client()), map[coord.Kind]bool{}
					s := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
						Commit: func(
							ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error),
						) ([]coord.Result, error) {
							if ops[0].Key != keys.Meta() || lost[ops[0].Kind] {
								return next(ctx, ops...)
							}
							lost[ops[0].Kind] = true
							if joins && ops[0].Kind == coord.KindDelete {
								join(t, other, "n2")
							}
							if done {
								if _, err := next(ctx, ops...); err != nil {
									t.Error(err)
								}
							}
							return nil, coord.ErrUnknown
						},
					}))
					records, err := membership.DeleteCluster(t.Context(), s, keys)
					if joins {
						after, getErr := other.Get(t.Context(), keys.Meta())
						if !errors.Is(err, membership.ErrLive) || getErr != nil || string(after.Value) != string(before.Value) {
							t.Errorf("%v; meta is %q, %v", err, after.Value, getErr)
						}
						join(t, open(t, service.Client()), "n3")
						return
					}
					if err != nil || records < 3 {
						t.Errorf("%d records, %v", records, err)
					}
					if list, err := other.List(t.Context(), keys.Root()); err != nil || len(list) > 0 {
						t.Errorf("left: %v, %v", list, err)
					}
					if _, err := membership.DeleteCluster(t.Context(), s, keys); !errors.Is(err, membership.ErrNoCluster) {
						t.Errorf("again: %v", err)
					}
				})
			})
		}
	}
}
