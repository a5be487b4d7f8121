// Package e2e_test runs real node processes over real ZooKeeper servers, and breaks things.
//
// The oracle is the kernel: every worker takes an exclusive flock on a file of its slot when it
// starts, and on one of each key that it owns by index and count, so that two at a time are an
// error that needs no clock. What workers do is written to
// a journal with times of one clock, the boot clock of the machine.
package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/internal/command"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
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

// limit bounds every wait. It is generous: machines are slow.
const limit = 150 * time.Second

// fleet is a cluster of processes.
type fleet struct {
	*testing.T
	dir        string
	backend    backend
	timeout    time.Duration
	supervised bool          // nodes have a parent process
	env        []string      // of the nodes that are started next
	wrap       []string      // a command that starts them, if any
	stderr     *os.File      // their standard error, if it is not kept with the rest
	session    coord.Session // for looking at the store
	procs      []*proc       // that were started
	noted      []note        // of the journal, as far as it was read
	readTo     int64
	keys       schema.Keys
}

// newFleet prepares a cluster over the servers.
func newFleet(t *testing.T, b backend, hosts string, timeout time.Duration) *fleet {
	t.Helper()
	f := &fleet{T: t, dir: t.TempDir(), backend: b, timeout: timeout, keys: schema.NewKeys("e2e")}
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
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	if f.session, err = b.store(t, hosts).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.session.Close() })
	t.Cleanup(func() { // the last one: all processes have ended
		f.verify()
		for _, p := range f.procs {
			if t.Failed() {
				t.Logf("log of %s:\n%s", p.name, p.log.tail(80))
			}
		}
	})
	return f
}

func (f *fleet) path(name string) string { return filepath.Join(f.dir, name) }

// config returns the nodes' file.
func (f *fleet) config() string {
	f.Helper()
	data, err := os.ReadFile(f.path("app.toml"))
	if err != nil {
		f.Fatal(err)
	}
	return string(data)
}

// proc is a node process.
type proc struct {
	f    *fleet
	name string
	addr string
	cmd  *exec.Cmd
	log  *syncBuffer
	done chan struct{}
	err  error // of the process, once done
}

// startTimed starts a node with another session timeout than the others have.
func (f *fleet) startTimed(name string, timeout time.Duration, args ...string) *proc {
	f.Helper()
	env := f.env
	defer func() { f.env = env }()
	f.env = append(slices.Clone(env), fmt.Sprintf("XCONSUMER_%s_SESSION_TIMEOUT=%v", strings.ToUpper(f.backend.name), timeout))
	return f.start(name, args...)
}

// start starts a node.
func (f *fleet) start(name string, args ...string) *proc {
	f.Helper()
	addr := freeAddr(f.T)
	args = append([]string{"run", "--config", f.path("app.toml"), "--name", name, "--http", addr}, args...)
	if !f.supervised {
		args = append(args, "--no-supervise")
	}
	return f.run(name, addr, args...)
}

// run starts the program with the works of the tests.
func (f *fleet) run(name, addr string, args ...string) *proc {
	f.Helper()
	p := &proc{f: f, name: name, addr: addr, log: &syncBuffer{}, done: make(chan struct{})}
	args = slices.Concat(f.wrap, []string{os.Args[0]}, args)
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.Env = append(append(os.Environ(), asNode+"="+f.dir), f.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if f.stderr != nil {
		p.cmd.Stderr = f.stderr
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		f.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	f.Cleanup(func() {
		select {
		case <-p.done:
			return
		default:
		}
		// A child that a test left paused would not notice that its parent is gone.
		_ = p.cmd.Process.Signal(syscall.SIGSTOP)
		for _, child := range childrenOf(p.cmd.Process.Pid) {
			_ = syscall.Kill(child, syscall.SIGKILL)
		}
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	f.procs = append(f.procs, p)
	return p
}

// await polls until condition holds.
func (f *fleet) await(what string, condition func() bool) {
	f.Helper()
	for end := time.Now().Add(limit); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			f.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// state asks a node; nil while it does not answer.
func (p *proc) state() *cluster.State {
	client, err := httpapi.NewClient(p.addr, httpapi.ClientOptions{})
	if err != nil {
		p.f.Fatal(err)
	}
	state, _, err := client.State(p.f.Context())
	if err != nil {
		return nil
	}
	return &state
}

// awaitSpread waits until all workers run on exactly these nodes, evenly, and the leader has no
// more than any other, as p sees it; and until they have noted that they started, which comes a
// moment after their nodes have said that they hold them.
func (p *proc) awaitSpread(nodes ...string) cluster.State {
	p.f.Helper()
	return p.awaitState(nodes, func(s *cluster.State, least int) bool { return sharesOf(s)[s.Leader] <= least })
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
		if last = p.state(); last != nil && isSpread(last, nodes) && also(last, len(last.Workers)/len(nodes)) && p.f.started(last) {
			return *last
		}
	}
	p.f.Fatalf("workers do not spread over %v, as %s sees it\nstate: %+v", nodes, p.name, last)
	return cluster.State{}
}

// isSpread tells whether all workers run on exactly these nodes, evenly.
func isSpread(s *cluster.State, nodes []string) bool {
	for _, w := range s.Workers {
		if w.State != cluster.WorkerRunning {
			return false
		}
	}
	share, least := sharesOf(s), len(s.Workers)/len(nodes)
	for _, n := range nodes {
		if share[n] < least || share[n] > (len(s.Workers)+len(nodes)-1)/len(nodes) {
			return false
		}
	}
	return len(share) == len(nodes) && len(s.Workers) > 0
}

// sharesOf returns how many workers each node has.
func sharesOf(s *cluster.State) map[string]int {
	share := map[string]int{}
	for _, w := range s.Workers {
		share[w.Node]++
	}
	return share
}

// exit waits for the process to end and returns its exit code.
func (p *proc) exit() int {
	p.f.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.f.Fatalf("%s does not end", p.name)
	}
	exit, ok := errors.AsType[*exec.ExitError](p.err)
	switch {
	case !ok:
		return 0
	case exit.ExitCode() == exitRace && clientRacesOnly(p.log.String()):
		p.f.Logf("%s: the ZooKeeper client's known data race", p.name)
		return 0
	}
	return exit.ExitCode()
}

func (p *proc) signal(s syscall.Signal) {
	p.f.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.f.Fatalf("%v to %s: %v", s, p.name, err)
	}
}

// leave asks the node to leave and waits until its process has ended well.
func (p *proc) leave() {
	p.f.Helper()
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		p.f.Errorf("%s left with exit code %d", p.name, code)
	}
}

// pause stops the process, which then keeps its locks: only tokens tell what it may still do.
func (p *proc) pause() {
	p.f.Helper()
	p.note(invariant.Paused)
	p.signal(syscall.SIGSTOP)
}

func (p *proc) resume() {
	p.f.Helper()
	p.note(invariant.Resumed)
	p.signal(syscall.SIGCONT)
}

func memberOf(s cluster.State, node string) string {
	for _, n := range s.Nodes {
		if n.Name == node {
			return n.Member
		}
	}
	return ""
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *syncBuffer) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(b.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
