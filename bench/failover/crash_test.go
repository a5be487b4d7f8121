package failover

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// crashes is how many are measured of each kind; the first warms up.
const crashes = 20

// BenchmarkCrash: kill -9 of a node's process → all its slots run again. The victim is a follower,
// then the leader.
func BenchmarkCrash(b *testing.B) { onBoth(b, benchmarkCrash) }

func benchmarkCrash(b *testing.B, service backend) {
	const workers = 9
	f := newFleet(b, service.table, "equal", workers)
	names := []string{"a", "b", "c"}
	for _, name := range names {
		f.start(name)
	}
	var follower, leader []time.Duration
	for b.Loop() {
		follower, leader = nil, nil
		for i := range crashes + 1 {
			for _, leads := range []bool{false, true} {
				took := f.crash(f.settled(names[i%len(names)], len(names)), leads)
				switch {
				case i == 0:
				case leads:
					leader = append(leader, took)
				default:
					follower = append(follower, took)
				}
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	fmt.Println()
	median := report(b, service.name+": crash (kill -9 → all 3 slots running again)", follower)
	b.ReportMetric(ms(median), "crash-ms")
	median = report(b, service.name+": crash of the leader (the same)", leader)
	b.ReportMetric(ms(median), "leader-ms")
}

// crash kills a node's process and returns how long its slots took to run again, all of them.
func (f *fleet) crash(s *cluster.State, leads bool) time.Duration {
	f.b.Helper()
	var victim cluster.NodeInfo
	for _, n := range s.Nodes {
		if n.Leader == leads {
			victim = n
		}
	}
	slots := map[string]bool{}
	for _, w := range s.Workers {
		if w.Node == victim.Name {
			slots[cluster.Slot{Task: w.Task, Index: w.Index}.String()] = true
		}
	}
	seen := len(f.journal())
	killed := f.clock()
	if err := syscall.Kill(victim.PID, syscall.SIGKILL); err != nil {
		f.b.Fatal(err)
	}
	var last time.Duration
	f.Await("the slots run again", func() bool {
		left := len(slots)
		started := map[string]bool{}
		for _, n := range f.journal()[seen:] {
			if slots[n.Slot] && !started[n.Slot] {
				started[n.Slot] = true
				last = max(last, n.At)
				left--
			}
		}
		return left == 0
	})
	return last - killed
}
