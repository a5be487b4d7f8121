package cluster_test

import (
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// When all have given up leading again and again there is nobody to let lead first: one of them stands again soon, and what
// kept them from leading is over within D.
func TestAllHaveGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		m := &misled{plan: func(planner.Input) planner.Plan { return planner.Plan{Unplaced: make([]cluster.Reason, 9)} }}
		n1, n2 := w.startMisled("n1", m), w.startMisled("n2", m)
		time.Sleep(time.Second)
		m.on.Store(true)
		h := w.hand()
		h.scale(4, 6)
		time.Sleep(5 * time.Minute)
		for len(h.children("/election")) > 0 {
			time.Sleep(50 * time.Millisecond)
		}
		m.on.Store(false)
		began := time.Now()
		for w.floor.share()["n1"]+w.floor.share()["n2"] < 6 {
			if time.Sleep(50 * time.Millisecond); time.Since(began) > 2*time.Minute {
				t.Fatal("never")
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("nobody led for %v after the last fault", took)
		}
		w.leave(n1, n2)
	})
}
