package sim_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/test/sim"
)

var (
	seed  = flag.Int64("seed", -1, "make only the history of this seed, and print it")
	seeds = flag.Int("seeds", 0, "how many histories to make of each mode; 0 for the usual number")
	from  = flag.Uint64("from", 0, "the first seed")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSafety(t *testing.T)   { histories(t, sim.Safety, 400) }
func TestLiveness(t *testing.T) { histories(t, sim.Liveness, 500) }
func TestCalm(t *testing.T)     { histories(t, sim.Calm, 100) }

// Histories in which something went wrong once.
func TestKeptHistories(t *testing.T) {
	for _, o := range []sim.Options{
		{Mode: sim.Liveness, Seed: 13135}, // a member's keys were deleted by hand one after the other, and it ran on
		{Mode: sim.Liveness, Seed: 15641},
		{Mode: sim.Safety, Seed: 101240},   // a client moved to a server that had been cut off
		{Mode: sim.Liveness, Seed: 7576},   // meta was spoilt twice at a time, and the second hand put nothing back in its place
		{Mode: sim.Safety, Seed: 2667},     // a closed member was kept for a run whose agenda was spoilt, and the rest of its slots was free
		{Mode: sim.Safety, Seed: 50774},    // a former assignment was put back, and its release of a slot looked superseded by that of another node
		{Mode: sim.Liveness, Seed: 70004},  // a node was given up because a worker did not stop, and started another one since its lease was valid again
		{Mode: sim.Liveness, Seed: 411297}, // a hand put an agenda back that a leader had repaired and another hand had spoilt again
	} {
		t.Run(fmt.Sprint(o.Mode, " seed ", o.Seed), func(t *testing.T) {
			if r := sim.Run(t, o); len(r.Wrong) > 0 {
				t.Error(r.Explain(o))
			}
		})
	}
}

func histories(t *testing.T, mode sim.Mode, usual int) {
	t.Helper()
	if *seed >= 0 {
		o := sim.Options{Seed: uint64(*seed), Mode: mode}
		r := sim.Run(t, o)
		fmt.Print(r.History)
		for _, wrong := range r.Wrong {
			t.Error(wrong)
		}
		return
	}
	switch {
	case *seeds > 0:
		usual = *seeds
	case raced:
		usual /= 20
	case testing.Short():
		usual /= 5
	}
	total := sim.Result{Faults: map[string]int{}}
	for n := range uint64(usual) {
		o := sim.Options{Seed: *from + n, Mode: mode}
		t.Run(fmt.Sprint("seed ", o.Seed), func(t *testing.T) {
			r := sim.Run(t, o)
			if len(r.Wrong) > 0 {
				t.Error(r.Explain(o))
			}
			total.Add(r)
		})
		if *seeds > 0 && (n+1)%500 == 0 {
			fmt.Printf("%s: %d of %d histories\n", mode, n+1, usual)
		}
	}
	if *seeds > 0 {
		fmt.Printf("%s: %s", mode, total.Report(usual))
	} else {
		t.Log(total.Report(usual))
	}
}

// A seed is a history, to the byte.
func TestReplay(t *testing.T) {
	for _, mode := range []sim.Mode{sim.Safety, sim.Liveness, sim.Calm} {
		for n := range uint64(5) {
			t.Run(fmt.Sprint(mode, " seed ", n), func(t *testing.T) {
				var first string
				for i := range 2 {
					t.Run(fmt.Sprint(i), func(t *testing.T) {
						r := sim.Run(t, sim.Options{Seed: n, Mode: mode})
						if i == 0 {
							first = r.History
						} else if r.History != first {
							t.Error(divergence(first, r.History))
						}
					})
				}
			})
		}
	}
}

// divergence says where two histories part, and keeps both.
func divergence(a, b string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			_ = os.WriteFile(os.TempDir()+"/history-a", []byte(a), 0o644)
			_ = os.WriteFile(os.TempDir()+"/history-b", []byte(b), 0o644)
			return fmt.Sprintf("parted at byte %d of %d:\n… %s\n… %s", i, len(a), a[max(0, i-300):min(len(a), i+100)], b[max(0, i-100):min(len(b), i+100)])
		}
	}
	return fmt.Sprintf("%d and %d bytes", len(a), len(b))
}
