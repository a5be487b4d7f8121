// Package failover measures how long work runs nowhere when its node leaves or dies, and how long
// a cluster takes to begin, with real processes over real servers.
//
// Beside the handoff, in turn with it and on the same server, the chain of store operations is
// measured that it cannot do without, by the client library alone: the leaving node's commit, the
// leader's notification, read and commit, the next node's notification, read and claim. The ratio
// is the result; the times are those of this machine.
package failover

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
)

// asNode makes the test binary run as the program that notes its starts in the file it names.
const asNode = "FAILOVER_NODE_JOURNAL"

// note is the start of a worker.
type note struct {
	Node string        `json:"node"`
	Slot string        `json:"slot"`
	At   time.Duration `json:"at"` // boot clock
	// Wall is the same instant by the clock of events and spans, and Token that of the grant.
	Wall  time.Time `json:"wall"`
	Token int64     `json:"token"`
}

func TestMain(m *testing.M) {
	etcdserver.Serve()
	journal := os.Getenv(asNode)
	if journal == "" {
		os.Exit(m.Run())
	}
	clock := coord.LeaseClock()
	app.Main(func(node *xconsumer.Node) {
		var askedAt atomic.Int64
		events := node.Events(context.Background())
		go func() {
			for e := range events {
				if e.Kind == cluster.WorkerStopped { // not before: it takes time
					record(journal, node.Name(), cluster.Event{Kind: asked, Time: time.Unix(0, askedAt.Load())})
				}
				if e.Kind == cluster.WorkerStopped || e.Kind == cluster.NodeLeft && e.Node == node.Name() {
					record(journal, node.Name(), e)
				}
			}
		}()
		node.Handle("work", func(ctx context.Context, w *xconsumer.Worker) error {
			slot := cluster.Slot{Task: w.Task(), Index: w.Index()}
			line, _ := json.Marshal(note{node.Name(), slot.String(), clock(), time.Now(), w.Token()})
			f, err := os.OpenFile(journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			if _, err := f.Write(append(line, '\n')); err != nil {
				return err
			}
			<-ctx.Done()
			askedAt.Store(time.Now().UnixNano())
			return nil
		})
	})
}

// report prints a row and returns the median.
func report(b *testing.B, name string, d []time.Duration) time.Duration {
	b.Helper()
	slices.Sort(d)
	median, p99 := d[len(d)/2], d[len(d)*99/100]
	fmt.Printf("%-64s median %8.2f ms   p99 %8.2f ms   of %d\n", name, ms(median), ms(p99), len(d))
	return median
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// fleet is a cluster of processes with one task.
type fleet struct {
	*fleets.Fleet
	b     *testing.B
	dir   string
	clock coord.Clock
	procs map[string]*fleets.Node // that are there
}

// newFleet prepares a cluster whose leader takes the share of work given.
func newFleet(b *testing.B, table, leader string, workers int) *fleet {
	b.Helper()
	f := &fleet{b: b, dir: b.TempDir(), clock: coord.LeaseClock(), procs: map[string]*fleets.Node{}}
	f.Fleet = fleets.New(b, filepath.Join(f.dir, "app.toml"), os.Args[0])
	f.Env = []string{asNode + "=" + filepath.Join(f.dir, "journal"), "XCONSUMER_LOG_LEVEL=error"}
	config := fmt.Sprintf("cluster = \"bench\"\n%s[leader]\nworkers = %q\n[[task]]\nname = \"work\"\nworkName = \"work\"\nworkerNum = %d\n", table, leader, workers)
	if err := os.WriteFile(f.Config, []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	return f
}

// start starts a node; its process has a parent unless the arguments say otherwise.
func (f *fleet) start(name string, args ...string) {
	f.b.Helper()
	f.procs[name] = f.Start(name, args...)
}

// stop waits for the end of a process that was asked to end.
func (f *fleet) stop(name string) {
	f.b.Helper()
	if code := f.procs[name].Exit(); code != 0 {
		f.b.Fatalf("%s: exit code %d", name, code)
	}
	delete(f.procs, name)
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

// settled waits until so many nodes run all workers evenly, and returns the state.
func (f *fleet) settled(observer string, nodes int) (s *cluster.State) {
	f.b.Helper()
	f.Await("the cluster is settled", func() bool {
		s = f.procs[observer].State()
		if s == nil || len(s.Nodes) != nodes || s.Leader == "" {
			return false
		}
		for _, w := range s.Workers {
			if w.State != cluster.WorkerRunning {
				return false
			}
		}
		least, most := len(s.Workers), 0
		for _, n := range s.Nodes {
			least, most = min(least, n.Slots), max(most, n.Slots)
		}
		return most-least <= 1
	})
	return s
}
