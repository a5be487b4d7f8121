package failover

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// handoffs is how many clean leaves are measured; the first warms up.
const handoffs = 30

// settle is how long the cluster rests between two leaves. Leaves less than 200 ms apart are a burst, and what the later ones
// leave behind waits for its end; an idle cluster is measured here, with a node that has been there for more than two seconds.
const settle = 2200 * time.Millisecond

// BenchmarkHandoff: SIGTERM of a node → its worker runs on another one.
func BenchmarkHandoff(b *testing.B) { onBoth(b, benchmarkHandoff) }

func benchmarkHandoff(b *testing.B, service backend) {
	f := newFleet(b, service.table, "none", 1)
	traced := f.collect()
	f.start("leader", "--no-supervise")
	f.Await("the leader is ready", func() bool { return f.procs["leader"].Ready() })
	f.start("a", "--no-supervise")
	f.Await("a runs the worker", func() bool { n := f.journal(); return len(n) > 0 && n[len(n)-1].Node == "a" })
	floor := service.chain(b)
	var leaves, chains []time.Duration
	var begun []time.Time
	var lines []timeline
	from, to := "a", "b"
	for b.Loop() {
		leaves, chains, begun, lines = nil, nil, nil, nil
		for i := range handoffs + 1 {
			f.start(to, "--no-supervise")
			f.Await(to+" is there", func() bool { return f.procs[to].Ready() })
			time.Sleep(settle)
			direct := floor.run(i)
			sent, started, leave := f.handoff(from, to)
			steps := f.steps(traced, from, started)
			if i > 0 {
				chains, leaves = append(chains, direct), append(leaves, leave)
				begun, lines = append(begun, sent), append(lines, steps)
			}
			from, to = to, from
		}
	}
	b.ReportMetric(0, "ns/op")
	fmt.Println()
	low := report(b, service.name+": store operations alone, by the client library", chains)
	median := report(b, service.name+": clean leave (SIGTERM → running elsewhere)", leaves)
	reportSteps(b, service.name, begun, lines)
	fmt.Printf("%s: ratio of the medians %.2f (goal: at most 2)\n", service.name, float64(median)/float64(low))
	b.ReportMetric(ms(median), "leave-ms")
	b.ReportMetric(ms(low), "floor-ms")
	b.ReportMetric(float64(median)/float64(low), "ratio")
}

// handoff ends a node. It returns when it was asked to, the start of the worker on the other one, and how long that took.
func (f *fleet) handoff(from, to string) (asked time.Time, started note, took time.Duration) {
	f.b.Helper()
	seen := len(f.journal())
	asked, sent := time.Now(), f.clock()
	f.procs[from].Signal(syscall.SIGTERM)
	f.Await("the worker runs on "+to, func() bool { return len(f.journal()) > seen })
	f.stop(from)
	started = f.journal()[seen]
	if started.Node != to {
		f.b.Fatalf("the worker runs on %s, not on %s", started.Node, to)
	}
	return asked, started, started.At - sent
}
