//go:build unix

// Package fleet runs nodes as processes of their own, and looks at them from outside, for tests and benchmarks.
//
// # The model
//
//	Fleet{Program, Config, Env} ── Start ──▶ Node ─┬─ Program        signals, its log, its exit code
//	                                               └─ its HTTP API   State, Ready
//	StartDev ──▶ Dev   a whole cluster in `xconsumer dev`
//	Run ──▶ Program    any program beside it
//
// What the program is, is up to the test: the one that is shipped ([Shipped]), a former one, or the test's own binary
// with works that the test knows. Processes end with the test at the latest, however that ends; the logs of a test that
// fails are shown.
package fleet

import (
	"net/http"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// Limit bounds every wait. It is generous: machines are slow.
const Limit = 150 * time.Second

// patient asks nodes: one that is paused takes connections and never answers.
var patient = http.Client{Timeout: 10 * time.Second}

// Fleet is a cluster of processes. Its fields are for nodes that are started next; they and Start are for the test's own
// goroutine.
type Fleet struct {
	TB      testing.TB
	Program []string // that is started, perhaps behind a command that starts others
	Config  string   // its app.toml
	Dir     string   // where it works, "" for the test's own directory
	Env     []string // besides the test's own
	Stderr  *os.File // its standard error, if it is not kept with the rest
	Nodes   []*Node  // that were started, also those that have ended
}

// New returns a fleet of a program.
func New(tb testing.TB, config string, program ...string) *Fleet {
	f := &Fleet{TB: tb, Program: program, Config: config}
	tb.Cleanup(func() { // also if what is checked after the nodes' end has failed
		for _, n := range f.Nodes {
			n.show()
		}
	})
	return f
}

// Node is a process that is a node.
type Node struct {
	*Program
	Name string
	Addr string // of its HTTP API
}

// Start starts a node, whose API listens on a port of its own.
func (f *Fleet) Start(name string, args ...string) *Node {
	f.TB.Helper()
	addr := process.FreeAddrs(f.TB, 1)[0]
	return f.Launch(name, addr, append([]string{"run", "--config", f.Config, "--name", name, "--http", addr}, args...)...)
}

// Launch starts the program with arguments that say all.
func (f *Fleet) Launch(name, addr string, args ...string) *Node {
	f.TB.Helper()
	args = slices.Concat(f.Program, args)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Env = f.Dir, append(os.Environ(), f.Env...)
	if f.Stderr != nil {
		cmd.Stderr = f.Stderr
	}
	n := &Node{Program: &Program{tb: f.TB}, Name: name, Addr: addr}
	n.begin(cmd)
	f.Nodes = append(f.Nodes, n)
	return n
}

// Await polls until a condition holds.
func (f *Fleet) Await(what string, condition func() bool) {
	f.TB.Helper()
	Await(f.TB, what, condition)
}

// Await polls until a condition holds, and fails the test if that takes too long.
func Await(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	for end := time.Now().Add(Limit); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("not within %v: %s", Limit, what)
		}
	}
}

// StateOf asks a node; nil while it does not answer.
func StateOf(tb testing.TB, addr string) *cluster.State {
	tb.Helper()
	api, err := client.New(addr, client.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	state, _, err := api.State(tb.Context())
	if err != nil {
		return nil
	}
	return &state
}

// State returns the cluster as the node sees it; nil while it does not answer.
func (n *Node) State() *cluster.State {
	n.tb.Helper()
	return StateOf(n.tb, n.Addr)
}

// Ready reports whether the node is a member at work. Unlike State it makes the node read nothing.
func (n *Node) Ready() bool {
	resp, err := patient.Get("http://" + n.Addr + "/readyz")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode == http.StatusOK
}

// Leave asks the node to leave and waits until its process has ended well.
func (n *Node) Leave() {
	n.tb.Helper()
	n.Signal(syscall.SIGTERM)
	if code := n.Exit(); code != 0 {
		n.tb.Errorf("%s left with exit code %d", n.Name, code)
	}
}

// Shares returns how many workers each node has.
func Shares(s *cluster.State) map[string]int {
	share := map[string]int{}
	for _, w := range s.Workers {
		share[w.Node]++
	}
	return share
}

// Spread reports whether all workers run, evenly, on exactly these nodes.
func Spread(s *cluster.State, nodes []string) bool {
	for _, w := range s.Workers {
		if w.State != cluster.WorkerRunning {
			return false
		}
	}
	share, least := Shares(s), len(s.Workers)/len(nodes)
	for _, n := range nodes {
		if share[n] < least || share[n] > (len(s.Workers)+len(nodes)-1)/len(nodes) {
			return false
		}
	}
	return len(share) == len(nodes) && len(s.Workers) > 0
}
