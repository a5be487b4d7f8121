package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

// loop is the goroutine of a slot.
func (p *Pool) loop(s *slot) {
	defer p.leave(s)
	delay, inRow := time.Duration(0), 0
	for s.ctx.Err() == nil {
		p.become(s, cluster.WorkerRunning, "")
		p.emit(cluster.WorkerStarted, s, "")
		began := time.Now()
		spec := s.run.spec.Load()
		err := p.untilError(s)
		if s.ctx.Err() != nil {
			return // what it returned after it was asked to stop says nothing
		}
		if err == nil {
			p.end(s, cluster.WorkerDone, "")
			return
		}
		failure := clip(cmp.Or(err.Error(), "failed without a word"))
		if time.Since(began) >= backoffReset {
			delay, inRow = 0, 0
		}
		inRow++
		if most := attempts(spec, s.ofRun); inRow == most {
			p.end(s, cluster.WorkerGivenUp, failure)
			delay, inRow = 0, 0
			continue
		}
		first, most := backoff(spec.Restart)
		delay = min(max(2*delay, first), most)
		wait := delay*3/4 + jitter.Of(delay/2, s.run.Slot, s.run.Token, began)
		p.failedInRow(s, inRow)
		p.become(s, cluster.WorkerBackoff, failure)
		s.run.Log.Warn("worker failed", "error", err, "again", wait.Round(time.Millisecond))
		p.emit(cluster.WorkerFailed, s, failure)
		select {
		case <-s.ctx.Done():
		case <-time.After(wait):
		}
	}
}

// failedInRow notes how often a slot has failed since it last ran well.
func (p *Pool) failedInRow(s *slot, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.report.InRow = n
}

// attempts returns after how many failures in a row a slot has failed, 0 for never.
func attempts(spec *cluster.TaskSpec, ofRun bool) int {
	if !ofRun {
		return spec.Restart.Max
	}
	return cmp.Or(spec.MaxAttempts, cluster.DefaultMaxAttempts)
}

// backoff returns the least and the longest pause after a failure.
func backoff(r cluster.Restart) (first, most time.Duration) {
	first = cmp.Or(time.Duration(r.Backoff), backoffMin)
	return first, max(first, cmp.Or(time.Duration(r.MaxBackoff), backoffMax))
}

// end reports that a slot is executed no more, until it is stopped or its task is another one.
func (p *Pool) end(s *slot, state cluster.WorkerState, failure string) {
	if failure != "" {
		s.run.Log.Error("worker has failed for good", "error", failure)
		p.emit(cluster.WorkerFailed, s, failure)
	}
	p.mu.Lock()
	if failure != "" {
		s.report.Restarts++
		s.report.Error = failure
	}
	p.count(&s.report, -1)
	s.report.Ended = s.ofRun
	p.count(&s.report, 1)
	s.set(state)
	p.poke()
	again := s.again
	p.mu.Unlock()
	select {
	case <-s.ctx.Done():
	case <-again:
	}
}

// untilError executes the work again and again while it returns nil; that of a run once.
func (p *Pool) untilError(s *slot) (err error) {
	labels := pprof.Labels(slotLabel, s.run.Slot.String())
	pprof.Do(s.ctx, labels, func(ctx context.Context) {
		for err == nil && p.execution(s, true) {
			err = p.limited(ctx, s)
			goes := p.execution(s, false)
			if s.ofRun {
				return
			}
			if goes && err == nil {
				p.pause(s)
			}
		}
	})
	return err
}

// limited executes the work for as long as one execution may take.
func (p *Pool) limited(ctx context.Context, s *slot) error {
	limit := time.Duration(s.run.spec.Load().Timeout)
	if !s.ofRun || limit == 0 {
		return execute(ctx, s)
	}
	cause := fmt.Errorf("it has run for %v: %w", limit, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	defer cancel()
	late := time.AfterFunc(limit+s.run.spec.Load().Grace(), func() { p.stuck(s) })
	defer late.Stop()
	err := execute(ctx, s)
	if context.Cause(ctx) == cause { //nolint:errorlint // this very one
		err = cause
	}
	return err
}

// pause waits for as long as the task wants between two executions. The slot counts as running: what
// changes every few seconds is no state to tell the cluster.
func (p *Pool) pause(s *slot) {
	if interval := time.Duration(s.run.spec.Load().Interval); interval > 0 {
		select {
		case <-s.ctx.Done():
		case <-time.After(interval):
		}
	}
}

// execution notes that the work is executed now, or is not any more, and tells whether it may be.
func (p *Pool) execution(s *slot, begins bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if begins {
		s.began = time.Now()
	}
	if s.executing = begins; s.cause != nil && !begins {
		s.cancel(s.cause) // it has returned; nothing more is to be executed
	}
	return s.cause == nil
}

// execute runs the work once; a panic is an error.
func execute(ctx context.Context, s *slot) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.run.Log.Error("worker panicked", "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return s.work(ctx, s.run)
}

// leave removes a slot whose goroutine is about to end: its work has returned.
func (p *Pool) leave(s *slot) {
	_ = p.execution(s, false) // it may have ended its goroutine
	s.asking.Wait()
	s.run.stdout.end()
	s.run.stderr.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, timer := range []*time.Timer{s.overdue, s.hard} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.cancel(errors.New("worker has ended"))
	delete(p.slots, s.report.Slot)
	p.count(&s.report, -1)
	p.cfg.Logs.close(s.report.Slot)
	if len(p.slots) == 0 {
		close(p.idle)
	}
	p.emit(cluster.WorkerStopped, s, context.Cause(s.ctx).Error())
	p.poke()
}
