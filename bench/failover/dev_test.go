package failover

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/process"
)

// starts is how many times dev is started; the first warms up.
const starts = 10

// BenchmarkDev: start of `dev` with three nodes → all workers run.
func BenchmarkDev(b *testing.B) {
	const workers = 4
	var took []time.Duration
	for b.Loop() {
		took = nil
		for i := range starts + 1 {
			f := newFleet(b, "", "last", workers)
			began := f.clock()
			addr := process.FreeAddrs(b, 1)[0]
			f.procs["dev"] = f.Launch("dev", addr, "dev", "--http", addr, "--config", f.Config)
			var last time.Duration
			f.Await("all workers run", func() bool {
				slots := map[string]bool{}
				for _, n := range f.journal() {
					if !slots[n.Slot] {
						slots[n.Slot], last = true, n.At
					}
				}
				return len(slots) == workers
			})
			if i > 0 {
				took = append(took, last-began)
			}
			f.procs["dev"].Signal(syscall.SIGINT)
			f.stop("dev")
			if err := os.Remove(filepath.Join(f.dir, "journal")); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	fmt.Println()
	b.ReportMetric(ms(report(b, "dev: start → 3 nodes, all 4 workers running", took)), "dev-ms")
}
