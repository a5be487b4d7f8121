package xconsumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/mem"
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
type proc struct {
	*xconsumer.Node
	*mem.Client
	vitals *atomic.Pointer[cluster.Vitals] // as told last
	stop   context.CancelFunc
	done   chan error
}

// world is a cluster in a bubble.
type world struct {
	t       *testing.T
	service *mem.Service
	floor   *floor
	tasks   []cluster.TaskSpec
	moving  cluster.Moving
	// timeouts are those of nodes that have another session timeout than the others.
	timeouts map[string]time.Duration
	ctx      context.Context // that nodes run in, nil for the test's
	// intercept, if set, stands between a node and the service.
	intercept func(*mem.Client) coordtest.Interceptor
	// config, if set, changes the configuration of nodes, and store what they work with.
	config func(*xconsumer.Config)
	store  func(coord.Store) coord.Store
}

func newWorld(t *testing.T, tasks ...cluster.TaskSpec) *world {
	return &world{
		t:       t,
		service: mem.New(mem.Config{Timeout: 20 * time.Second, Grace: 2 * time.Second, Latency: 3 * time.Millisecond}),
		floor:   newFloor(t),
		tasks:   tasks,
	}
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
	client := w.service.Client()
	if timeout := w.timeouts[name]; timeout != 0 {
		client.SetTimeout(timeout)
	}
	var store coord.Store = client
	if w.intercept != nil {
		store = coordtest.Intercept(client, w.intercept(client))
	}
	p := &proc{Client: client, vitals: new(atomic.Pointer[cluster.Vitals]), done: make(chan error, 1)}
	vitals := p.vitals
	if w.store != nil {
		store = w.store(store)
	}
	cfg := xconsumer.Config{
		Cluster: "test", Name: name, Tasks: w.tasks, Moving: w.moving, Log: slog.New(slog.DiscardHandler),
		Vitals: func(v cluster.Vitals) { vitals.Store(&v) },
	}
	if w.config != nil {
		w.config(&cfg)
	}
	node, err := xconsumer.New(store, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
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
	ctx := w.ctx
	if ctx == nil {
		ctx = w.t.Context()
	}
	ctx, stop := context.WithCancel(ctx)
	p.Node, p.stop = node, stop
	go func() { p.done <- node.Run(ctx) }()
	return p
}

// leave stops nodes in order and waits for each.
func (w *world) leave(procs ...*proc) {
	w.t.Helper()
	for _, p := range procs {
		p.stop()
		if err := <-p.done; err != nil {
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

func TestClusterLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4), task("b", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 6})
		n2 := w.start("n2")
		n3 := w.start("n3")
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		state := w.state(n3)
		if state.Leader != "n1" || state.Term != 1 || len(state.Nodes) != 3 || len(state.Workers) != 6 {
			t.Errorf("state: %+v", state)
		}
		for _, wk := range state.Workers {
			if wk.State != cluster.WorkerRunning || wk.Token < 1 || wk.Node == "" {
				t.Errorf("worker: %+v", wk)
			}
		}
		// A node leaves: its workers run elsewhere at once.
		w.leave(n2)
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 3, "n3": 3})
		// The leader leaves: it hands over before it goes.
		w.leave(n1)
		time.Sleep(100 * time.Millisecond)
		w.wantShare(map[string]int{"n3": 6})
		if state := w.state(n3); state.Leader != "n3" || state.Term != 2 || len(state.Lost) != 0 {
			t.Errorf("state after the leader left: %+v", state)
		}
		w.leave(n3)
		w.wantShare(map[string]int{})
	})
}

func TestShortCutMovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		started := w.floor.started()
		for _, p := range []*proc{n1, n2} {
			p.Cut()
			time.Sleep(10 * time.Second)
			p.Heal()
			time.Sleep(5 * time.Second)
		}
		if n := w.floor.started(); n != started {
			t.Errorf("%d workers were started again", n-started)
		}
		if state := w.state(n1); state.Leader != "n1" || state.Term != 1 {
			t.Errorf("leader %q, term %d", state.Leader, state.Term)
		}
		w.leave(n1, n2)
	})
}

func TestLongCutFencesAndMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		events := n2.Events(t.Context())
		member := memberOf(w.state(n1), "n2")
		n2.Cut()
		began := time.Now()
		for e := range events {
			if e.Kind == cluster.LeaseLost {
				break
			}
		}
		if took := time.Since(began); took < 10*time.Second || took > 17*time.Second {
			t.Errorf("fenced %v after the cut", took)
		}
		time.Sleep(10 * time.Millisecond)
		w.wantShare(map[string]int{"n1": 2})
		time.Sleep(20 * time.Second) // the session expires, and the leader takes over
		w.wantShare(map[string]int{"n1": 4})
		n2.Heal()
		time.Sleep(15 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if again := memberOf(w.state(n1), "n2"); again == "" || again == member {
			t.Errorf("n2 is member %q; it was %q", again, member)
		}
		w.leave(n2, n1)
	})
}

func memberOf(s cluster.State, node string) string {
	for _, n := range s.Nodes {
		if n.Name == node {
			return n.Member
		}
	}
	return ""
}

func TestOutageResumesUnderTheSameTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 4))
		n1, n2 := w.start("n1"), w.start("n2")
		time.Sleep(time.Second)
		before := tokens(w.state(n1))
		n1.Cut()
		n2.Cut()
		time.Sleep(18 * time.Second) // longer than the lease, shorter than the session
		w.wantShare(map[string]int{})
		n1.Heal()
		n2.Heal()
		time.Sleep(5 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2})
		if diff := cmp.Diff(before, tokens(w.state(n1))); diff != "" {
			t.Errorf("tokens changed:\n%s", diff)
		}
		w.leave(n1, n2)
	})
}

func tokens(s cluster.State) map[string]int64 {
	m := map[string]int64{}
	for _, w := range s.Workers {
		m[fmt.Sprintf("%s#%d@%s", w.Task, w.Index, w.Node)] = w.Token
	}
	return m
}

func TestLostNodeIsReplacedAfterItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 6))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		n2 := w.start("n2")
		time.Sleep(time.Second)
		n3 := w.start("n3")
		time.Sleep(time.Second)
		n1.Cut() // the leader
		time.Sleep(26 * time.Second)
		w.wantShare(map[string]int{"n2": 3, "n3": 3})
		if state := w.state(n3); state.Leader != "n2" || state.Term != 2 {
			t.Errorf("leader %q, term %d", state.Leader, state.Term)
		}
		n1.Heal()
		time.Sleep(15 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		if state := w.state(n1); state.Leader != "n2" {
			t.Errorf("leader %q after the old one came back", state.Leader)
		}
		w.leave(n3, n2, n1)
	})
}

func TestNameIsRefusedWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		twin := w.start("n1")
		time.Sleep(5 * time.Second)
		want := func(until string) {
			t.Helper()
			reasons := strings.Join(twin.Ready(), "\n")
			if !strings.Contains(reasons, `node name "n1" is taken by host`) || !strings.Contains(reasons, until+"; stop that node, or give this one another name") {
				t.Errorf("ready: %s; want %s", reasons, until)
			}
		}
		want("until that node leaves, or for 21s at most if it has died")
		time.Sleep(25 * time.Second)
		want("until that node leaves: it is alive")
		if len(n1.Ready()) > 0 {
			t.Errorf("ready: %v", n1.Ready())
		}
		w.leave(n1)
		time.Sleep(time.Second)
		if len(twin.Ready()) > 0 {
			t.Errorf("ready: %v", twin.Ready())
		}
		w.wantShare(map[string]int{"n1": 2})
		w.leave(twin)
	})
}

func TestUnregisteredWorkIsExplained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1), task("nobody", 2))
		n1 := w.start("n1")
		time.Sleep(time.Second)
		want := []cluster.TaskInfo{
			{Name: "a", WorkName: "a", WorkerNum: 1, Running: 1, Revision: "0"},
			{Name: "nobody", WorkName: "nobody", WorkerNum: 2, Unplaced: 2, Reason: "no live node has registered its work", ReasonCode: cluster.WhyNoWork, Revision: "0"},
		}
		if diff := cmp.Diff(want, w.state(n1).Tasks); diff != "" {
			t.Errorf("tasks (-want +got):\n%s", diff)
		}
		w.leave(n1)
	})
}

func TestFailingWorkBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("bad", 1), task("worse", 1), task("busy", 1))
		count := func(n *atomic.Int32, f func() error) xconsumer.Func {
			return func(context.Context, *xconsumer.Worker) error {
				n.Add(1)
				return f()
			}
		}
		var bad, worse, busy atomic.Int32
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("bad", count(&bad, func() error { return errors.New("no luck " + strings.Repeat("é", 2000)) }))
			n.Handle("worse", count(&worse, func() error { panic("boom") }))
			n.Handle("busy", count(&busy, func() error { time.Sleep(time.Second); return nil }))
		})
		time.Sleep(60 * time.Second)
		for _, wk := range w.state(n1).Workers {
			switch wk.Task {
			case "bad", "worse":
				// It may be seen in the middle of one of its short executions.
				if wk.State != cluster.WorkerBackoff && wk.State != cluster.WorkerRunning || wk.Restarts < 4 || wk.Restarts > 10 || wk.Error == "" || len(wk.Error) > 1024 {
					t.Errorf("worker: %+v", wk)
				}
			case "busy":
				if wk.State != cluster.WorkerRunning || wk.Restarts != 0 {
					t.Errorf("worker: %+v", wk)
				}
			}
		}
		if bad.Load() > 10 || worse.Load() > 10 || busy.Load() < 50 {
			t.Errorf("executed bad %d, worse %d, busy %d times", bad.Load(), worse.Load(), busy.Load())
		}
		w.leave(n1)
	})
}

func TestStuckWorkerIsNeverGrantedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cluster.TaskSpec{Name: "slow", WorkName: "slow", WorkerNum: 2, StopTimeout: cluster.Duration(2 * time.Second)})
		release := make(chan struct{})
		slow := func(name string) func(*xconsumer.Node) {
			return func(n *xconsumer.Node) {
				n.Handle("slow", func(ctx context.Context, wk *xconsumer.Worker) error {
					defer w.floor.enter(name, wk)()
					<-ctx.Done()
					<-release
					return nil
				})
			}
		}
		n1 := w.start("n1", slow("n1"))
		time.Sleep(time.Second)
		events := n1.Events(t.Context())
		n2 := w.start("n2", slow("n2")) // one slot has to move, and does not stop
		var asked time.Time
		for e := range events {
			if e.Kind == cluster.SlotReleased {
				asked = e.Time
			}
			if e.Kind == cluster.WorkerGotStuck {
				if took := e.Time.Sub(asked); took != 2*time.Second {
					t.Errorf("stuck after %v; its task allows 2s", took)
				}
				break
			}
		}
		time.Sleep(time.Minute)
		w.wantShare(map[string]int{"n1": 2})
		states := map[cluster.WorkerState]int{}
		for _, wk := range w.state(n2).Workers {
			states[wk.State]++
		}
		if diff := cmp.Diff(map[cluster.WorkerState]int{cluster.WorkerRunning: 1, cluster.WorkerStuck: 1}, states); diff != "" {
			t.Errorf("states (-want +got):\n%s", diff)
		}
		close(release)
		time.Sleep(time.Second)
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		w.leave(n2, n1)
	})
}

func TestStuckWorkerAtTheHardStopEndsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("slow", 1))
		release := make(chan struct{})
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("slow", func(context.Context, *xconsumer.Worker) error { <-release; return nil })
		})
		time.Sleep(time.Second)
		n1.Cut()
		began := time.Now()
		err := <-n1.done
		if !errors.Is(err, xconsumer.ErrStuck) || !strings.Contains(err.Error(), "slow#0") {
			t.Errorf("run: %v", err)
		}
		if took := time.Since(began); took < 15*time.Second || took > 20*time.Second {
			t.Errorf("ended after %v; the session is lost after 20 s", took)
		}
		close(release)
		n1.Heal() // so that what a real process would take with it ends here, too
		time.Sleep(time.Minute)
	})
}

func TestMistakes(t *testing.T) {
	store := mem.New(mem.Config{}).Client()
	log := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		name string
		cfg  xconsumer.Config
		use  func(*xconsumer.Node)
		want string
	}{
		{"no cluster", xconsumer.Config{}, nil, "cluster: must not be empty"},
		{"bad name", xconsumer.Config{Cluster: "c", Name: "a/b"}, nil, `name: "a/b": only letters`},
		{"name that ZooKeeper refuses", xconsumer.Config{Cluster: "c", Name: "\U00020bb7野家"}, nil, "name: \"\U00020bb7野家\": \U00020bb7 (U+20BB7) is not allowed: ZooKeeper takes no characters beyond U+FFFF in names"},
		{"cluster that ZooKeeper refuses", xconsumer.Config{Cluster: "\U00020bb7"}, nil, "cluster: "},
		{"task that ZooKeeper refuses", xconsumer.Config{Cluster: "c", Tasks: []cluster.TaskSpec{task("\U00020bb7野家", 1)}}, nil, "U+20BB7"},
		{"advertised without brackets", xconsumer.Config{Cluster: "c", Advertise: "https://::1:8800"}, nil, `advertise: "::1:8800": an IPv6 address stands in brackets: write it as "[::1]:8800"`},
		{"task twice", xconsumer.Config{Cluster: "c", Tasks: []cluster.TaskSpec{task("a", 1), task("a", 1)}}, nil, "task a is declared twice"},
		{"too many workers", xconsumer.Config{Cluster: "c", Tasks: []cluster.TaskSpec{task("a", 100_001)}}, nil, "workerNum: 100001 is not between 0 and 100000"},
		{"wrong signature", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.Methods(wrong{}) }, "method xconsumer_test.wrong.RunThis has signature (string) int"},
		{"no method", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.Methods(struct{}{}) }, "has no exported method RunXxx"},
		{"nothing", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.Methods(nil) }, "nothing to register"},
		{"work twice", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) {
			n.Handle("x", func(context.Context, *xconsumer.Worker) error { return nil })
			n.Handle("X", func(context.Context, *xconsumer.Worker) error { return nil })
		}, "work x is registered twice"},
		{"no function", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.Handle("x", nil) }, "work x has no function"},
		{"nothing to stop with", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.HandleStop("x", nil) }, "work x: its way to stop has no function"},
		{"nothing to stop", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.HandleStop("x", func(context.Context, *xconsumer.Worker) {}) }, "a way to stop work x, and no such work"},
		{"wrong way to stop", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.Methods(stubborn{}) }, "the way to stop work thing has signature func() error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Log = log
			node, err := xconsumer.New(store, c.cfg)
			if err == nil && c.use != nil {
				c.use(node)
				err = node.Run(t.Context())
			}
			if !errors.Is(err, xconsumer.ErrConfig) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v; want %q", err, c.want)
			}
		})
	}
}

type wrong struct{}

func (wrong) RunThis(string) int { return 0 }
func (wrong) RunAt()             {}

type stubborn struct{}

func (stubborn) RunThing()        {}
func (stubborn) StopThing() error { return nil }

// polite has works that stop in their own way, and a method that only looks like one.
type polite struct {
	asked chan string
	gone  chan struct{}
}

func (p polite) RunOne(context.Context)  { <-p.gone }
func (p polite) StopOne(context.Context) { p.asked <- "one" }
func (p polite) RunTwo(context.Context)  { <-p.gone }
func (p polite) StopTwo(_ context.Context, w *xconsumer.Worker) {
	p.asked <- fmt.Sprint("two ", w.Index())
}
func (p polite) StopEverything() error { return nil }

func TestMethodsThatStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("one", 1), task("two", 1))
		p := polite{make(chan string), make(chan struct{})}
		n1 := w.start("n1", func(n *xconsumer.Node) { n.Methods(p) })
		n1.stop()
		asked := []string{<-p.asked, <-p.asked}
		slices.Sort(asked)
		if diff := cmp.Diff([]string{"one", "two 0"}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		close(p.gone)
		if err := <-n1.done; err != nil {
			t.Error(err)
		}
	})
}

// forms has one method of each signature, and some that are no works.
type forms struct{ called chan string }

// call takes a while: time stands still in a bubble while anything runs.
func (f forms) call(name string) error {
	time.Sleep(time.Millisecond)
	f.called <- name
	return nil
}

func (f forms) RunPlain()                                    { _ = f.call("plain") }
func (f forms) RunPlainErr() error                           { return f.call("plainErr") }
func (f forms) RunCtx(context.Context)                       { _ = f.call("ctx") }
func (f forms) RunCtxErr(context.Context) error              { return f.call("ctxErr") }
func (f forms) RunWorker(context.Context, *xconsumer.Worker) { _ = f.call("worker") }
func (f forms) RunWorkerErr(_ context.Context, _ *xconsumer.Worker) error {
	return f.call("workerErr")
}
func (f forms) Run()    { _ = f.call("not this") }
func (f forms) Runner() { _ = f.call("nor this") }

func TestMethodForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := []string{"ctx", "ctxErr", "plain", "plainErr", "worker", "workerErr"}
		w := newWorld(t)
		for _, name := range names {
			w.tasks = append(w.tasks, task(name, 1))
		}
		called := make(chan string)
		n1 := w.start("n1", func(n *xconsumer.Node) { n.Methods(forms{called}) })
		seen := map[string]bool{}
		for len(seen) < len(names) {
			seen[<-called] = true
		}
		for _, name := range names {
			if !seen[name] {
				t.Errorf("work %s was not executed", name)
			}
		}
		n1.stop()
		for done := false; !done; { // works that return are executed again until told to stop
			select {
			case <-called:
			case err := <-n1.done:
				if err != nil {
					t.Error(err)
				}
				done = true
			}
		}
	})
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 1))
		ctx, cancel := context.WithCancel(t.Context())
		var events <-chan cluster.Event
		n1 := w.start("n1", func(n *xconsumer.Node) { events = n.Events(ctx) })
		time.Sleep(time.Second)
		n2 := w.start("n2")
		time.Sleep(time.Second)
		w.leave(n2, n1)
		cancel()
		var kinds []string
		for e := range events {
			if e.Time.IsZero() || e.Node == "" || e.Member == "" {
				t.Errorf("event %+v", e)
			}
			kinds = append(kinds, fmt.Sprint(e.Node, " ", e.Kind))
		}
		slices.Sort(kinds) // the order of what happens at once does not matter
		want := []string{"n1 deposed", "n1 elected", "n1 granted", "n1 joined", "n1 left", "n1 released", "n1 started", "n1 stopped", "n2 joined", "n2 left"}
		if diff := cmp.Diff(want, slices.Compact(kinds)); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestRefusedLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := mem.New(mem.Config{Timeout: 600 * time.Millisecond}).Client()
		node, err := xconsumer.New(store, xconsumer.Config{Cluster: "c", Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if err := node.Run(t.Context()); !errors.Is(err, xconsumer.ErrLease) || errors.Is(err, coord.ErrUnknown) {
			t.Errorf("run: %v", err)
		}
	})
}

// A node that lost its session joins again only when every old worker has stopped.
func TestJoinGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("slow", 2))
		var stopped []time.Time
		var mu sync.Mutex
		n1 := w.start("n1", func(n *xconsumer.Node) {
			n.Handle("slow", func(ctx context.Context, wk *xconsumer.Worker) error {
				defer w.floor.enter("n1", wk)()
				<-ctx.Done()
				time.Sleep(time.Second) // less than a leader waits
				mu.Lock()
				defer mu.Unlock()
				stopped = append(stopped, time.Now())
				return nil
			})
		})
		events := n1.Events(t.Context())
		w.service.Expire(memberSession(w, n1))
		for e := range events {
			if e.Kind == cluster.NodeJoined {
				mu.Lock()
				if len(stopped) != 2 || e.Time.Before(stopped[1]) {
					t.Errorf("joined at %v; old workers stopped at %v", e.Time, stopped)
				}
				mu.Unlock()
				break
			}
		}
		time.Sleep(10 * time.Second)
		w.wantShare(map[string]int{"n1": 2})
		w.leave(n1)
	})
}

// A session that is ended before its time, of a node that is cut off and cannot hear of it: its slots move when
// its own lease is over for certain, not when the leader's would be.
func TestEarlyEndOfALongerSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("a", 2))
		w.service = mem.New(mem.Config{Timeout: 10 * time.Second, Grace: coord.OwnTimeout, Latency: 3 * time.Millisecond})
		w.timeouts = map[string]time.Duration{"n2": 30 * time.Second}
		n1 := w.start("n1")
		n2 := w.start("n2")
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		n2.Cut()
		w.service.Expire(memberSession(w, n2))
		began := time.Now()
		for w.floor.share()["n1"] < 2 { // the floor sees every overlap
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took < 30*time.Second || took > 35*time.Second {
			t.Errorf("its slots moved after %v; its session timeout is 30s", took)
		}
		n2.Heal()
		time.Sleep(30 * time.Second)
		w.wantShare(map[string]int{"n1": 1, "n2": 1})
		w.leave(n1, n2)
	})
}

// Slots of a node that leaves move one by one, each when its worker has stopped and not before.
func TestSlowWorkersAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("slow", 6))
		slow := func(name string) func(*xconsumer.Node) {
			return func(n *xconsumer.Node) {
				n.Handle("slow", func(ctx context.Context, wk *xconsumer.Worker) error {
					defer w.floor.enter(name, wk)()
					<-ctx.Done()
					time.Sleep(time.Duration(1+wk.Index()) * time.Second)
					return nil
				})
			}
		}
		n1, n2, n3 := w.start("n1", slow("n1")), w.start("n2", slow("n2")), w.start("n3", slow("n3"))
		time.Sleep(30 * time.Second)
		w.wantShare(map[string]int{"n1": 2, "n2": 2, "n3": 2})
		for _, p := range []*proc{n2, n1} { // a follower, then the leader
			p.stop()
			moved := 0
			for stopped := false; !stopped; {
				select {
				case err := <-p.done:
					if stopped = true; err != nil {
						t.Error(err)
					}
				case <-time.After(100 * time.Millisecond):
					share := w.floor.share()
					if left := share[p.Name()]; left > 0 && left < 3 && share["n1"]+share["n2"]+share["n3"] == 6 {
						moved = max(moved, 3-left)
					}
				}
			}
			time.Sleep(time.Second)
			share := w.floor.share()
			if share[p.Name()] != 0 || share["n1"]+share["n2"]+share["n3"] != 6 {
				t.Errorf("after %s left: %v", p.Name(), share)
			}
			if moved == 0 {
				t.Errorf("%s: nothing ran elsewhere before its last worker had stopped", p.Name())
			}
		}
		w.leave(n3)
	})
}
