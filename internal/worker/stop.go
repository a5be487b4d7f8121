package worker

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Stop asks a slot to stop. If it has not done so within the time given, it is reported as
// stuck until it has. Asked again, the shorter time counts.
func (p *Pool) Stop(id cluster.Slot, cause error, within time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[id]; s != nil {
		p.ask(s, cause, within)
	}
}

// ask asks a slot to stop. The lock is held.
func (p *Pool) ask(s *slot, cause error, within time.Duration) {
	deadline := time.Now().Add(within)
	switch {
	case s.overdue == nil:
		s.cause = cause
		s.set(cluster.WorkerStopping)
		s.overdue = time.AfterFunc(within, func() { p.stuck(s) })
		if s.stop == nil || !s.executing {
			s.cancel(cause)
		} else {
			s.askNicely(within)
		}
		if s.executing { // else the slot runs nothing: it has ended, or is between two executions
			s.asking.Go(
				func() { s.own.Info("asked to stop", "cause", cause, "atMost", within.Round(time.Millisecond)) },
			) // no stop waits for a log; its end does
		}
		p.poke()
	case deadline.Before(s.deadline):
		s.overdue.Reset(within)
		if s.hard != nil {
			s.hard.Reset(soft(within))
		}
	default:
		return
	}
	s.deadline = deadline
}

// Close cancels the contexts of all slots, and none starts from then on. It does not wait for them: those
// that have not stopped after a second are stuck.
func (p *Pool) Close(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, s := range p.slots {
		p.ask(s, cause, time.Second)
		s.cancel(s.cause)
	}
}

// soft is the part of the time to stop in which a work may stop by its own stop function.
func soft(within time.Duration) time.Duration { return within * 3 / 4 }

// askNicely lets the work stop by its own stop function, for the greater part of its time.
func (s *slot) askNicely(within time.Duration) {
	s.hard = time.AfterFunc(soft(within), func() { s.cancel(s.cause) })
	s.asking.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				s.panicked("stop", v)
				s.cancel(s.cause)
			}
		}()
		s.stop(s.ctx, s.run)
	})
}

// stuck marks a slot that should have stopped by now.
func (p *Pool) stuck(s *slot) {
	cause := context.Cause(s.ctx)
	if cause == nil {
		cause = fmt.Errorf("it has run for longer than %v", s.run.spec.Load().Timeout)
	}
	if !p.markStuck(s, cause) {
		return
	}
	s.run.Log.Error("worker does not stop; it is not granted elsewhere while this node lives", "cause", cause)
}

// markStuck marks a slot as stuck. It reports false if the slot was stuck already, or is gone.
func (p *Pool) markStuck(s *slot, cause error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots[s.report.Slot] != s || s.report.State == cluster.WorkerStuck {
		return false
	}
	s.set(cluster.WorkerStuck)
	p.emit(cluster.WorkerGotStuck, s, cause.Error())
	p.poke()
	return true
}
