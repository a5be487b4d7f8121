// Package e2e_test runs real node processes over real ZooKeeper servers, and breaks things.
//
// The oracle is the kernel: every worker takes an exclusive flock on a file of its slot when it
// starts, and on one of each key that it owns by index and count, so that two at a time are an
// error that needs no clock. What workers do is written to
// a journal with times of one clock, the boot clock of the machine.
package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// asNode makes the test binary run as a node that works in the directory it names.
const asNode = "E2E_NODE_DIR"

func TestMain(m *testing.M) {
	if command.IsShim() {
		os.Exit(command.Shim())
	}
	etcdserver.Serve()
	if dir := os.Getenv(asKeeper); dir != "" {
		keepKeys(dir)
		return
	}
	dir := os.Getenv(asNode)
	if dir == "" {
		code := m.Run()
		if shippedDir != "" {
			_ = os.RemoveAll(shippedDir)
		}
		os.Exit(code)
	}
	serve(func(node *xconsumer.Node) {
		misbehave(dir, node)
		node.Handle("poison", poison)
		node.Handle("job", func(ctx context.Context, w *xconsumer.Worker) error { return job(ctx, dir, node.Name(), w) })
		for _, name := range []string{"test01", "test02"} {
			node.Handle(name, func(ctx context.Context, w *xconsumer.Worker) error { return lockedWork(ctx, dir, node.Name(), w) })
		}
	})
}

// locked executes something while it holds the lock of a slot, and notes its start and its end.
func locked(dir, node string, w *xconsumer.Worker, f func(write func(what string)) error) error {
	clock, slot := coord.LeaseClock(), slotName(w)
	write := func(what string) {
		writeNote(dir, note{At: clock(), What: what, Node: node, Slot: slot, Token: w.Token(), Count: w.Count()})
	}
	began := false
	defer func() { // the last of all: who is paused with a lock in its hand has not stopped
		if began {
			write(invariant.Stop)
		}
	}()
	lock, err := os.OpenFile(filepath.Join(dir, slot+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return err
	}
	defer release(lock)
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		write(invariant.Overlap)
		return fmt.Errorf("slot %s runs elsewhere: %w", slot, err)
	}
	keys, taken, err := lockKeys(dir, slot, w.Index(), w.Count())
	defer keys.unlock()
	if err != nil {
		writeNote(dir, note{At: clock(), What: invariant.Overlap, Node: node, Slot: slot, Token: w.Token(), Count: w.Count(), Key: taken})
		return err
	}
	began = true
	write(invariant.Start)
	return f(write)
}

// lockedWork runs until it is told to stop.
func lockedWork(ctx context.Context, dir, node string, w *xconsumer.Worker) error {
	return locked(dir, node, w, func(write func(string)) error {
		misbehaveWork(ctx, node, w)
		if os.Getenv(effectsVariable) != "" {
			for ctx.Err() == nil {
				write(invariant.Effect)
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		}
		<-ctx.Done()
		return nil
	})
}

// limit bounds every wait.
const limit = fleets.Limit

// fleet is a cluster of processes, which are this test's own binary.
type fleet struct {
	*testing.T
	*fleets.Fleet
	dir        string
	backend    backend
	timeout    time.Duration
	supervised bool          // nodes have a parent process
	session    coord.Session // for looking at the store
	noted      []note        // of the journal, as far as it was read
	readTo     int64
	keys       schema.Keys
}

// emptyFleet prepares a cluster without servers and without a file.
func emptyFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{T: t, dir: t.TempDir(), keys: schema.NewKeys("e2e")}
	f.Fleet = fleets.New(t, f.path("app.toml"), os.Args[0])
	f.Env = []string{asNode + "=" + f.dir, "XCONSUMER_REBALANCE_QUIET=100ms"} // most tests wait until work is even
	return f
}

// newFleet prepares a cluster over the servers.
func newFleet(t *testing.T, b backend, hosts string, timeout time.Duration) *fleet {
	t.Helper()
	f := emptyFleet(t)
	f.backend, f.timeout = b, timeout
	config := b.table(hosts, timeout) + `[[task]]
name = "test01"
workName = "test01"
workerNum = 2
[[task]]
name = "test02"
workName = "test02"
workerNum = 2
`
	config = "cluster = \"e2e\"\n" + config
	if err := os.WriteFile(f.Config, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	f.session, err = b.store(t, hosts).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.session.Close() })
	t.Cleanup(f.verify) // when all processes have ended
	return f
}

func (f *fleet) path(name string) string { return filepath.Join(f.dir, name) }

// config returns the nodes' file.
func (f *fleet) config() string {
	f.Helper()
	data, err := os.ReadFile(f.Config)
	if err != nil {
		f.Fatal(err)
	}
	return string(data)
}

// proc is a node process.
type proc struct {
	*fleets.Node
	f *fleet
}

// startTimed starts a node with another session timeout than the others have.
func (f *fleet) startTimed(name string, timeout time.Duration, args ...string) *proc {
	f.Helper()
	env := f.Env
	defer func() { f.Env = env }()
	f.Env = append(slices.Clone(env), fmt.Sprintf("XCONSUMER_%s_SESSION_TIMEOUT=%v", strings.ToUpper(f.backend.name), timeout))
	return f.start(name, args...)
}

// start starts a node.
func (f *fleet) start(name string, args ...string) *proc {
	f.Helper()
	if !f.supervised {
		args = append(args, "--no-supervise")
	}
	return &proc{f.Start(name, args...), f}
}

// awaitSpread waits until all workers run on exactly these nodes, evenly, and the leader has no
// more than any other, as p sees it; and until they have noted that they started, which comes a
// moment after their nodes have said that they hold them.
func (p *proc) awaitSpread(nodes ...string) cluster.State {
	p.f.Helper()
	return p.awaitState(nodes, func(s *cluster.State, least int) bool { return fleets.Shares(s)[s.Leader] <= least })
}

// awaitBalance is awaitSpread where the leader may have as much as the others: one that has just
// begun to lead moves nothing for that.
func (p *proc) awaitBalance(nodes ...string) cluster.State {
	p.f.Helper()
	return p.awaitState(nodes, func(*cluster.State, int) bool { return true })
}

func (p *proc) awaitState(nodes []string, also func(s *cluster.State, least int) bool) cluster.State {
	p.f.Helper()
	var last *cluster.State
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		last = p.State()
		if last != nil && fleets.Spread(last, nodes) && also(last, len(last.Workers)/len(nodes)) && p.f.started(last) {
			return *last
		}
	}
	p.f.Fatalf("workers do not spread over %v, as %s sees it\nstate: %+v", nodes, p.Name, last)
	return cluster.State{}
}

// exit waits for the process to end and returns its exit code.
func (p *proc) exit() int {
	p.f.Helper()
	code := p.Exit()
	if code == exitRace && clientRacesOnly(p.Log.String()) {
		p.f.Logf("%s: the ZooKeeper client's known data race", p.Name)
		return 0
	}
	return code
}

// leave asks the node to leave and waits until its process has ended well.
func (p *proc) leave() {
	p.f.Helper()
	p.Signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		p.f.Errorf("%s left with exit code %d", p.Name, code)
	}
}

// pause stops the process, which then keeps its locks: only tokens say what it may still do.
func (p *proc) pause() {
	p.f.Helper()
	p.note(invariant.Paused)
	p.Signal(syscall.SIGSTOP)
}

func (p *proc) resume() {
	p.f.Helper()
	p.note(invariant.Resumed)
	p.Signal(syscall.SIGCONT)
}

func memberOf(s cluster.State, node string) string {
	for _, n := range s.Nodes {
		if n.Name == node {
			return n.Member
		}
	}
	return ""
}
