package membership_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
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

// A deletion of meta whose outcome is unknown may be made later, when meta has been created again because a node had joined. It must not
// delete the new one, whose versions begin at 0 again.
func TestLateDeletionOfMeta(t *testing.T) {
	for _, atOnce := range []bool{false, true} {
		t.Run(fmt.Sprint("at once ", atOnce), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				service := mem.New(mem.Config{})
				first := open(t, service.Client())
				join(t, first, "n1")
				before, err := first.Get(t.Context(), keys.Meta())
				if err != nil {
					t.Fatal(err)
				}
				service.Expire(first.Info().ID)
				other := open(t, service.Client())
				var late []coord.Op
				made := false
				s := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
					Commit: func(
						ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error),
					) ([]coord.Result, error) {
						switch {
						case ops[0].Key != keys.Meta():
						case ops[0].Kind == coord.KindDelete && late == nil:
							late = ops
							return nil, coord.ErrUnknown
						case ops[0].Kind == coord.KindDelete:
							join(t, other, "n2")
						case ops[0].Kind == coord.KindCreate && atOnce && !made:
							made = true
							results, err := next(ctx, ops...)
							if _, err := next(ctx, late...); err != nil {
								t.Errorf("there is nothing to delete: %v", err)
							}
							return results, err
						}
						return next(ctx, ops...)
					},
				}))
				if _, err := membership.DeleteCluster(t.Context(), s, keys); !errors.Is(err, membership.ErrLive) {
					t.Errorf("a node joined, and the result is %v", err)
				}
				if _, err := other.Commit(t.Context(), late...); !errors.Is(err, coord.ErrVersion) {
					t.Errorf("a late deletion is made: %v", err)
				}
				after, err := other.Get(t.Context(), keys.Meta())
				if err != nil || string(after.Value) != string(before.Value) {
					t.Errorf("meta is %q, %v", after.Value, err)
				}
				join(t, open(t, service.Client()), "n3")
			})
		})
	}
}

// A node that starts while a cluster is deleted begins a new one when nothing of the old one is left, and not before: tokens would begin
// again below those of its checkpoints. Nothing of the new one is deleted. If the deletion is interrupted, no node begins a cluster in
// what remains.
func TestNodeStartsDuringADeletion(t *testing.T) {
	for stop := 0; ; stop++ { // before the commit of that number
		ended := false
		synctest.Test(t, func(t *testing.T) {
			service := mem.New(mem.Config{})
			first := open(t, service.Client())
			join(t, first, "n1")
			slot := cluster.Slot{Task: "a", Index: 0}
			for _, op := range []coord.Op{
				coord.Create(keys.Task("a"), schema.Encode(&schema.Task{}, 0)),
				coord.Create(keys.Checkpoint(slot), schema.Encode(&schema.Checkpoint{Token: 7}, 0)),
			} {
				if _, err := first.Commit(t.Context(), op); err != nil {
					t.Fatal(err)
				}
			}
			service.Expire(first.Info().ID)
			node, commits := open(t, service.Client()), 0
			var self *membership.Self
			start := func() {
				if self != nil {
					return
				}
				m, err := membership.Join(t.Context(), node, keys, cluster.Member{MemberID: membership.NewMemberID(), Node: "n2"})
				if err != nil {
					return
				}
				self = &m
				for _, key := range []string{keys.Task("a"), keys.Checkpoint(slot)} {
					if _, err := node.Get(t.Context(), key); !errors.Is(err, coord.ErrNotFound) {
						t.Errorf("a new cluster has %s of the old one: %v", key, err)
					}
				}
			}
			interrupted := errors.New("interrupted")
			s := open(t, coordtest.Intercept(service.Client(), coordtest.Interceptor{
				Commit: func(
					ctx context.Context, ops []coord.Op, next func(context.Context, ...coord.Op) ([]coord.Result, error),
				) ([]coord.Result, error) {
					if commits > 0 { // while meta exists, the node joins the old cluster
						start()
					}
					if commits == stop {
						return nil, interrupted
					}
					commits++
					return next(ctx, ops...)
				},
			}))
			_, err := membership.DeleteCluster(t.Context(), s, keys)
			ended = err == nil
			if !ended && !errors.Is(err, interrupted) {
				t.Error(err)
			}
			if stop > 0 {
				start()
			}
			if self == nil {
				return
			}
			for _, key := range []string{
				keys.Meta(), keys.Epoch(), keys.Assignment(self.MemberID), keys.Member(self.MemberID), keys.Status(self.MemberID), self.Election,
			} {
				if _, err := node.Get(t.Context(), key); err != nil {
					t.Errorf("of the new cluster: %v", err)
				}
			}
		})
		if ended || t.Failed() {
			if stop < 5 {
				t.Errorf("%d commits", stop)
			}
			return
		}
	}
}
