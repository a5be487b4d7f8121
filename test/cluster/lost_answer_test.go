package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// A run that was asked for with a key is one run: where the answer was lost and it is asked for again, of another node, and
// however often.
func TestOneRunForOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, once(1))
		r := &ran{}
		cut := make(chan struct{})
		lose := false
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
			return coordtest.Interceptor{
				Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
					result, err := next(ctx, ops...)
					asked := slices.ContainsFunc(ops, func(op coord.Op) bool { return strings.HasSuffix(op.Key, "/audit") })
					if asked && lose {
						lose = false
						close(cut)
						<-ctx.Done()
						return nil, errors.Join(coord.ErrUnknown, context.Cause(ctx))
					}
					return result, err
				},
				Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
					select {
					case <-cut:
						if strings.HasSuffix(key, "/audit") && ctx.Value(patient{}) == nil {
							<-ctx.Done()
							return coord.Record{}, errors.Join(coord.ErrUnknown, context.Cause(ctx))
						}
					default:
					}
					return next(ctx, key)
				},
			}
		}
		n1, n2 := w.start("n1", r.handle), w.start("n2", r.handle)
		time.Sleep(5 * time.Second) // the run that it is declared for is over
		before := r.count()
		op := cluster.RunNow("job", "")
		op.By, op.Key = "ann", "nightly"
		lose = true
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := n1.Admin().Do(ctx, op); !errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("the answer was lost: %v", err)
		}
		answers := map[string]bool{}
		for _, node := range []*proc{n2, n1, n2} {
			id, err := node.Admin().Do(context.WithValue(t.Context(), patient{}, true), op)
			if err != nil {
				t.Error(err)
			}
			answers[id] = true
		}
		time.Sleep(5 * time.Second)
		if n := r.count() - before; n != 1 || len(answers) != 1 {
			t.Errorf("it ran %d times; answers %v", n, answers)
		}
		w.leave(n2, n1)
	})
}

// patient marks the requests that are answered again.
type patient struct{}
