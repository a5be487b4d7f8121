package worker_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// blockedLog is a log without a reader.
type blockedLog struct{ free <-chan struct{} }

func (blockedLog) Enabled(context.Context, slog.Level) bool { return true }

func (b blockedLog) Handle(context.Context, slog.Record) error {
	<-b.free
	return nil
}

func (b blockedLog) WithAttrs([]slog.Attr) slog.Handler { return b }

func (b blockedLog) WithGroup(string) slog.Handler { return b }

// Logs and listeners may block for ever: slots still fail, get stuck, leave and are stopped, and their events are
// emitted in order when a listener reads again.
func TestNothingStopsTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		emitted := &events{}
		failing, hanging := make(chan struct{}), make(chan struct{})
		p := worker.NewPool(worker.Config{
			Works: map[string]worker.Func{"work": func(ctx context.Context, run *worker.Run) error {
				_, _ = run.Stdout().Write([]byte("a line of output\nand a half"))
				switch run.Slot.Index {
				case 0:
					<-failing
					return errors.New("no")
				case 1:
					<-hanging
				}
				<-ctx.Done()
				return nil
			}},
			Valid: func() bool { return true },
			Log:   slog.New(blockedLog{free}),
			Emit: func(e cluster.Event) {
				<-free
				emitted.emit(e)
			},
		})
		const slots = 100
		id := func(i int) cluster.Slot { return cluster.Slot{Task: "a", Index: i} }
		for i := range slots {
			g := grant()
			g.Slot = id(i)
			p.Start(g)
			p.Start(g) // a mistake of the caller, which is logged
		}
		synctest.Wait()
		close(failing)
		p.Stop(id(1), cluster.ErrReleased, time.Second) // it gets stuck
		p.Stop(id(2), cluster.ErrReleased, time.Second) // it leaves
		time.Sleep(2 * time.Second)
		if r := p.Reports(); len(r) != slots-1 || r[id(1)].State != cluster.WorkerStuck || r[id(0)].State == cluster.WorkerStarting {
			t.Errorf("%d slots, %v %v", len(r), r[id(0)].State, r[id(1)].State)
		}
		g := grant()
		g.Slot = id(2)
		p.Start(g)
		close(hanging)
		for i := range slots {
			p.Stop(id(i), cluster.ErrLeaseLost, time.Second)
		}
		select {
		case <-p.Idle():
		case <-time.After(time.Second):
			t.Errorf("%d slots have not stopped", len(p.Reports()))
		}
		if p.Leased() {
			t.Error("a slot is still counted")
		}
		close(free)
		p.Flush(time.Minute)
		if got := emitted.String(); strings.Count(got, "started") < slots+1 || strings.Count(got, "stopped") != slots+1 {
			t.Errorf("%d starts and %d stops were emitted", strings.Count(got, "started"), strings.Count(got, "stopped"))
		}
	})
}

// A pool counts the slots that need a lease, as tasks change.
func TestLeased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := newPool(func(ctx context.Context, _ *worker.Run) error { <-ctx.Done(); return nil })
		stop := grant()
		goOn := stop.Spec
		goOn.WhenDisconnected = cluster.WhenDisconnectedContinue
		is := func(want bool) {
			t.Helper()
			if p.Leased() != want {
				t.Errorf("leased: %v", p.Leased())
			}
		}
		is(false)
		p.Start(stop)
		is(true)
		p.Update(slot, goOn)
		is(false)
		p.Update(slot, stop.Spec)
		is(true)
		p.Stop(slot, cluster.ErrReleased, time.Second)
		<-p.Idle()
		is(false)
	})
}

// lookingLog is a user's handler that looks at the pool when attributes are added.
type lookingLog struct {
	slog.Handler
	look func()
}

func (h lookingLog) WithAttrs([]slog.Attr) slog.Handler {
	h.look()
	return h
}

// The user's handler is not called with the pool's lock held: also not for the attributes of a worker's logger.
func TestHandlerMayLookAtThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *worker.Pool
		looked := 0
		p = worker.NewPool(worker.Config{
			Works: map[string]worker.Func{"work": func(ctx context.Context, _ *worker.Run) error {
				<-ctx.Done()
				return nil
			}},
			Valid: func() bool { return true },
			Log: slog.New(lookingLog{slog.DiscardHandler, func() {
				if p != nil {
					looked += 1 + len(p.Reports())
				}
			}}),
			Emit: func(cluster.Event) {},
		})
		g := grant()
		p.Start(g)
		p.Stop(g.Slot, cluster.ErrLeaving, 0)
		<-p.Idle()
		if looked == 0 {
			t.Error("the handler was not asked for the attributes of a worker's logger")
		}
	})
}
