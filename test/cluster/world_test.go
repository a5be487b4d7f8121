// Package cluster_test runs whole nodes on a fake clock, over a service in memory that loses answers, cuts links and ends
// sessions, and lets a hand edit any record. The floor sees every worker that runs, and the checker of test/invariant judges.
package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// floor is where workers run: it reports to the checker, which fails the test when a slot runs twice or
// a token falls.
type floor struct {
	check invariant.Checker
	began time.Time
}

func newFloor(t *testing.T) *floor {
	f := &floor{began: time.Now()}
	t.Cleanup(func() {
		for _, wrong := range f.check.Violations() {
			t.Error(wrong)
		}
	})
	return f
}

func (f *floor) enter(node string, w *xconsumer.Worker) (leave func()) {
	n := invariant.Note{At: time.Since(f.began), What: invariant.Start, Node: node, Slot: fmt.Sprintf("%s#%d", w.Task(), w.Index()), Token: w.Token()}
	f.check.Note(n)
	return func() {
		n.At, n.What = time.Since(f.began), invariant.Stop
		f.check.Note(n)
	}
}

// die ends what a node runs, as the end of its process does.
func (f *floor) die(node string) {
	f.check.Note(invariant.Note{At: time.Since(f.began), What: invariant.Died, Node: node})
}

// share returns how many workers each node runs.
func (f *floor) share() map[string]int {
	share := map[string]int{}
	for _, node := range f.check.Running() {
		share[node]++
	}
	return share
}

func (f *floor) started() int { return f.check.Counts().Starts }

// proc is one node of a test.
type proc struct{ *testcluster.Node }

// world is a cluster in a bubble, whose workers the floor looks after.
type world struct {
	testcluster.Cluster
	t     *testing.T
	floor *floor
	ctx   context.Context // that nodes run in, nil for the test's
	// timeouts are those of nodes that have another session timeout than the others.
	timeouts map[string]time.Duration
	// intercept, if set, stands between a node and the service, and store is what it works with then.
	intercept func(*mem.Client) coordtest.Interceptor
	store     func(coord.Store) coord.Store
}

func newWorld(t *testing.T, tasks ...cluster.TaskSpec) *world {
	w := &world{t: t, floor: newFloor(t)}
	w.Service = mem.New(mem.Config{Timeout: 20 * time.Second, TakeoverDelay: 2 * time.Second, Latency: 3 * time.Millisecond})
	w.Tasks, w.Store = tasks, w.storeOf
	w.Rebalance.Quiet = cluster.Duration(time.Millisecond) // most tests look at where work is when nodes have come back
	return w
}

// storeOf returns what a node works with.
func (w *world) storeOf(node string, link *mem.Client) coord.Store {
	if timeout := w.timeouts[node]; timeout != 0 {
		link.SetTimeout(timeout)
	}
	var store coord.Store = link
	if w.intercept != nil {
		store = coordtest.Intercept(link, w.intercept(link))
	}
	if w.store != nil {
		store = w.store(store)
	}
	return store
}

func task(name string, workers int) cluster.TaskSpec {
	return cluster.TaskSpec{Name: name, WorkName: name, WorkerNum: workers}
}

// live is task a with four workers that run on when their number changes.
func live() cluster.TaskSpec {
	t := task("a", 4)
	t.Resize = cluster.ResizeLive
	return t
}

// start starts a node that has works a, b and slow; the last ignores its context for a while.
func (w *world) start(name string, change ...func(*xconsumer.Node)) *proc {
	w.t.Helper()
	p := w.begin(name, change...)
	time.Sleep(500 * time.Millisecond) // nodes that are started one after the other join in this order
	return p
}

// begin starts a node and does not wait.
func (w *world) begin(name string, change ...func(*xconsumer.Node)) *proc {
	w.t.Helper()
	ctx := w.ctx
	if ctx == nil {
		ctx = w.t.Context()
	}
	node, err := w.Start(ctx, name, func(node *xconsumer.Node) {
		for _, work := range []string{"a", "b"} {
			node.Handle(work, func(ctx context.Context, wk *xconsumer.Worker) error {
				defer w.floor.enter(name, wk)()
				<-ctx.Done()
				return nil
			})
		}
		for _, f := range change {
			f(node)
		}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return &proc{node}
}

// leave stops nodes in order and waits for each.
func (w *world) leave(procs ...*proc) {
	w.t.Helper()
	for _, p := range procs {
		p.Stop()
		if err := p.Wait(); err != nil {
			w.t.Errorf("%s: %v", p.Name(), err)
		}
	}
}

// state returns the cluster as a node sees it.
func (w *world) state(p *proc) cluster.State {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	state, err := p.State(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return state
}

// wantShare compares how many workers each node runs.
func (w *world) wantShare(want map[string]int) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.floor.share()); diff != "" {
		w.t.Errorf("workers by node (-want +got):\n%s", diff)
	}
}

// memberOf returns the member that a node is, "" if it is none.
func memberOf(s cluster.State, node string) string {
	for _, n := range s.Nodes {
		if n.Name == node {
			return n.Member
		}
	}
	return ""
}

// member returns the member that a node is, as it sees that itself.
func (w *world) member(p *proc) string {
	w.t.Helper()
	return memberOf(w.state(p), p.Name())
}

// memberSession returns the session of a node's member, "" if it is none.
func memberSession(w *world, p *proc) string {
	s, err := w.Service.Client().Open(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	r, err := s.Get(w.t.Context(), root+"/names/"+p.Name())
	if err != nil {
		return ""
	}
	return r.Session
}

// tokens returns the tokens by slot and node.
func tokens(s cluster.State) map[string]int64 {
	m := map[string]int64{}
	for _, w := range s.Workers {
		m[fmt.Sprintf("%s#%d@%s", w.Task, w.Index, w.Node)] = w.Token
	}
	return m
}

// do asks a node for an operation.
func (w *world) do(p *proc, op cluster.Operation) {
	w.t.Helper()
	if _, err := p.Admin().Do(w.t.Context(), op); err != nil {
		w.t.Errorf("%v", err)
	}
}

// nodeInfo returns what the cluster knows of a node.
func (w *world) nodeInfo(p *proc, name string) cluster.NodeInfo {
	w.t.Helper()
	for _, n := range w.state(p).Nodes {
		if n.Name == name {
			return n
		}
	}
	w.t.Errorf("no node %s", name)
	return cluster.NodeInfo{}
}

// lose makes a node's process die without a word, and returns when others could know that.
func (w *world) lose(p *proc) {
	w.t.Helper()
	w.die(p)
	time.Sleep(25 * time.Second) // its session, and the takeover delay
}

// die makes a node's process die without a word.
func (w *world) die(p *proc) {
	w.t.Helper()
	p.Kill()
	p.Stop()
	if err := p.Wait(); err != nil {
		w.t.Logf("%s ends: %v", p.Name(), err)
	}
	w.floor.die(p.Name())
}

// crash ends a node as the death of its process does: nothing of it runs, and nothing more is heard
// of it. What goes on in this process never reaches the service.
func (w *world) crash(p *proc) membership.FormerMember {
	p.Cut()
	w.floor.die(p.Name())
	return p.FormerMember("parent")
}

// closeDead closes a dead member over a session of its own, as a parent does.
func (w *world) closeDead(dead membership.FormerMember, store coord.Store) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	return testcluster.CloseDead(ctx, store, dead)
}

// eventOf waits until a node reports an event of a kind.
func eventOf(t *testing.T, events <-chan cluster.Event, kind cluster.EventKind) cluster.Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no event %q", kind)
		}
	}
}

// wantEvent fails the test unless a node has reported an event by now.
func wantEvent(t *testing.T, events <-chan cluster.Event, kind cluster.EventKind) {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				t.Logf("%s: %s", e.Kind, e.Detail)
				return
			}
		default:
			t.Errorf("no event %q", kind)
			return
		}
	}
}

// gauge returns what a node measures, -1 if it does not.
func gauge(p *proc, name string) float64 {
	for _, m := range p.Admin().Measures() {
		if m.Name == name && len(m.Series) > 0 {
			return m.Series[0].Value
		}
	}
	return -1
}
