package cluster_test

import (
	"context"
	"flag"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
)

var hours = flag.Int("hours", 8, "how many hours TestDay simulates")

// extent is what a cluster takes up. The decisions stand apart: how many moves fall into one, and so how long the last 128
// are together, is luck from hour to hour (36 to 42 KB).
type extent struct {
	keys, bytes, decisions, goroutines int
	heap                               uint64
}

func (w *world) extent() (e extent) {
	synctest.Wait()
	runtime.GC()
	runtime.GC() // what the first one has made free
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	e.heap, e.goroutines = m.HeapAlloc, runtime.NumGoroutine()
	for key, r := range w.Service.Records() {
		e.keys++
		if strings.HasPrefix(key, root+"/decisions/") {
			e.decisions += len(key) + len(r.Value)
		} else {
			e.bytes += len(key) + len(r.Value)
		}
	}
	return e
}

// A cluster whose nodes come and go, with runs every few minutes, takes up no more in the evening than it did once its
// rings were full.
func TestDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6), cluster.TaskSpec{Name: "job", WorkName: "job", WorkerNum: 30, Schedule: "*/2 * * * *", KeepRuns: 5})
		job := func(n *xconsumer.Node) {
			n.Handle("job", func(ctx context.Context, _ *xconsumer.Worker) error {
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
				return nil
			})
		}
		n1, n2, n3 := w.start("n1", job), w.start("n2", job), w.start("n3", job)
		var early extent
		for h := range *hours {
			time.Sleep(40 * time.Minute)
			w.leave(n3)
			n3 = w.start("n3", job)
			time.Sleep(20 * time.Minute)
			w.state(n1) // somebody looks, too
			if h == *hours/2-1 {
				early = w.extent()
			}
		}
		late := w.extent()
		t.Logf("after %d hours %+v, after %d hours %+v", *hours/2, early, *hours, late)
		if late.keys > early.keys+2 || late.goroutines > early.goroutines {
			t.Errorf("from %+v to %+v", early, late)
		}
		if most := early.bytes + early.bytes/20; late.bytes > most { // numbers get longer
			t.Errorf("the store grew from %d to %d bytes", early.bytes, late.bytes)
		}
		if most := early.decisions + early.decisions/3; late.decisions > most {
			t.Errorf("the decisions grew from %d to %d bytes", early.decisions, late.decisions)
		}
		if most := early.heap + 512<<10; late.heap > most {
			t.Errorf("the heap grew from %d to %d KB", early.heap>>10, late.heap>>10)
		}
		w.leave(n3, n2, n1)
	})
}
