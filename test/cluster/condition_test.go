package cluster_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Who watches a node that is cut off hears that it has lost its lease, although nothing is read any longer: its own
// workers do not run, and what it says of others is old.
func TestWatchTellsOfALostLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(5 * time.Second)
		for _, p := range []*proc{n1, n2} { // one leads, one has a view of its own
			p.Admin().KeepFresh()
			snap, err := p.Admin().Watch(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if running, _ := snap.State.Tally(); running != 4 || len(snap.State.Warnings) > 0 {
				t.Fatalf("%s says that %d run: %q", p.Name(), running, snap.State.Warnings)
			}
		}
		n1.Cut()
		n2.Cut()
		time.Sleep(2 * time.Second)
		numbers := map[*proc]int64{}
		for _, p := range []*proc{n1, n2} { // what they show is old, and they say so before their leases are over
			p.Admin().KeepFresh()
			snap, err := p.Admin().Watch(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			if warnings := snap.State.Warnings; len(warnings) == 0 || !strings.HasPrefix(warnings[0], p.Name()+" does not reach the coordination service; its own workers run on") {
				t.Errorf("2 s after the cut %s warns of %q", p.Name(), warnings)
			}
			numbers[p] = snap.Number
		}
		// Who watches hears of the hard stop, which nothing but the node's own clock shows.
		began := time.Now()
		for _, p := range []*proc{n1, n2} {
			n := numbers[p]
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				p.Admin().KeepFresh()
				snap, err := p.Admin().Watch(ctx, n)
				cancel()
				if err != nil {
					t.Fatalf("%v after the cut %s has told nothing new: %v", time.Since(began)+2*time.Second, p.Name(), err)
				}
				n = snap.Number
				own := 0
				for _, wk := range snap.State.Workers {
					if wk.Node == p.Name() && wk.State == cluster.WorkerRunning {
						own++
					}
				}
				if own == 0 && len(snap.State.Warnings) > 0 && strings.Contains(snap.State.Warnings[0], "has not heard from the coordination service for ") {
					break
				}
				if time.Since(began) > 21*time.Second {
					t.Fatalf("%s says that %d of its workers run: %q", p.Name(), own, snap.State.Warnings)
				}
			}
		}
		n1.Heal()
		n2.Heal()
		time.Sleep(time.Minute)
		n1.Admin().KeepFresh()
		snap, err := n1.Admin().Watch(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if running, _ := snap.State.Tally(); running != 4 || len(snap.State.Warnings) > 0 {
			t.Errorf("n1 says that %d run: %q", running, snap.State.Warnings)
		}
		w.leave(n1, n2)
	})
}
