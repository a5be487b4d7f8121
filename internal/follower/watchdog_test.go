package follower

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// pausedSession is a session of three seconds whose clock jumps when the process is paused, and that is never renewed.
type pausedSession struct {
	coord.Session
	began time.Time

	mu   sync.Mutex
	jump time.Duration
}

func (s *pausedSession) Info() coord.Info { return coord.Info{Timeout: 3 * time.Second} }

func (s *pausedSession) Done() <-chan struct{} { return nil }

func (s *pausedSession) Now() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.began) + s.jump
}

func (s *pausedSession) pause(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jump += d
}

// slowWorkers is a worker that stops a time after it was asked to.
type slowWorkers struct {
	takes time.Duration

	mu      sync.Mutex
	reports map[cluster.Slot]cluster.Report
	asked   bool
}

func (w *slowWorkers) Start(cluster.Grant) {}

func (w *slowWorkers) Update(cluster.Slot, cluster.TaskSpec) {}

func (w *slowWorkers) Changed() <-chan struct{} { return nil }

func (w *slowWorkers) Idle() <-chan struct{} { return nil }

func (w *slowWorkers) Reports() map[cluster.Slot]cluster.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.reports)
}

func (w *slowWorkers) Stop(slot cluster.Slot, _ error, _ time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked {
		return
	}
	w.asked = true
	time.AfterFunc(w.takes, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.reports, slot)
	})
}

// The workers of a process that wakes from a pause behind its hard stop get the time to stop, also if it was paused a second time
// just after it had woken before the hard stop; but not for ever.
func TestPausesAroundTheHardStop(t *testing.T) {
	hard := 2700 * time.Millisecond // of a session of three seconds
	for _, c := range []struct {
		name   string
		pauses []time.Duration // the first 1 ms before the lease is checked, each other one 50 ms after the one before
		takes  time.Duration
		stuck  bool
	}{
		{"one, beyond it", []time.Duration{hard}, 100 * time.Millisecond, false},
		{"one, to just before it, then another", []time.Duration{hard - 255*time.Millisecond, 2800 * time.Millisecond}, 100 * time.Millisecond, false},
		{"two beyond it", []time.Duration{hard, 2800 * time.Millisecond}, 100 * time.Millisecond, false},
		{"none", nil, time.Second, true},
		{"a worker that does not stop", []time.Duration{hard - 255*time.Millisecond, 2800 * time.Millisecond}, time.Hour, true},
		{"one after another", slices.Repeat([]time.Duration{hard}, 100), time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				session := &pausedSession{began: time.Now()}
				workers := &slowWorkers{takes: c.takes, reports: map[cluster.Slot]cluster.Report{{Task: "a"}: {}}}
				ctx, end := context.WithCancel(t.Context())
				var ran time.Duration
				ended := make(chan error, 1)
				go func() {
					err := LeaseWatchdog(ctx, membership.NewLease(session), workers, func(cluster.Event) {})
					ran = time.Since(session.began)
					ended <- err
				}()
				time.Sleep(leaseCheckInterval - time.Millisecond)
				for _, d := range c.pauses {
					session.pause(d)
					time.Sleep(50 * time.Millisecond)
				}
				time.Sleep(5 * time.Second)
				end()
				if err := <-ended; errors.Is(err, ErrStuck) != c.stuck {
					t.Errorf("the watchdog returned %v; stuck: %t", err, c.stuck)
				}
				if most := hard + 500*time.Millisecond; c.stuck && ran > most {
					t.Errorf("the watchdog has run for %v; %v are enough", ran, most)
				}
			})
		})
	}
}
