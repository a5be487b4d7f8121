package cluster_test

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// specReads counts the reads of specs by each client.
type specReads struct {
	mu  sync.Mutex
	of  map[int]int
	bad bool // they fail
}

func (r *specReads) intercept(link *mem.Client) coordtest.Interceptor {
	return coordtest.Interceptor{
		Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
			r.mu.Lock()
			bad := r.bad
			if strings.HasPrefix(key, root+"/specs/") {
				r.of[link.ID()]++
			}
			r.mu.Unlock()
			if bad && strings.HasPrefix(key, root+"/specs/") {
				return coord.Record{}, coord.ErrNotFound
			}
			return next(ctx, key)
		},
	}
}

// since returns how often each client has read specs since the last call.
func (r *specReads) since() map[int]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	counts := maps.Clone(r.of)
	clear(r.of)
	return counts
}

// A change of specs costs each node one read, however many of its tasks change, and slots that move cost none where the node has
// had slots of the task before.
func TestReadsOfSpecs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := &specReads{of: map[int]int{}}
		a, b := task("a", 6), task("b", 6)
		w := newWorld(t, a, b)
		w.intercept = reads.intercept
		leader := w.start("n1") // the leader's view reads them, too
		n2, n3 := w.start("n2"), w.start("n3")
		time.Sleep(time.Minute)
		first := reads.since()
		h := w.hand()
		h.set("/tasks/a", strings.Replace(string(h.get("/tasks/a").Value), `"workName":"a"`, `"workName":"a","params":{"x":1}`, 1))
		h.set("/tasks/b", strings.Replace(string(h.get("/tasks/b").Value), `"workName":"b"`, `"workName":"b","params":{"x":1}`, 1))
		time.Sleep(time.Minute)
		changed := reads.since()
		w.do(leader, cluster.Drain("n3", 0))
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 6, "n2": 6})
		moved := reads.since()
		t.Logf("reads of specs by each client at first %v, after two changes %v, after moves %v", first, changed, moved)
		const leads = 1 // the leader's view reads everything again from time to time
		for client, n := range changed {
			if n > 2 && client != leads {
				t.Errorf("client %d has read specs %d times for two changes", client, n)
			}
		}
		for client, n := range moved {
			if client != leads {
				t.Errorf("moves made client %d read specs %d times", client, n)
			}
		}
		w.leave(n3, n2, leader)
	})
}

// A node that cannot read the specs of its grants claims nothing, and says so; it goes on once it can. What runs goes on.
func TestSpecsThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1 := w.start("n1")
		reads := &specReads{of: map[int]int{}, bad: true}
		w.intercept = reads.intercept
		n2 := w.start("n2")
		time.Sleep(20 * time.Second)
		w.wantShare(map[string]int{"n1": 2})
		reads.mu.Lock()
		reads.bad = false
		reads.mu.Unlock()
		time.Sleep(40 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		starts := w.floor.started()
		reads.mu.Lock()
		reads.bad = true
		reads.mu.Unlock()
		h := w.hand()
		h.set("/tasks/a", strings.Replace(string(h.get("/tasks/a").Value), `"workName":"a"`, `"workName":"a","params":{"x":1}`, 1))
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if n := w.floor.started() - starts; n != 0 {
			t.Errorf("%d workers were started", n)
		}
		w.leave(n2, n1)
	})
}

// Specs that change while a node reads them are read again at once.
func TestSpecsChangeWhileTheyAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1 := w.start("n1")
		w.intercept = func(*mem.Client) coordtest.Interceptor {
			return coordtest.Interceptor{
				Get: func(ctx context.Context, key string, next func(context.Context, string) (coord.Record, error)) (coord.Record, error) {
					r, err := next(ctx, key)
					if strings.HasPrefix(key, root+"/specs/") {
						time.Sleep(3 * time.Second)
					}
					return r, err
				},
			}
		}
		n2 := w.start("n2")
		h := w.hand()
		h.set("/tasks/a", strings.Replace(string(h.get("/tasks/a").Value), `"workName":"a"`, `"workName":"a","params":{"x":1}`, 1))
		time.Sleep(10 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		w.leave(n2, n1)
	})
}

// A hand that spoils or deletes specs, or all of them, stops nothing, and new slots are granted soon.
func TestHandEditsSpecs(t *testing.T) {
	for name, edit := range map[string]func(h hand, key string){
		"spoilt":  func(h hand, key string) { h.set(key, "{oops") },
		"deleted": func(h hand, key string) { h.del(key) },
		"made again": func(h hand, key string) {
			h.del(key)
			h.make(key)
		},
		"edited": func(h hand, key string) {
			h.set(key, strings.Replace(string(h.get(key).Value), `"workerNum":4`, `"workerNum":5`, 1))
		},
		"edited as one of its version": func(h hand, key string) {
			former := h.get(key)
			former.Value = []byte(strings.Replace(string(former.Value), `"workerNum":4`, `"workerNum":5`, 1))
			h.putBack(key, former)
		},
	} {
		t.Run(name, func(t *testing.T) {
			handEdit(t, func(w *world, h hand, n1, _ *proc) {
				starts := w.floor.started()
				for _, chunk := range h.children("/specs") {
					edit(h, "/specs/"+chunk)
				}
				time.Sleep(10 * time.Second)
				if n := w.floor.started() - starts; n != 0 {
					t.Errorf("%d workers were started", n)
				}
				n3 := w.start("n3")
				time.Sleep(2 * time.Second)
				if w.floor.share()["n3"] == 0 {
					t.Errorf("a new node runs nothing: %v", w.floor.share())
				}
				w.leave(n3)
				time.Sleep(2 * time.Second)
				if s := w.state(n1); len(s.Errors) > 0 {
					t.Errorf("errors: %+v", s.Errors)
				}
			})
		})
	}
}
