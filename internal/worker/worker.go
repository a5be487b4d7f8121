// Package worker runs the slots of a node: it starts them, runs them again when they return,
// and stops them.
//
// # The model
//
// Each slot is one goroutine that executes its work again and again:
//
//	Start ─▶ running ──(nil)──▶ running, after the task's interval …
//	            │ error, panic
//	            ▼
//	         backoff ──▶ running …              Stop ─▶ stopping ─▶ (returned) gone
//	                                                        └─(too slow)─▶ stuck ─▶ gone
//
// The slot of a run is executed until it has succeeded, or failed too often. It has ended then, and is
// reported as that until it is stopped, so that its end can be noted.
//
// Stopping is asking: the work's context is cancelled, and the work decides how to end. One
// that does not is reported as stuck; a goroutine cannot be killed. A slot is reported until
// its goroutine has left, so what is not reported does not run.
package worker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

// Func is a work: it is executed with a context that is cancelled when it should stop.
type Func func(ctx context.Context, run *Run) error

// StopFunc is a work's own way to stop: it asks an execution that is under way to end. Its context ends
// when that execution's is cancelled, which is before its time is over.
type StopFunc func(ctx context.Context, run *Run)

// Run is what a work is told of its slot. Its methods may be called from any goroutine.
type Run struct {
	Slot  cluster.Slot
	Token int64
	Log   *slog.Logger
	spec  atomic.Pointer[cluster.TaskSpec]
	valid func() bool
	notes Checkpoints
	stop  func() (at time.Time, asked bool)

	stdout, stderr *output
}

// Checkpoints keeps what workers note of how far they are.
type Checkpoints interface {
	Save(ctx context.Context, slot cluster.Slot, token int64, data []byte) error
	Last(ctx context.Context, slot cluster.Slot) ([]byte, error)
}

// Count returns how many workers the task has at present.
func (r *Run) Count() int { return r.spec.Load().WorkerNum }

// Continues tells whether the task lets its workers run on while the node cannot prove its lease.
func (r *Run) Continues() bool { return r.spec.Load().Continues() }

// Params returns what the task's workers are told at present.
func (r *Run) Params() cluster.Params { return r.spec.Load().Params }

// Checkpoint notes how far the worker is.
func (r *Run) Checkpoint(ctx context.Context, data []byte) error {
	return r.notes.Save(ctx, r.Slot, r.Token, data)
}

// LastCheckpoint returns what was noted last of the slot, by whomever; nil if nothing was.
func (r *Run) LastCheckpoint(ctx context.Context) ([]byte, error) { return r.notes.Last(ctx, r.Slot) }

// StopBy tells by when the worker has to have stopped, once it was asked to. The time may be cut short.
func (r *Run) StopBy() (at time.Time, asked bool) { return r.stop() }

// Stdout and Stderr are written to the worker's log, line by line. They neither fail nor block.
func (r *Run) Stdout() io.Writer { return r.stdout }

// Stderr is Stdout for what went wrong.
func (r *Run) Stderr() io.Writer { return r.stderr }

// Valid tells whether the node's lease holds right now.
func (r *Run) Valid() bool { return r.valid() }

// Config is what a pool needs.
type Config struct {
	Works map[string]Func     // by name, as cluster.WorkName gives it
	Stops map[string]StopFunc // by name, of works that have one
	Valid func() bool         // the lease
	Notes Checkpoints         // nil only if no work uses them
	Logs  *Logs               // what workers write; nil for a new one
	Log   *slog.Logger
	Emit  func(cluster.Event)
}

// The back-off after failures: doubled each time, with jitter, and forgotten after an execution
// that lasted.
const (
	backoffMin   = 500 * time.Millisecond
	backoffMax   = time.Minute
	backoffReset = time.Minute
	maxError     = 1 << 10 // bytes of an error that are kept
)

// Pool is the slots of one member. Its methods may be called from any goroutine and do not
// block.
type Pool struct {
	cfg     Config
	changed chan struct{}

	mu    sync.Mutex
	slots map[cluster.Slot]*slot
	idle  chan struct{} // closed while there are none
}

// NewPool returns a pool in which nothing runs.
func NewPool(cfg Config) *Pool {
	if cfg.Logs == nil {
		cfg.Logs = NewLogs(0)
	}
	p := &Pool{cfg: cfg, changed: make(chan struct{}, 1), slots: map[cluster.Slot]*slot{}, idle: make(chan struct{})}
	close(p.idle)
	return p
}

// slot is a worker. Its fields below mu are guarded by the pool's lock.
type slot struct {
	run    *Run
	ofRun  bool // it is to run to its end
	work   Func
	stop   StopFunc // nil if the work has none
	ctx    context.Context
	cancel context.CancelCauseFunc
	asking sync.WaitGroup // the call of stop

	report    cluster.Report
	again     chan struct{} // closed when a slot that has failed is to be tried again
	executing bool
	began     time.Time   // of the execution
	cause     error       // why it was asked to stop, nil if it was not
	deadline  time.Time   // when it becomes stuck
	overdue   *time.Timer // fires then
	hard      *time.Timer // fires when its context is cancelled although it has a way of its own to stop
}

// Start starts a slot. Starting one that runs is a bug of the caller and does nothing.
func (p *Pool) Start(g cluster.Grant) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slots[g.Slot] != nil {
		p.cfg.Log.Error("slot is running already", "slot", g.Slot)
		return
	}
	node, tail := p.cfg.Log.With("slot", g.Slot.String(), "token", g.Token), p.cfg.Logs.open(g.Slot)
	run := &Run{
		Slot:   g.Slot,
		Token:  g.Token,
		Log:    tail.logger(node, g.Token),
		valid:  p.cfg.Valid,
		notes:  p.cfg.Notes,
		stdout: tail.output(node, g.Token, cluster.FromStdout),
		stderr: tail.output(node, g.Token, cluster.FromStderr),
	}
	run.spec.Store(&g.Spec)
	name := cluster.WorkName(g.Spec.WorkName)
	_, ofRun := cluster.SplitRun(g.Slot.Task)
	s := &slot{run: run, ofRun: ofRun != "", again: make(chan struct{}), work: p.cfg.Works[name], stop: p.cfg.Stops[name]}
	run.stop = func() (time.Time, bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if limit := time.Duration(g.Spec.Timeout); s.ofRun && limit != 0 && s.executing && s.overdue == nil {
			return s.began.Add(limit + g.Spec.Grace()), time.Since(s.began) >= limit
		}
		return s.deadline, s.overdue != nil
	}
	if s.work == nil {
		s.work = func(context.Context, *Run) error {
			return fmt.Errorf("work %q is not registered on this node", g.Spec.WorkName)
		}
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.report = cluster.Report{Slot: g.Slot, Token: g.Token, State: cluster.WorkerStarting, Since: time.Now(), Grace: g.Spec.Grace(), Continues: g.Spec.Continues()}
	if len(p.slots) == 0 {
		p.idle = make(chan struct{})
	}
	p.slots[g.Slot] = s
	go p.loop(s)
	p.poke()
}

// Update gives a running slot the present spec of its task.
func (p *Pool) Update(id cluster.Slot, spec cluster.TaskSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[id]; s != nil && *s.run.spec.Load() != spec {
		s.run.spec.Store(&spec)
		s.report.Grace, s.report.Continues = spec.Grace(), spec.Continues()
		if s.report.State == cluster.WorkerGivenUp && !s.ofRun {
			close(s.again)
			s.again = make(chan struct{})
		}
	}
}

// Stop asks a slot to stop. If it has not done so within the time given, it is reported as
// stuck until it has. Asked again, the shorter time counts.
func (p *Pool) Stop(id cluster.Slot, cause error, within time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.slots[id]
	if s == nil {
		return
	}
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

// soft is the part of the time to stop in which a work may stop in its own way.
func soft(within time.Duration) time.Duration { return within * 3 / 4 }

// askNicely lets the work stop in its own way, for the greater part of its time.
func (s *slot) askNicely(within time.Duration) {
	s.hard = time.AfterFunc(soft(within), func() { s.cancel(s.cause) })
	s.asking.Go(func() {
		defer func() {
			if v := recover(); v != nil {
				s.run.Log.Error("the work's stop panicked", "panic", v, "stack", string(debug.Stack()))
				s.cancel(s.cause)
			}
		}()
		s.stop(s.ctx, s.run)
	})
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

// stuck marks a slot that should have stopped by now.
func (p *Pool) stuck(s *slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := s.report.Slot
	if p.slots[id] != s || s.report.State == cluster.WorkerStuck {
		return
	}
	s.set(cluster.WorkerStuck)
	cause := context.Cause(s.ctx)
	if cause == nil {
		cause = fmt.Errorf("it has run for longer than %v", s.run.spec.Load().Timeout)
	}
	s.run.Log.Error("worker does not stop; it is not granted elsewhere while this node lives", "cause", cause)
	p.emit(cluster.WorkerGotStuck, s, cause.Error())
	p.poke()
}

// Reports tells of every slot that runs or may still run.
func (p *Pool) Reports() map[cluster.Slot]cluster.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	reports := make(map[cluster.Slot]cluster.Report, len(p.slots))
	for id, s := range p.slots {
		reports[id] = s.report
	}
	return reports
}

// Idle returns a channel that is closed once nothing of what runs now is left.
func (p *Pool) Idle() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.idle
}

// Changed receives when Reports has changed.
func (p *Pool) Changed() <-chan struct{} { return p.changed }

func (p *Pool) poke() {
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *Pool) emit(kind cluster.EventKind, s *slot, detail string) {
	p.cfg.Emit(cluster.Event{Kind: kind, Slot: &s.run.Slot, Token: s.run.Token, Detail: detail})
}

func (s *slot) set(state cluster.WorkerState) {
	s.report.State, s.report.Since = state, time.Now()
}

// become moves a slot that was not asked to stop to a state.
func (p *Pool) become(s *slot, state cluster.WorkerState, failure error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if failure != nil {
		s.report.Restarts++
		s.report.Error = clip(failure.Error())
	}
	if s.overdue == nil {
		s.set(state)
	}
	p.poke()
}

// loop is the goroutine of a slot.
func (p *Pool) loop(s *slot) {
	defer p.leave(s)
	delay, inRow := time.Duration(0), 0
	for s.ctx.Err() == nil {
		p.become(s, cluster.WorkerRunning, nil)
		p.emit(cluster.WorkerStarted, s, "")
		began := time.Now()
		spec := s.run.spec.Load()
		err := p.untilError(s)
		if s.ctx.Err() != nil {
			return // what it returned after it was asked to stop says nothing
		}
		if err == nil {
			p.end(s, cluster.WorkerDone, nil)
			return
		}
		if time.Since(began) >= backoffReset {
			delay, inRow = 0, 0
		}
		inRow++
		if most := attempts(spec, s.ofRun); inRow == most {
			p.end(s, cluster.WorkerGivenUp, err)
			delay, inRow = 0, 0
			continue
		}
		first, most := backoff(spec.Restart)
		delay = min(max(2*delay, first), most)
		wait := delay*3/4 + jitter.Of(delay/2, s.run.Slot, s.run.Token, began)
		p.failedInRow(s, inRow)
		p.become(s, cluster.WorkerBackoff, err)
		s.run.Log.Warn("worker failed", "error", err, "again", wait.Round(time.Millisecond))
		p.emit(cluster.WorkerFailed, s, clip(err.Error()))
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
func (p *Pool) end(s *slot, state cluster.WorkerState, failure error) {
	if failure != nil {
		s.run.Log.Error("worker has failed for good", "error", failure)
		p.emit(cluster.WorkerFailed, s, clip(failure.Error()))
	}
	p.mu.Lock()
	if failure != nil {
		s.report.Restarts++
		s.report.Error = clip(failure.Error())
	}
	s.report.Ended = s.ofRun
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
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, timer := range []*time.Timer{s.overdue, s.hard} {
		if timer != nil {
			timer.Stop()
		}
	}
	s.cancel(errors.New("worker has ended"))
	delete(p.slots, s.report.Slot)
	s.run.stdout.end()
	s.run.stderr.end()
	p.cfg.Logs.close(s.report.Slot)
	if len(p.slots) == 0 {
		close(p.idle)
	}
	p.emit(cluster.WorkerStopped, s, context.Cause(s.ctx).Error())
	p.poke()
}

const slotLabel = "xconsumer-slot"

// Stack returns the stacks of the goroutines that work for a slot.
func Stack(id cluster.Slot) string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return ""
	}
	mark := fmt.Sprintf("%q:%q", slotLabel, id.String())
	var own []string
	for block := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(block, mark) {
			own = append(own, block)
		}
	}
	return strings.Join(own, "\n\n")
}

// clip bounds an error text without cutting a character.
func clip(text string) string {
	text = strings.ToValidUTF8(text, "�")
	if len(text) <= maxError {
		return text
	}
	cut := maxError - len("…")
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
