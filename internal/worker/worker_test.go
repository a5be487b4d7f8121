package worker_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var slot = cluster.Slot{Task: "t", Index: 3}

func grant() cluster.Grant {
	return cluster.Grant{Slot: slot, Token: 7, Count: 4, Spec: cluster.TaskSpec{Name: "t", WorkName: "Work", WorkerNum: 4}}
}

// events collects the events of a pool.
type events struct {
	mu   sync.Mutex
	list []string
}

func (e *events) emit(ev cluster.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, string(ev.Kind))
}

func (e *events) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.list, " ")
}

func newPool(work worker.Func) (*worker.Pool, *events) {
	emitted := &events{}
	return worker.NewPool(worker.Config{
		Works: map[string]worker.Func{"work": work},
		Valid: func() bool { return true },
		Log:   slog.New(slog.DiscardHandler),
		Emit:  emitted.emit,
	}), emitted
}

func TestStopIsAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		p, emitted := newPool(func(ctx context.Context, run *worker.Run) error {
			if run.Slot != slot || run.Token != 7 || run.Count != 4 || !run.Valid() {
				t.Errorf("run %+v", run)
			}
			<-ctx.Done()
			time.Sleep(2 * time.Second) // it takes its time
			cause = context.Cause(ctx)
			return nil
		})
		p.Start(grant())
		synctest.Wait()
		if r := p.Reports()[slot]; r.State != cluster.WorkerRunning || r.Token != 7 {
			t.Errorf("report %+v", r)
		}
		p.Stop(slot, cluster.ErrReleased, 10*time.Second)
		p.Stop(slot, cluster.ErrLeaving, 20*time.Second) // the first cause and the shorter time count
		synctest.Wait()
		if r := p.Reports()[slot]; r.State != cluster.WorkerStopping {
			t.Errorf("report %+v", r)
		}
		time.Sleep(3 * time.Second)
		if len(p.Reports()) != 0 || !errors.Is(cause, cluster.ErrReleased) {
			t.Errorf("reports %+v, cause %v", p.Reports(), cause)
		}
		if want := "worker-started worker-stopped"; emitted.String() != want {
			t.Errorf("events %q; want %q", emitted, want)
		}
	})
}

// A pool that is closed cancels everything, whatever was waiting for what, and starts nothing.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		causes := map[cluster.Slot]error{}
		var mu sync.Mutex
		p, _ := newPool(func(ctx context.Context, run *worker.Run) error {
			if run.Slot.Index == 1 {
				return errors.New("it fails")
			}
			<-ctx.Done()
			mu.Lock()
			defer mu.Unlock()
			causes[run.Slot] = context.Cause(ctx)
			return nil
		})
		for i := range 3 {
			g := grant()
			g.Slot.Index = i
			p.Start(g)
		}
		synctest.Wait()
		p.Stop(cluster.Slot{Task: slot.Task, Index: 2}, cluster.ErrReleased, time.Minute)
		synctest.Wait()
		p.Close(cluster.ErrLeaseLost)
		late := grant()
		late.Slot.Index = 3
		p.Start(late)
		<-p.Idle()
		want := map[cluster.Slot]error{{Task: slot.Task, Index: 0}: cluster.ErrLeaseLost, {Task: slot.Task, Index: 2}: cluster.ErrReleased}
		if !maps.Equal(causes, want) {
			t.Errorf("workers ended for %v; want %v", causes, want)
		}
	})
}

// A work with a stop function is asked to stop by it first. Its context is cancelled only if it does not stop.
func TestOwnStop(t *testing.T) {
	type notes struct {
		sync.Mutex
		list []string
	}
	for _, c := range []struct {
		name string
		work func(ctx context.Context, asked <-chan struct{}) error
		stop func(ctx context.Context, ask func())
		idle bool // it is asked between two executions
		want string
		left time.Duration // the time by which it must have ended
	}{
		{"it stops by itself",
			func(ctx context.Context, asked <-chan struct{}) error {
				<-asked
				time.Sleep(2 * time.Second)
				return ctx.Err()
			},
			func(_ context.Context, ask func()) { ask() }, false, "asked, returned <nil>", 2 * time.Second},
		{"it returns with an error",
			func(_ context.Context, asked <-chan struct{}) error { <-asked; return errors.New("enough") },
			func(_ context.Context, ask func()) { ask() }, false, "asked, returned enough", 0},
		{"it does not hear",
			func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return context.Cause(ctx) },
			func(context.Context, func()) {}, false, "asked, returned slot released", 7500 * time.Millisecond},
		{"its way to stop hangs until the context ends",
			func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return nil },
			func(ctx context.Context, _ func()) { <-ctx.Done() }, false, "asked, returned <nil>", 7500 * time.Millisecond},
		{"its way to stop panics",
			func(ctx context.Context, _ <-chan struct{}) error { <-ctx.Done(); return nil },
			func(context.Context, func()) { panic("no") }, false, "asked, returned <nil>", 0},
		{"it is not executed at the moment",
			func(context.Context, <-chan struct{}) error { return nil },
			func(context.Context, func()) {}, true, "returned <nil>", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n notes
				note := func(what string) {
					n.Lock()
					defer n.Unlock()
					n.list = append(n.list, what)
				}
				asked := make(chan struct{})
				p := worker.NewPool(worker.Config{
					Works: map[string]worker.Func{"work": func(ctx context.Context, _ *worker.Run) error {
						err := c.work(ctx, asked)
						note(fmt.Sprint("returned ", err))
						return err
					}},
					Stops: map[string]worker.StopFunc{"work": func(ctx context.Context, run *worker.Run) {
						note("asked")
						if run.Slot != slot {
							t.Errorf("asked of %v", run.Slot)
						}
						c.stop(ctx, func() { close(asked) })
					}},
					Valid: func() bool { return true }, Log: slog.New(slog.DiscardHandler), Emit: func(cluster.Event) {},
				})
				g := grant()
				if c.idle {
					g.Spec.Interval = cluster.Duration(time.Minute)
				}
				p.Start(g)
				synctest.Wait()
				began := time.Now()
				p.Stop(slot, cluster.ErrReleased, 10*time.Second)
				<-p.Idle()
				n.Lock()
				defer n.Unlock()
				if got := strings.Join(n.list, ", "); got != c.want || time.Since(began) != c.left {
					t.Errorf("%s after %v; want %s after %v", got, time.Since(began), c.want, c.left)
				}
			})
		})
	}
}

// A second, more urgent request leaves a work less time for its stop function.
func TestOwnStopInLessTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := worker.NewPool(worker.Config{
			Works: map[string]worker.Func{"work": func(ctx context.Context, _ *worker.Run) error { <-ctx.Done(); return nil }},
			Stops: map[string]worker.StopFunc{"work": func(context.Context, *worker.Run) {}},
			Valid: func() bool { return true }, Log: slog.New(slog.DiscardHandler), Emit: func(cluster.Event) {},
		})
		p.Start(grant())
		synctest.Wait()
		began := time.Now()
		p.Stop(slot, cluster.ErrReleased, time.Minute)
		time.Sleep(time.Second)
		p.Stop(slot, cluster.ErrLeaseLost, 4*time.Second)
		<-p.Idle()
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("stopped after %v; want 1 s and three quarters of 4 s", took)
		}
	})
}

// A task's interval lies between a return and the next execution, even while it changes; a stop ends it at once.
func TestInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int64
		p, _ := newPool(func(context.Context, *worker.Run) error { runs.Add(1); return nil })
		g := grant()
		g.Spec.Interval = cluster.Duration(10 * time.Second)
		p.Start(g)
		time.Sleep(25 * time.Second)
		if r := p.Reports()[slot]; runs.Load() != 3 || r.State != cluster.WorkerRunning {
			t.Errorf("%d executions in 25 s, %+v", runs.Load(), r)
		}
		g.Spec.Interval = cluster.Duration(time.Minute)
		p.Update(slot, g.Spec)
		time.Sleep(60 * time.Second)
		if runs.Load() != 4 {
			t.Errorf("%d executions after the interval became longer", runs.Load())
		}
		p.Stop(slot, cluster.ErrReleased, time.Second)
		synctest.Wait()
		if len(p.Reports()) > 0 {
			t.Errorf("it does not stop between executions: %v", p.Reports())
		}
	})
}

// A work that returns at once, without an error and without an interval, is run again after a pause that grows, which is
// reported. It has not failed, and once an execution lasts, the report is cleared.
func TestReturnsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var mu sync.Mutex
		var began []time.Duration
		begin := time.Now()
		var lasts atomic.Int64 // how long an execution takes
		work := func(ctx context.Context, _ *worker.Run) error {
			mu.Lock()
			began = append(began, time.Since(begin))
			mu.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(lasts.Load())):
			}
			return nil
		}
		begun := func() []time.Duration {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(began)
		}
		p := worker.NewPool(worker.Config{
			Works: map[string]worker.Func{"work": work}, Valid: func() bool { return true },
			Log: slog.New(slog.NewTextHandler(&log, nil)), Emit: func(cluster.Event) {},
		})
		p.Start(grant())
		time.Sleep(time.Minute)
		starts := begun()
		if n := len(starts); n < 8 || n > 13 {
			t.Errorf("run %d times in a minute, at %v", n, starts)
		}
		if gap := starts[1] - starts[0]; gap < 375*time.Millisecond || gap > 625*time.Millisecond {
			t.Errorf("the first pause was %v", gap)
		}
		for i := 1; i < len(starts); i++ {
			if gap := starts[i] - starts[i-1]; gap > 10*time.Second {
				t.Errorf("the pause before start %d was %v", i, gap)
			}
		}
		if r := p.Reports()[slot]; r.State != cluster.WorkerRunning || r.Restarts != 0 || r.InRow != 0 || r.Error != cluster.ReturnsAtOnce {
			t.Errorf("report %+v", r)
		}
		lasts.Store(int64(2 * time.Second)) // which is no longer at once
		time.Sleep(14 * time.Second)
		if r := p.Reports()[slot]; r.Error != "" {
			t.Errorf("report %+v", r)
		}
		last := len(begun())
		time.Sleep(9 * time.Second)
		if n := len(begun()) - last; n < 4 {
			t.Errorf("run %d times in 9s, 2s each", n)
		}
		p.Stop(slot, cluster.ErrReleased, time.Second)
		synctest.Wait()
		if n := strings.Count(log.String(), cluster.ReturnsAtOnce); n != 1 {
			t.Errorf("reported %d times:\n%s", n, log.String())
		}
	})
}

// A kill is reported, although other errors of a work after it was asked to stop are not.
func TestKilledIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var detail atomic.Value
		logs := worker.NewLogs(0)
		p := worker.NewPool(worker.Config{
			Logs: logs,
			Works: map[string]worker.Func{"work": func(ctx context.Context, _ *worker.Run) error {
				<-ctx.Done()
				time.Sleep(9 * time.Second)
				return fmt.Errorf("%w (pid 12), 9s after it was asked to end", cluster.ErrKilled)
			}},
			Valid: func() bool { return true }, Log: slog.New(slog.NewTextHandler(&log, nil)),
			Emit: func(e cluster.Event) { detail.Store(e.Detail) },
		})
		p.Start(grant())
		synctest.Wait()
		p.Stop(slot, cluster.ErrReleased, 10*time.Second)
		<-p.Idle()
		synctest.Wait()
		if want := "slot released; killed (pid 12), 9s after it was asked to end"; detail.Load() != want {
			t.Errorf("event with detail %q; want %q", detail.Load(), want)
		}
		for _, want := range []string{"level=WARN", "slot=t#3", "pid 12", "stopTimeout=10s"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not in the log:\n%s", want, log.String())
			}
		}
		var own []string
		for _, line := range logs.Of(slot).Last(10) {
			own = append(own, line.Text)
		}
		want := []string{
			`level=INFO msg="asked to stop" cause="slot released" atMost=10s`,
			`level=WARN msg="worker did not stop by itself and was killed" error="killed (pid 12), 9s after it was asked to end" stopTimeout=10s`,
		}
		if !slices.Equal(own, want) || strings.Contains(log.String(), "asked to stop") {
			t.Errorf("its own log is %q, that of the node %s", own, log.String())
		}
	})
}

// The stack of a panic is in the logs line by line, from the panic on, and the error is its message alone.
func TestPanicIsReadable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		logs := worker.NewLogs(0)
		p := worker.NewPool(worker.Config{
			Works: map[string]worker.Func{"work": func(context.Context, *worker.Run) error { return explode(nil) }},
			Valid: func() bool { return true }, Logs: logs, Log: slog.New(slog.NewTextHandler(&log, nil)), Emit: func(cluster.Event) {},
		})
		p.Start(grant())
		synctest.Wait()
		if r := p.Reports()[slot]; r.Error != "panic: runtime error: invalid memory address or nil pointer dereference" {
			t.Errorf("error %q", r.Error)
		}
		var lines []string
		for _, line := range logs.Of(slot).Last(100) {
			lines = append(lines, line.Text)
		}
		text := strings.Join(lines, "\n")
		if len(lines) < 5 || !strings.HasPrefix(lines[1], "goroutine ") || !strings.Contains(lines[2], "explode(") {
			t.Errorf("the worker's log:\n%s", text)
		}
		if strings.Contains(text, `\n`) || strings.Contains(log.String(), `\n`) {
			t.Errorf("lines within lines:\n%s\n%s", text, log.String())
		}
		p.Stop(slot, cluster.ErrReleased, time.Second)
		synctest.Wait()
	})
}

//go:noinline
func explode(of *cluster.Slot) error { return errors.New(of.Task) }

func TestParams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		params, err := cluster.NewParams(map[string]any{"queue": "mail", "batch": 3})
		if err != nil {
			t.Fatal(err)
		}
		p, _ := newPool(func(ctx context.Context, run *worker.Run) error {
			var got struct {
				Queue string
				Batch int
			}
			if err := run.Params().Decode(&got); err != nil || got.Queue != "mail" || got.Batch != 3 {
				t.Errorf("%+v, %v", got, err)
			}
			<-ctx.Done()
			return nil
		})
		g := grant()
		g.Spec.Params = params
		p.Start(g)
		synctest.Wait()
		p.Stop(slot, cluster.ErrReleased, time.Second)
		synctest.Wait()
	})
}

func TestStuckUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p, emitted := newPool(func(context.Context, *worker.Run) error { <-release; return nil })
		p.Start(grant())
		synctest.Wait()
		p.Stop(slot, cluster.ErrReleased, 10*time.Second)
		time.Sleep(3 * time.Second)
		p.Stop(slot, cluster.ErrLeaseLost, time.Second)
		time.Sleep(2 * time.Second)
		if r := p.Reports()[slot]; r.State != cluster.WorkerStuck {
			t.Errorf("report %+v", r)
		}
		if stack := worker.Stack(slot); !strings.Contains(stack, "TestStuckUntilItReturns") {
			t.Errorf("stack %q", stack)
		}
		close(release)
		synctest.Wait()
		if len(p.Reports()) != 0 || emitted.String() != "worker-started worker-stuck worker-stopped" {
			t.Errorf("reports %+v, events %q", p.Reports(), emitted)
		}
	})
}

func TestBackoffGrowsAndIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts []time.Duration
		begin := time.Now()
		p, _ := newPool(func(ctx context.Context, _ *worker.Run) error {
			starts = append(starts, time.Since(begin))
			if len(starts) == 12 { // this one lasts
				select {
				case <-time.After(2 * time.Minute):
				case <-ctx.Done():
				}
			}
			return errors.New(strings.Repeat("é", 2000))
		})
		p.Start(grant())
		time.Sleep(20 * time.Minute)
		p.Stop(slot, cluster.ErrReleased, time.Second)
		synctest.Wait()
		base := 500 * time.Millisecond
		for i := 1; i < 14; i++ {
			gap := starts[i] - starts[i-1]
			want := min(base<<(i-1), time.Minute)
			switch i {
			case 12:
				gap, want = gap-2*time.Minute, base
			case 13:
				want = 2 * base
			}
			if gap < want*3/4 || gap > want*5/4 {
				t.Errorf("pause %d was %v; want about %v", i, gap, want)
			}
		}
	})
}

func TestErrorsAreKeptShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, work := range map[string]worker.Func{
			"long":   func(context.Context, *worker.Run) error { return errors.New(strings.Repeat("é", 2000)) },
			"binary": func(context.Context, *worker.Run) error { return errors.New("\xff\xfe" + strings.Repeat("x", 2000)) },
			"panic":  func(context.Context, *worker.Run) error { panic(strings.Repeat("長", 2000)) },
		} {
			p, _ := newPool(work)
			p.Start(grant())
			synctest.Wait()
			r := p.Reports()[slot]
			if r.State != cluster.WorkerBackoff || r.Restarts != 1 || r.Error == "" || len(r.Error) > 1024 || !utf8.ValidString(r.Error) {
				t.Errorf("%s: report %+v", name, r)
			}
			p.Stop(slot, cluster.ErrReleased, time.Second)
			synctest.Wait()
			if len(p.Reports()) != 0 {
				t.Errorf("%s: reports %+v", name, p.Reports())
			}
		}
	})
}

func TestGoexitIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, emitted := newPool(func(context.Context, *worker.Run) error { runtime.Goexit(); return nil })
		p.Start(grant())
		synctest.Wait()
		if len(p.Reports()) != 0 || emitted.String() != "worker-started worker-stopped" {
			t.Errorf("reports %+v, events %q", p.Reports(), emitted)
		}
	})
}

func TestUnknownWorkFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(nil)
		g := grant()
		g.Spec.WorkName = "other"
		p.Start(g)
		synctest.Wait()
		if r := p.Reports()[slot]; !strings.Contains(r.Error, `work "other" is not registered`) {
			t.Errorf("report %+v", r)
		}
		p.Stop(slot, cluster.ErrReleased, time.Second)
	})
}

func TestUpdateIsSeenByTheWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var of *worker.Run
		p, _ := newPool(func(ctx context.Context, run *worker.Run) error {
			of = run
			<-ctx.Done()
			return nil
		})
		p.Start(grant())
		synctest.Wait()
		g := grant()
		g.Spec.WorkerNum, g.Spec.Params = 9, `{"x":1}`
		p.Update(slot, g.Spec)
		p.Update(cluster.Slot{Task: "none"}, g.Spec)
		if of.Params() != g.Spec.Params || of.Count != 4 {
			t.Errorf("params %s, count %d: params change while it runs, the count does not", of.Params(), of.Count)
		}
		p.Stop(slot, cluster.ErrReleased, time.Second)
	})
}
