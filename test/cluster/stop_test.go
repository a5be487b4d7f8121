package cluster_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/mem"
)

// blocking is a log that nobody reads while it is not free.
type blocking struct {
	slog.Handler
	free <-chan struct{}
}

func (b blocking) Enabled(context.Context, slog.Level) bool { return true }

func (b blocking) Handle(context.Context, slog.Record) error {
	<-b.free
	return nil
}

func (b blocking) WithAttrs([]slog.Attr) slog.Handler { return b }

func (b blocking) WithGroup(string) slog.Handler { return b }

// Whatever a program gives to a node may block for ever: the node leads, grants, starts and stops as ever, and none of
// its workers outlasts its lease.
func TestNothingStopsTheStop(t *testing.T) {
	for name, block := range map[string]func(cfg *xconsumer.Config, free <-chan struct{}){
		"log":   func(cfg *xconsumer.Config, free <-chan struct{}) { cfg.Log = slog.New(blocking{free: free}) },
		"trace": func(cfg *xconsumer.Config, free <-chan struct{}) { cfg.Trace = func(cluster.Span) { <-free } },
		"reports": func(cfg *xconsumer.Config, free <-chan struct{}) {
			cfg.SupervisorReport = func(cluster.SupervisorReport) { <-free }
		},
		"all": func(cfg *xconsumer.Config, free <-chan struct{}) {
			cfg.Log = slog.New(blocking{free: free})
			cfg.Trace = func(cluster.Span) { <-free }
			cfg.SupervisorReport = func(cluster.SupervisorReport) { <-free }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { blockedNode(t, block) })
		})
	}
}

func blockedNode(t *testing.T, block func(cfg *xconsumer.Config, free <-chan struct{})) {
	w := newWorld(t, task("a", 12))
	free := make(chan struct{})
	w.Config = func(cfg *xconsumer.Config) { block(cfg, free) }
	n1 := w.start("n1")
	listening, enough := context.WithCancel(t.Context())
	_ = n1.Events(listening) // nobody receives
	time.Sleep(5 * time.Second)
	w.wantShare(map[string]int{"n1": 12})
	w.Config = nil
	n2, n3 := w.start("n2"), w.start("n3")
	time.Sleep(5 * time.Second)
	w.wantShare(map[string]int{"n1": 4, "n2": 4, "n3": 4})
	// It leads: a node that is lost is replaced.
	n3.Kill()
	w.floor.die("n3")
	time.Sleep(30 * time.Second)
	w.wantShare(map[string]int{"n1": 6, "n2": 6})
	if _, leads := n1.Admin().Leading(); !leads {
		t.Error("n1 does not lead")
	}
	n1.Cut()
	time.Sleep(20*time.Second - 500*time.Millisecond) // before anybody else can be granted its slots
	w.wantShare(map[string]int{"n2": 6})
	time.Sleep(20 * time.Second)
	w.wantShare(map[string]int{"n2": 12})
	n1.Heal()
	time.Sleep(30 * time.Second)
	w.wantShare(map[string]int{"n1": 6, "n2": 6})
	n1.Stop()
	select {
	case <-n1.Done():
		if err := n1.Wait(); err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Error("it does not leave")
	}
	w.leave(n2)
	enough()
	close(free)
	n3.Stop()
	<-n3.Done() // however it ends
}

// hanging is a store whose clock stands still for whoever reads it in some functions, so that they hang.
type hanging struct {
	coord.Store
	where *atomic.Value // []string: parts of the functions' names
	free  <-chan struct{}
}

func (h hanging) Open(ctx context.Context) (coord.Session, error) {
	s, err := h.Store.Open(ctx)
	if err != nil {
		return nil, err
	}
	return hangingSession{s, h}, nil
}

type hangingSession struct {
	coord.Session
	h hanging
}

func (s hangingSession) Now() time.Duration {
	if where, ok := s.h.where.Load().([]string); ok {
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		for _, name := range where {
			if strings.Contains(string(stack), name) {
				<-s.h.free
			}
		}
	}
	return s.Session.Now()
}

// A node whose follower hangs, or whose leader does together with its vigil, proves nothing any longer: its workers stop
// when its lease is over, its slots run elsewhere, another leads, and its process is asked to end.
func TestAHungLoopLosesItsLease(t *testing.T) {
	for name, where := range map[string][]string{
		"follower": {"follower.(*following).step"},
		"leader":   {"leader.(*leading).decide", "leader.(*Leader).keepVigil"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, task("a", 4))
				free := make(chan struct{})
				var hangs atomic.Value
				w.store = func(s coord.Store) coord.Store { return hanging{s, &hangs, free} }
				n1 := w.start("n1")
				w.store = nil
				n2 := w.start("n2")
				time.Sleep(10 * time.Second)
				w.wantShare(map[string]int{"n1": 2, "n2": 2})
				hangs.Store(where)
				time.Sleep(2 * time.Minute)
				select {
				case <-n1.Done():
					if err := n1.Wait(); !errors.Is(err, xconsumer.ErrStuck) || !strings.Contains(err.Error(), name) {
						t.Errorf("it ends with %v", err)
					}
				default:
					t.Error("it does not end")
				}
				if share := w.floor.share(); share["n1"] != 0 {
					t.Errorf("workers by node: %v", share)
				}
				n1.Kill() // as its process ends now
				time.Sleep(30 * time.Second)
				w.wantShare(map[string]int{"n2": 4})
				if _, leads := n2.Admin().Leading(); !leads {
					t.Error("n2 does not lead")
				}
				close(free)
				w.leave(n2)
				n1.Stop()
			})
		})
	}
}

// A process in which nothing of a node turns any longer ends at the hard stop, unless all that runs needs no lease.
func TestExitTimer(t *testing.T) {
	for name, c := range map[string]struct {
		task cluster.TaskSpec
		want bool
	}{
		"workers that need the lease": {task("a", 2), true},
		"workers that go on":          {cluster.TaskSpec{Name: "a", WorkName: "a", WorkerNum: 2, WhenDisconnected: cluster.WhenDisconnectedContinue}, false},
		"none":                        {task("a", 0), false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, c.task)
				free := make(chan struct{})
				var hangs atomic.Value
				var exits atomic.Int64
				var last atomic.Pointer[cluster.SupervisorReport]
				client := new(atomic.Pointer[mem.Client])
				w.store = func(s coord.Store) coord.Store { return hanging{s, &hangs, free} }
				w.Config = func(cfg *xconsumer.Config) {
					cfg.SupervisorReport = func(v cluster.SupervisorReport) { last.Store(&v) }
					cfg.HardStop = func() {
						exits.Add(1)
						now, v := client.Load().Now(), last.Load()
						if now >= v.StopBy || now < v.StopBy-250*time.Millisecond {
							t.Errorf("ends at %v; everybody else stops it by %v", now, v.StopBy)
						}
						w.floor.die("n1")
					}
				}
				n1 := w.start("n1")
				client.Store(n1.Client)
				time.Sleep(10 * time.Second)
				hangs.Store([]string{"follower.LeaseWatchdog(", "follower.(*following)"})
				n1.Cut()
				time.Sleep(30 * time.Second)
				if got := exits.Load() == 1; got != c.want || exits.Load() > 1 {
					t.Errorf("it was ended %d times", exits.Load())
				}
				n1.Kill()
				close(free)
				n1.Stop()
				<-n1.Done() // however it ends
			})
		})
	}
}
