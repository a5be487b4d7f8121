// Package handoff measures how long a slot runs nowhere when its node leaves: from the SIGTERM
// of one process to the start of the worker in another one, over a real ZooKeeper.
//
// Beside it, in turn with it and on the same server, the chain of store operations is measured
// that such a handoff cannot do without, by the client library alone: the leaving node's commit,
// the leader's notification, read and commit, the next node's notification, read and claim. The
// ratio is the result; the times are those of this machine.
package handoff

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// asNode makes the test binary run as a node that notes its starts in the file it names.
const asNode = "HANDOFF_NODE_JOURNAL"

type note struct {
	Node string        `json:"node"`
	At   time.Duration `json:"at"` // boot clock
}

func TestMain(m *testing.M) {
	journal := os.Getenv(asNode)
	if journal == "" {
		os.Exit(m.Run())
	}
	clock := coord.LeaseClock()
	app.Main(func(node *xconsumer.Node) {
		node.Handle("work", func(ctx context.Context, _ *xconsumer.Worker) error {
			line, _ := json.Marshal(note{node.Name(), clock()})
			f, err := os.OpenFile(journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			if _, err := f.Write(append(line, '\n')); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		})
	})
}

// rounds is how many handoffs are measured; the first of each kind warms up.
const rounds = 50

const limit = time.Minute

func BenchmarkHandoff(b *testing.B) {
	server := zkserver.Start(b, 1)
	f := newFleet(b, server.Hosts())
	f.start("leader")
	f.await("the leader is ready", func() bool { return f.ready("leader") })
	f.start("a")
	f.await("a runs the worker", func() bool { return len(f.journal()) > 0 && f.ready("a") })
	chain := newChain(b, server.Addrs())
	var handoffs, chains []time.Duration
	from, to := "a", "b"
	for b.Loop() {
		handoffs, chains = nil, nil
		for i := range rounds + 1 {
			f.start(to)
			f.await(to+" is ready", func() bool { return f.ready(to) })
			time.Sleep(50 * time.Millisecond) // let the join settle: an idle cluster is measured
			direct, handoff := chain.run(i), f.handoff(from, to)
			if i > 0 {
				chains, handoffs = append(chains, direct), append(handoffs, handoff)
			}
			from, to = to, from
		}
	}
	b.ReportMetric(0, "ns/op")
	report := func(name string, d []time.Duration) time.Duration {
		slices.Sort(d)
		median, p99 := d[len(d)/2], d[len(d)*99/100]
		fmt.Printf("%-52s median %8.2f ms   p99 %8.2f ms   of %d\n", name, ms(median), ms(p99), len(d))
		return median
	}
	fmt.Println()
	floor := report("store operations alone (go-zookeeper, same server)", chains)
	median := report("handoff (SIGTERM → running elsewhere)", handoffs)
	fmt.Printf("ratio of the medians %.2f (goal: at most 3)\n", float64(median)/float64(floor))
	b.ReportMetric(ms(median), "handoff-ms")
	b.ReportMetric(ms(floor), "floor-ms")
	b.ReportMetric(float64(median)/float64(floor), "ratio")
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// fleet is a cluster of processes with one task of one worker, which the leader never runs.
type fleet struct {
	b     *testing.B
	dir   string
	clock coord.Clock
	procs map[string]*proc
}

type proc struct {
	addr string
	cmd  *exec.Cmd
}

func newFleet(b *testing.B, hosts string) *fleet {
	f := &fleet{b: b, dir: b.TempDir(), clock: coord.LeaseClock(), procs: map[string]*proc{}}
	config := fmt.Sprintf(`cluster = "bench"
[zookeeper]
host = %q
sessionTimeout = "4s"
tickTime = %q
[leader]
workers = "none"
[[task]]
name = "work"
workName = "work"
workerNum = 1
`, hosts, zkserver.Tick)
	if err := os.WriteFile(filepath.Join(f.dir, "app.toml"), []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, p := range f.procs {
			_ = p.cmd.Process.Kill()
			_ = p.cmd.Wait()
		}
	})
	return f
}

func (f *fleet) start(name string) {
	p := &proc{addr: freeAddr(f.b)}
	p.cmd = exec.Command(os.Args[0], "run", "--config", filepath.Join(f.dir, "app.toml"), "--name", name, "--http", p.addr)
	p.cmd.Env = append(os.Environ(), asNode+"="+filepath.Join(f.dir, "journal"), "XCONSUMER_LOG_LEVEL=error")
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		f.b.Fatal(err)
	}
	f.procs[name] = p
}

// handoff ends a node and returns how long the worker took to run on the other one.
func (f *fleet) handoff(from, to string) time.Duration {
	seen := len(f.journal())
	p := f.procs[from]
	sent := f.clock()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		f.b.Fatal(err)
	}
	f.await("the worker runs on "+to, func() bool { return len(f.journal()) > seen })
	if err := p.cmd.Wait(); err != nil {
		f.b.Fatalf("%s: %v", from, err)
	}
	delete(f.procs, from)
	started := f.journal()[seen]
	if started.Node != to {
		f.b.Fatalf("the worker runs on %s, not on %s", started.Node, to)
	}
	return started.At - sent
}

func (f *fleet) journal() []note {
	file, err := os.Open(filepath.Join(f.dir, "journal"))
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var notes []note
	for s := bufio.NewScanner(file); s.Scan(); {
		var n note
		if json.Unmarshal(s.Bytes(), &n) == nil {
			notes = append(notes, n)
		}
	}
	return notes
}

func (f *fleet) ready(name string) bool {
	resp, err := http.Get("http://" + f.procs[name].addr + "/readyz")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK
}

func (f *fleet) await(what string, condition func() bool) {
	for end := time.Now().Add(limit); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			f.b.Fatalf("not within %v: %s", limit, what)
		}
	}
}

func freeAddr(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
