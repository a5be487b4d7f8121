package worker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
)

// loop is the goroutine of a slot.
func (p *Pool) loop(s *slot) {
	defer p.leave(s)
	inRow := 0
	for s.ctx.Err() == nil {
		p.become(s, cluster.WorkerRunning, "")
		p.emit(cluster.WorkerStarted, s, "")
		began := time.Now()
		spec := s.run.spec.Load()
		err := p.untilError(s)
		if s.ctx.Err() != nil {
			p.killed(s, err) // other results after it was asked to stop mean nothing
			return
		}
		if err == nil {
			p.end(s, cluster.WorkerDone, "")
			return
		}
		failure := clip(cmp.Or(err.Error(), "failed without an error text"))
		again := restartPolicy(spec.Restart)
		inRow = again.Failed(inRow, time.Since(began))
		if most := attempts(spec, s.ofRun); inRow == most {
			if s.ofRun && most > 1 { // the run's record has no other place for it
				failure = clip(fmt.Sprintf("after %d attempts: %s", most, failure))
			}
			p.end(s, cluster.WorkerGivenUp, failure)
			inRow = 0
			continue
		}
		wait := again.Pause(inRow, s.run.Slot, s.run.Token, began)
		p.failedInRow(s, inRow)
		p.become(s, cluster.WorkerBackoff, failure)
		s.run.Log.Warn("worker failed", "error", err, "retryIn", wait.Round(time.Millisecond))
		p.emit(cluster.WorkerFailed, s, failure)
		_ = backoff.Sleep(s.ctx, wait) // the loop checks its end next
	}
}

// killed logs and records that a program had to be killed, since it did not end when it was asked to.
func (p *Pool) killed(s *slot, err error) {
	if !errors.Is(err, cluster.ErrKilled) {
		return
	}
	s.run.Log.Warn("worker did not stop by itself and was killed", "error", err, "stopTimeout", s.run.spec.Load().StopTimeoutOrDefault())
	p.mu.Lock()
	defer p.mu.Unlock()
	s.how = err.Error()
}

// failedInRow records how often a slot has failed since it last ran well.
func (p *Pool) failedInRow(s *slot, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.report.InRow = n
}

// attempts returns after how many failures in a row a slot has failed permanently; 0 for never.
func attempts(spec *cluster.TaskSpec, ofRun bool) int {
	if !ofRun {
		return spec.Restart.Max
	}
	return cmp.Or(spec.MaxAttempts, cluster.DefaultMaxAttempts)
}

// restartPolicy returns the pauses between failures of a work and its next execution.
func restartPolicy(r cluster.Restart) backoff.Policy {
	return backoff.Policy{
		First:  cmp.Or(time.Duration(r.Backoff), backoffMin),
		Max:    cmp.Or(time.Duration(r.MaxBackoff), backoffMax),
		Jitter: backoffJitter,
		Steady: backoffReset,
	}
}

// end reports that a slot is no longer executed, and waits until it is stopped or is to be tried again.
func (p *Pool) end(s *slot, state cluster.WorkerState, failure string) {
	if failure != "" {
		s.run.Log.Error("worker has failed permanently", "error", failure)
		p.emit(cluster.WorkerFailed, s, cluster.FailedForGood(failure))
	}
	p.mu.Lock()
	s.failed(failure)
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
			began := time.Now()
			settled := p.settles(s, began)
			err = p.limited(ctx, s)
			settled()
			goes := p.execution(s, false)
			if s.ofRun {
				return
			}
			if goes && err == nil {
				p.pauseBetweenRuns(s, began)
			}
		}
	})
	return err
}

// limited executes the work, at most for as long as one execution may take.
func (p *Pool) limited(ctx context.Context, s *slot) error {
	limit := time.Duration(s.run.spec.Load().Timeout)
	if !s.ofRun || limit == 0 {
		return execute(ctx, s)
	}
	cause := fmt.Errorf("it has run for %v: %w", limit, context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, cause)
	defer cancel()
	late := time.AfterFunc(limit+s.run.spec.Load().StopTimeoutOrDefault(), func() { p.stuck(s) })
	defer late.Stop()
	err := execute(ctx, s)
	if context.Cause(ctx) == cause { //nolint:errorlint // exactly this one
		if errors.Is(err, cluster.ErrKilled) {
			return fmt.Errorf("%w; %w", cause, err)
		}
		err = cause
	}
	return err
}

// atOnce is the duration below which an execution that returns without an error is followed by a pause, if the task has no
// interval: a work that does nothing must not be executed as fast as the machine can. The pauses grow to atOnceMost, which
// bounds how long items that arrive meanwhile must wait.
const (
	atOnce     = time.Second
	atOnceMost = 10 * time.Second
)

// afterAtOnce are those pauses; their jitter does not make them longer than atOnceMost.
var afterAtOnce = backoff.Policy{First: backoffMin, Max: atOnceMost, Jitter: backoffJitter}

// pauseBetweenRuns waits between two executions: for the interval of the task or, without one, for a time that grows as
// long as the work returns at once. The slot counts as running: a state that changes every few seconds does not belong in
// the status.
func (p *Pool) pauseBetweenRuns(s *slot, began time.Time) {
	spec := s.run.spec.Load()
	wait := time.Duration(spec.Interval)
	switch {
	case wait > 0 || time.Since(began) >= atOnce:
		s.atOnce = 0
		p.returns(s, "")
	default:
		s.atOnce++
		wait = min(afterAtOnce.Pause(s.atOnce, s.run.Slot, s.run.Token, began), atOnceMost)
		p.returns(s, cluster.ReturnsAtOnce)
		if !s.warned {
			s.warned = true
			s.run.Log.Warn(
				"worker returns at once, without an error; the pause before it is run again grows",
				"ran",
				time.Since(began).Round(time.Microsecond),
				"retryIn",
				wait.Round(time.Millisecond),
				"atMost",
				atOnceMost,
				"fix",
				"have it run until it is asked to stop, or set the task's interval",
			)
		}
	}
	if wait > 0 {
		_ = backoff.Sleep(s.ctx, wait) // the loop checks its end next
	}
}

// settles clears the report that a work returns at once as soon as an execution has lasted for atOnce. The caller calls
// over when the execution has ended.
func (p *Pool) settles(s *slot, began time.Time) (over func()) {
	if s.atOnce == 0 {
		return func() {}
	}
	lasts := time.AfterFunc(atOnce-time.Since(began), func() { p.returns(s, "") })
	return func() { lasts.Stop() }
}

// returns records that a work returns at once, or with "" that it does not.
func (p *Pool) returns(s *slot, at string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := cmp.Or(at, s.failure); s.report.Error != text {
		s.report.Error = text
		p.poke()
	}
}

// execution records that an execution of the work begins or has ended, and reports whether the work may be executed.
func (p *Pool) execution(s *slot, begins bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if begins {
		s.began = time.Now()
	}
	s.executing = begins
	if s.cause != nil && !begins {
		s.cancel(s.cause) // it has returned; the work is not executed again
	}
	return s.cause == nil
}

// execute runs the work once; a panic is an error.
func execute(ctx context.Context, s *slot) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.panicked("run", v)
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return s.work(ctx, s.run)
}

// panicked logs a panic whose deferred function calls it, and its stack line by line, as the program itself would have
// written it: in one line it is unreadable.
func (s *slot) panicked(what string, v any) {
	s.run.Log.Error("worker panicked", "during", what, "panic", v)
	_, _ = s.run.stderr.Write(panicStack(debug.Stack()))
}

// panicStack removes from a stack the frames above the panic, which show how it was caught.
func panicStack(stack []byte) []byte {
	head, _, _ := bytes.Cut(stack, []byte("\n"))
	_, below, found := bytes.Cut(stack, []byte("\npanic("))
	for range 2 { // the rest of that line, and the line with its position
		_, below, _ = bytes.Cut(below, []byte("\n"))
	}
	if !found || len(below) == 0 {
		return stack
	}
	return slices.Concat(head, []byte("\n"), below)
}

// leave removes a slot whose goroutine is about to end: its work has returned.
func (p *Pool) leave(s *slot) {
	_ = p.execution(s, false) // the work may have called runtime.Goexit
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
	detail := context.Cause(s.ctx).Error()
	if s.how != "" {
		detail += "; " + s.how
	}
	p.emit(cluster.WorkerStopped, s, detail)
	if len(p.slots) == 0 {
		close(p.idle) // last: callers that have waited for it may flush the events
	}
	p.poke()
}
