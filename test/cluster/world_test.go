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
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// floor is where workers run: it tells the checker, which fails the test when a slot runs twice or
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
	w.Service = mem.New(mem.Config{Timeout: 20 * time.Second, Grace: 2 * time.Second, Latency: 3 * time.Millisecond})
	w.Tasks, w.Store = tasks, w.storeOf
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

func (w *world) wantShare(want map[string]int) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.floor.share()); diff != "" {
		w.t.Errorf("workers by node (-want +got):\n%s", diff)
	}
}
