package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// counter is a work that counts, and notes how far it is.
type counter struct {
	mu   sync.Mutex
	seen []int // in the order in which they were counted
}

func (c *counter) register(n *xconsumer.Node) {
	n.Handle("count", func(ctx context.Context, w *xconsumer.Worker) error {
		text, err := w.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		next, _ := strconv.Atoi(string(text))
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Second):
			}
			next++
			c.mu.Lock()
			c.seen = append(c.seen, next)
			c.mu.Unlock()
			if err := w.Checkpoint(ctx, []byte(strconv.Itoa(next))); err != nil && ctx.Err() == nil {
				return err
			}
		}
	})
}

// A slot's next worker goes on where the last one was.
func TestCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("count", 1))
		var c counter
		n1 := w.start("n1", c.register)
		n2 := w.start("n2", c.register)
		time.Sleep(10 * time.Second)
		w.leave(n1)
		time.Sleep(10 * time.Second)
		w.leave(n2)
		for i, n := range c.seen {
			if n != i+1 {
				t.Fatalf("counted %v", c.seen)
			}
		}
		if len(c.seen) < 15 {
			t.Errorf("counted only %v", c.seen)
		}
	})
}

// A worker that was paused and wakes too late cannot undo what its successor has noted, whatever its
// own node believes.
func TestStaleCheckpointIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("note", 1))
		late := make(chan struct{})
		result := make(chan error, 1)
		first := true
		note := func(n *xconsumer.Node) {
			n.Handle("note", func(ctx context.Context, wk *xconsumer.Worker) error {
				if first {
					first = false
					if err := wk.Checkpoint(ctx, []byte("old")); err != nil {
						t.Error(err)
					}
					<-late
					result <- wk.Checkpoint(context.WithoutCancel(ctx), []byte("too late"))
					return nil
				}
				if err := wk.Checkpoint(ctx, []byte("new")); err != nil {
					t.Error(err)
				}
				<-ctx.Done()
				return nil
			})
		}
		n1 := w.start("n1", note)
		n1.Cut()
		n2 := w.start("n2", note)
		time.Sleep(40 * time.Second)
		n1.Heal()
		close(late)
		if err := <-result; !errors.Is(err, xconsumer.ErrLeaseLost) && !errors.Is(err, xconsumer.ErrReleased) {
			t.Errorf("a stale checkpoint: %v", err)
		}
		if err := n1.Wait(); !errors.Is(err, xconsumer.ErrStuck) { // it did not stop at the lease's end
			t.Errorf("n1: %v", err)
		}
		w.leave(n2)
		if r := w.Service.Records()["/xconsumer/test/checkpoints/note/0"]; string(r.Value) != `{"v":1,"version":1,"token":3,"data":"bmV3"}` {
			t.Errorf("stored %s", r.Value)
		}
	})
}

// A checkpoint of which nobody knows whether it was written is read again, and written once.
func TestCheckpointOfUnknownOutcome(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprint("applied ", applied), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("note", 1))
				lost := false
				w.intercept = func(*mem.Client) coordtest.Interceptor {
					type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
					return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
						if len(ops) == 2 && ops[1].Key == "/xconsumer/test/checkpoints/note/0" && !lost {
							lost = true
							if applied {
								_, _ = next(ctx, ops...)
							}
							return nil, fmt.Errorf("test: %w", coord.ErrUnknown)
						}
						return next(ctx, ops...)
					}}
				}
				done := make(chan error, 1)
				n1 := w.start("n1", func(n *xconsumer.Node) {
					n.Handle("note", func(ctx context.Context, wk *xconsumer.Worker) error {
						err := wk.Checkpoint(ctx, []byte("x"))
						if big := wk.Checkpoint(ctx, make([]byte, cluster.MaxCheckpoint+1)); !errors.Is(big, cluster.ErrCheckpoint) {
							t.Errorf("a large one: %v", big)
						}
						done <- err
						<-ctx.Done()
						return nil
					})
				})
				if err := <-done; err != nil {
					t.Error(err)
				}
				r := w.Service.Records()["/xconsumer/test/checkpoints/note/0"]
				if diff := cmp.Diff(`{"v":1,"version":0,"token":2,"data":"eA=="}`, string(r.Value)); diff != "" {
					t.Errorf("stored (-want +got):\n%s", diff)
				}
				w.leave(n1)
			})
		})
	}
}
