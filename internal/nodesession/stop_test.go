package nodesession

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// agedSession is a session with a timeout of 20 s, some time after its base.
type agedSession struct {
	coord.Session
	age time.Duration
}

func (s agedSession) Info() coord.Info {
	return coord.Info{Timeout: 20 * time.Second, Spacing: time.Second}
}
func (s agedSession) Now() time.Duration    { return s.age }
func (s agedSession) Done() <-chan struct{} { return nil }

// endlessReport is a log in which the report of a worker that does not stop takes for ever.
type endlessReport struct{ free chan struct{} }

func (h endlessReport) Enabled(context.Context, slog.Level) bool { return true }
func (h endlessReport) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h endlessReport) WithGroup(string) slog.Handler            { return h }

func (h endlessReport) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "worker does not stop" {
		<-h.free
	}
	return nil
}

// However long the report of the workers that do not stop takes, the process is asked to end before the hard stop is over: a second
// later while the lease holds, and a tenth of one when it lapses.
func TestAbandonDoesNotWaitForItsReport(t *testing.T) {
	for name, c := range map[string]struct {
		age, most time.Duration
	}{
		"while the lease holds":   {time.Second, time.Second},
		"at the end of the lease": {19 * time.Second, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				report, stuck := endlessReport{make(chan struct{})}, make(chan struct{})
				pool := worker.NewPool(worker.Config{
					Works: map[string]worker.Func{"work": func(context.Context, *worker.Run) error { <-stuck; return nil }},
					Valid: func() bool { return true },
					Log:   slog.New(slog.DiscardHandler),
					Emit:  func(cluster.Event) {},
				})
				pool.Start(cluster.Grant{Slot: cluster.Slot{Task: "a"}, Token: 1, Spec: cluster.TaskSpec{Name: "a", WorkName: "work", WorkerNum: 1}})
				synctest.Wait()
				pool.Stop(cluster.Slot{Task: "a"}, cluster.ErrLeaseLost, time.Hour) // the watchdog has asked it
				var flushed time.Duration
				s := &nodeSession{
					cfg:   &Config{Log: slog.New(report), Flush: func(limit time.Duration) { flushed = limit }},
					lease: membership.NewLease(agedSession{age: c.age}),
				}
				began := time.Now()
				if err := s.abandon(pool, ErrStuck); !errors.Is(err, ErrStuck) {
					t.Errorf("the node ends with %v", err)
				}
				if took := time.Since(began); took != c.most || flushed != c.most {
					t.Errorf("asked to end after %v, with a flush of %v at most; want %v", took, flushed, c.most)
				}
				close(report.free)
				close(stuck)
				<-pool.Idle()
			})
		})
	}
}
