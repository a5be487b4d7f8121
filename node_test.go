package xconsumer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/xconsumertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func task(name string, workers int) cluster.TaskSpec {
	return cluster.TaskSpec{Name: name, WorkName: name, WorkerNum: workers}
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
		{"advertised without brackets", xconsumer.Config{Cluster: "c", Advertise: "https://::1:8800"}, nil, `advertise: "::1:8800": want brackets around an IPv6 address: write it as "[::1]:8800"`},
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
		{"nothing to stop with", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.HandleStop("x", nil) }, "work x has a stop function that is nil"},
		{"nothing to stop", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.HandleStop("x", func(context.Context, *xconsumer.Worker) {}) }, "work x has a stop function and is not registered"},
		{"wrong way to stop", xconsumer.Config{Cluster: "c"}, func(n *xconsumer.Node) { n.Methods(stubborn{}) }, "the stop function of work thing has signature func() error"},
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

// polite has works with stop functions, and a method that only looks like one.
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
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		c.Declare(task("one", 1))
		c.Declare(task("two", 1))
		p := polite{make(chan string, 2), make(chan struct{})}
		n1 := c.Start("n1", func(n *xconsumer.Node) { n.Methods(p) })
		left := make(chan error, 1)
		go func() { left <- n1.Leave() }()
		asked := []string{<-p.asked, <-p.asked}
		slices.Sort(asked)
		if diff := cmp.Diff([]string{"one", "two 0"}, asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		close(p.gone)
		if err := <-left; err != nil {
			t.Error(err)
		}
	})
}

// forms has one method of each signature, and some that are not works.
type forms struct{ called chan string }

// call takes a while: time stands still in a bubble while a goroutine runs.
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
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		names := []string{"ctx", "ctxErr", "plain", "plainErr", "worker", "workerErr"}
		for _, name := range names {
			c.Declare(task(name, 1))
		}
		called := make(chan string)
		n1 := c.Join("n1", func(n *xconsumer.Node) { n.Methods(forms{called}) })
		seen := map[string]bool{}
		for len(seen) < len(names) {
			seen[<-called] = true
		}
		for _, name := range names {
			if !seen[name] {
				t.Errorf("work %s was not executed", name)
			}
		}
		left := make(chan error, 1)
		go func() { left <- n1.Leave() }()
		for done := false; !done; { // works that return are executed again until they are asked to stop
			select {
			case <-called:
			case err := <-left:
				if err != nil {
					t.Error(err)
				}
				done = true
			}
		}
	})
}

func TestEvents(t *testing.T) {
	xconsumertest.Run(t, func(t *testing.T, c *xconsumertest.Cluster) {
		c.Declare(task("a", 1))
		ctx, cancel := context.WithCancel(t.Context())
		var events <-chan cluster.Event
		work := func(ctx context.Context, _ *xconsumer.Worker) error {
			<-ctx.Done()
			return nil
		}
		n1 := c.Start("n1", func(n *xconsumer.Node) {
			n.Handle("a", work)
			events = n.Events(ctx)
		})
		n2 := c.Start("n2", func(n *xconsumer.Node) { n.Handle("a", work) })
		for _, n := range []*xconsumertest.Node{n2, n1} {
			if err := n.Leave(); err != nil {
				t.Error(err)
			}
		}
		cancel()
		var kinds []string
		for e := range events {
			if e.Time.IsZero() || e.Node == "" || e.Member == "" {
				t.Errorf("event %+v", e)
			}
			kinds = append(kinds, fmt.Sprint(e.Node, " ", e.Kind))
		}
		slices.Sort(kinds) // the order of simultaneous events does not matter
		want := []string{"n1 leader-deposed", "n1 leader-elected", "n1 node-joined", "n1 node-left", "n1 slot-granted", "n1 slot-released", "n1 worker-started", "n1 worker-stopped", "n2 node-joined", "n2 node-left"}
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
