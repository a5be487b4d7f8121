package cluster_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// asZooKeeper refuses to delete a key that has keys below it, as ZooKeeper does.
func (w *world) asZooKeeper() {
	w.intercept = func(*mem.Client) coordtest.Interceptor {
		type commit = func(context.Context, ...coord.Op) ([]coord.Result, error)
		return coordtest.Interceptor{Commit: func(ctx context.Context, ops []coord.Op, next commit) ([]coord.Result, error) {
			gone := map[string]bool{}
			for _, op := range ops {
				if op.Kind == coord.KindDelete {
					gone[op.Key] = true
				}
			}
			for i, op := range ops {
				if op.Kind != coord.KindDelete {
					continue
				}
				for key := range w.Service.Records() {
					if strings.HasPrefix(key, op.Key+"/") && !gone[key] {
						return nil, &coord.CheckError{Index: i, Op: op, Err: coord.ErrInvalid}
					}
				}
			}
			return next(ctx, ops...)
		}}
	}
}

// What a hand makes below a record that a leader deletes some day keeps it from nothing.
func TestKeysBelowRecords(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(w *world, h hand, n1, n2 *proc)
	}{
		{"an assignment", func(w *world, h hand, _, n2 *proc) { h.make("/assignments/" + w.member(n2) + "/note") }},
		{"an assignment, two levels", func(w *world, h hand, _, n2 *proc) {
			h.make("/assignments/" + w.member(n2) + "/note")
			h.make("/assignments/" + w.member(n2) + "/note/more")
		}},
		{"an agenda", func(w *world, h hand, n1, _ *proc) {
			h.make("/agendas/job/note")
			w.do(n1, cluster.Operation{Kind: cluster.OpDelete, Task: "job"})
		}},
		{"the record of a run", func(w *world, h hand, n1, _ *proc) {
			for range 30 {
				w.do(n1, cluster.RunNow("job", ""))
				time.Sleep(time.Second)
			}
			h.make("/runs/job/" + h.children("/runs/job")[0] + "/note")
			w.do(n1, cluster.Operation{Kind: cluster.OpDelete, Task: "job"})
		}},
		{"a decision", func(_ *world, h hand, _, _ *proc) {
			h.make("/decisions/" + h.children("/decisions")[0] + "/note")
			for range 140 {
				h.scale(4, 6)
				time.Sleep(time.Second)
				h.scale(6, 4)
				time.Sleep(time.Second)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				job := task("job", 1)
				job.WorkName, job.Every = "quick", cluster.Duration(time.Hour)
				job.KeepRuns = 3
				w := newWorld(t, live(), job)
				w.asZooKeeper()
				quick := func(n *xconsumer.Node) {
					n.Handle("quick", func(context.Context, *xconsumer.Worker) error { return nil })
				}
				n1, n2 := w.start("n1", quick), w.start("n2", quick)
				time.Sleep(5 * time.Second)
				w.wantShare(map[string]int{"n1": 2, "n2": 2})
				c.make(w, w.hand(), n1, n2)
				time.Sleep(5 * time.Second)
				w.leave(n2)
				time.Sleep(5 * time.Second)
				w.wantShare(map[string]int{"n1": 4})
				w.do(n1, cluster.Scale("a", 6))
				time.Sleep(10 * time.Second)
				w.wantShare(map[string]int{"n1": 6})
				if s := w.state(n1); s.Term != 1 {
					t.Errorf("term %d", s.Term)
				}
				w.leave(n1)
			})
		})
	}
}
