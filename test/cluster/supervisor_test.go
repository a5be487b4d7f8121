package cluster_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
	"gitee.com/ken.yang/xconsumer/internal/testcluster"
)

// What a parent process hears: the member before it can exist, that something runs before it
// does, until when it may, that nothing runs any longer, and the end.
func TestSupervisorReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		service := mem.New(mem.Config{Timeout: 20 * time.Second, TakeoverDelay: 2 * time.Second, Latency: 3 * time.Millisecond})
		observer, err := service.Client().Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = observer.Close() }()
		keys := testcluster.Keys()
		exists := func(member string) bool {
			_, err := observer.Get(t.Context(), keys.Member(member))
			return err == nil
		}
		var (
			mu      sync.Mutex
			reports []cluster.SupervisorReport
		)
		last := func() cluster.SupervisorReport {
			mu.Lock()
			defer mu.Unlock()
			return reports[len(reports)-1]
		}
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(reports)
		}
		c := testcluster.Cluster{Service: service, Tasks: []cluster.TaskSpec{task("a", 2)}, Config: func(cfg *xconsumer.Config) {
			cfg.SupervisorReport = func(v cluster.SupervisorReport) {
				mu.Lock()
				defer mu.Unlock()
				if (len(reports) == 0 || reports[len(reports)-1].Member != v.Member) && exists(v.Member) {
					t.Errorf("heard of member %s when it existed already", v.Member)
				}
				reports = append(reports, v)
			}
		}}
		n1, err := c.Start(t.Context(), "n1", func(node *xconsumer.Node) {
			node.Handle("a", func(ctx context.Context, _ *xconsumer.Worker) error {
				if v := last(); v.Idle || v.Closed || v.Member == "" || v.StopBy <= observer.Now() {
					t.Errorf("a worker begins at %v; last report %+v", observer.Now(), v)
				}
				<-ctx.Done()
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		first := last()
		if !exists(first.Member) || first.Cluster != "test" || first.Node != "n1" || first.Session == "" {
			t.Errorf("report %+v", first)
		}
		if rest := first.StopBy - observer.Now(); rest < 14*time.Second || rest > 20*time.Second {
			t.Errorf("may run for %v more", rest)
		}
		n1.Cut()
		time.Sleep(17 * time.Second) // past the soft stop: the workers have stopped
		if v := last(); !v.Idle || v.Closed || v.Member != first.Member {
			t.Errorf("after its workers have stopped: %+v", v)
		}
		before := count()
		time.Sleep(10 * time.Second)
		if more := count() - before; more < 5 {
			t.Errorf("in ten seconds without anything new %d reports came", more)
		}
		n1.Heal()
		time.Sleep(time.Minute)
		if v := last(); v.Member == first.Member || v.Idle || v.Closed {
			t.Errorf("after the session was lost: %+v", v)
		}
		n1.Stop()
		if err := n1.Wait(); err != nil {
			t.Error(err)
		}
		if v := last(); !v.Idle || !v.Closed {
			t.Errorf("at the end: %+v", v)
		}
	})
}

// A node that leaves while the service is away cannot close its member: that is left to a parent.
func TestReportsOfASilentLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		n1 := w.begin("n1")
		time.Sleep(time.Minute)
		n1.Cut()
		n1.Stop()
		began := coord.LeaseClock()()
		if err := n1.Wait(); err != nil {
			t.Error(err)
		}
		if took := coord.LeaseClock()() - began; took > 25*time.Second {
			t.Errorf("it took %v", took)
		}
		if last := n1.LastReport(); last == nil || last.Closed || !last.Idle || last.Member == "" {
			t.Errorf("last report: %+v", last)
		}
	})
}

// A parent that listens slowly hears that something runs before it does, and never that nothing does while it starts.
func TestIdleIsNotToldWhileAWorkerStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, task("c", 3))
		var last atomic.Pointer[cluster.SupervisorReport]
		w.Config = func(cfg *xconsumer.Config) {
			cfg.SupervisorReport = func(v cluster.SupervisorReport) {
				time.Sleep(300 * time.Millisecond)
				last.Store(&v)
			}
		}
		n1 := w.begin("n1", func(node *xconsumer.Node) {
			node.Handle("c", func(ctx context.Context, _ *xconsumer.Worker) error {
				if last.Load().Idle {
					t.Error("a worker begins, and the parent has heard that none runs")
				}
				<-ctx.Done()
				return nil
			})
		})
		for range 200 {
			time.Sleep(50 * time.Millisecond)
			running := 0
			for _, r := range n1.Admin().Workers() {
				if r.State == cluster.WorkerRunning {
					running++
				}
			}
			if running > 0 && last.Load().Idle {
				t.Errorf("%d workers run, and the parent has heard that none does", running)
			}
		}
		w.leave(n1)
		if v := last.Load(); !v.Idle || !v.Closed {
			t.Errorf("last report: %+v", v)
		}
	})
}

// A parent that takes its time for each piece of news holds up a claim once, not each of its starts: the follower goes
// on, and the lease stays.
func TestASlowParentDoesNotHoldUpTheFollower(t *testing.T) {
	for _, takes := range []time.Duration{50 * time.Millisecond, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, task("a", 100))
			var reports atomic.Int64
			w.Config = func(cfg *xconsumer.Config) {
				cfg.SupervisorReport = func(cluster.SupervisorReport) {
					reports.Add(1)
					time.Sleep(takes)
				}
			}
			n1 := w.start("n1")
			began := time.Now()
			for len(n1.Admin().Workers()) < 100 && time.Since(began) < time.Minute {
				time.Sleep(50 * time.Millisecond)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("with a parent that takes %v, 100 workers had started after %v", takes, took)
			}
			for range 60 {
				time.Sleep(time.Second)
				running := 0
				for _, r := range n1.Admin().Workers() {
					if r.State == cluster.WorkerRunning {
						running++
					}
				}
				if running != 100 || !n1.Admin().Lease().Valid {
					t.Errorf("with a parent that takes %v: %d workers run after %v, lease %+v", takes, running, time.Since(began), n1.Admin().Lease())
					break
				}
			}
			w.leave(n1)
			time.Sleep(5 * time.Second) // the parent has heard the last word
		})
	}
}
