// Package worker runs the slots of a node: it starts them, runs them again when they return,
// and stops them.
//
// # The model
//
// Each slot is one goroutine that executes its work again and again:
//
//	Start ─▶ running ──(nil)──▶ running, after the task's interval, or a pause if it returned at once …
//	            │ error, panic
//	            ▼
//	         backoff ──▶ running …              Stop ─▶ stopping ─▶ (returned) gone
//	                                                        └─(too slow)─▶ stuck ─▶ gone
//
// The slot of a run is executed until it has succeeded, or failed too often. It has ended then, and is reported as
// ended until it is stopped, so that its end can be recorded.
//
// To stop a slot is a request: the work's context is cancelled, and the work decides how to end. A work that does not
// end is reported as stuck; a goroutine cannot be killed. A slot is reported until its goroutine has ended, so a slot
// that is not reported does not run.
//
// Stopping a slot takes the pool's lock. So nothing is logged, emitted or called back while it is held: logs and
// listeners may block for ever without keeping a slot from being stopped.
package worker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/asynclog"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
)

// Func is a work: it is executed with a context that is cancelled when it should stop.
type Func func(ctx context.Context, run *Run) error

// StopFunc is a work's own stop function: it asks an execution that is under way to end. Its context ends when that
// execution's is cancelled, which is before its time is over.
type StopFunc func(ctx context.Context, run *Run)

// Config configures a pool.
type Config struct {
	Works map[string]Func     // by name, as cluster.WorkName gives it
	Stops map[string]StopFunc // by name, for works that have one
	Valid func() bool         // the lease
	Notes Checkpoints         // nil only if no work uses them
	Logs  *Logs               // the logs of workers; nil for new ones
	Log   *slog.Logger
	Emit  func(cluster.Event) // called by one goroutine, in order, and not waited for
}

// The back-off after failures: doubled each time, with jitter, and forgotten after an execution
// that lasted.
const (
	backoffMin    = 500 * time.Millisecond
	backoffMax    = time.Minute
	backoffReset  = time.Minute
	backoffJitter = 0.25
	maxError      = 1 << 10 // bytes of an error that are kept
)

// mostEvents is how many events may wait to be emitted; more are dropped.
const mostEvents = 1 << 17

// Pool is the slots of one member. Its methods may be called from any goroutine and do not
// block.
type Pool struct {
	cfg     Config
	changed chan struct{}
	events  *outbox.Outbox[cluster.Event]
	leased  atomic.Int64 // slots that need a lease; changed under the lock, read without

	mu     sync.Mutex
	slots  map[cluster.Slot]*slot
	idle   chan struct{} // closed while there are none
	closed bool          // no slot starts any longer
}

// NewPool returns a pool in which nothing runs.
func NewPool(cfg Config) *Pool {
	if cfg.Logs == nil {
		cfg.Logs = NewLogs(0)
	}
	cfg.Log, _ = asynclog.Logger(cfg.Log)
	p := &Pool{
		cfg:     cfg,
		changed: make(chan struct{}, 1),
		events:  outbox.New(mostEvents, cfg.Emit),
		slots:   map[cluster.Slot]*slot{},
		idle:    make(chan struct{}),
	}
	close(p.idle)
	return p
}

// slot is a worker. Its fields below mu are guarded by the pool's lock.
type slot struct {
	run    *Run
	own    *slog.Logger // writes to the worker's log alone
	ofRun  bool         // it is to run to its end
	work   Func
	stop   StopFunc // nil if the work has none
	ctx    context.Context
	cancel context.CancelCauseFunc
	asking sync.WaitGroup // the call of stop, and its log lines

	report    cluster.Report
	again     chan struct{} // closed when a slot that has failed is to be tried again
	executing bool
	began     time.Time   // of the execution
	cause     error       // why it was asked to stop, nil if it was not
	deadline  time.Time   // when it becomes stuck
	overdue   *time.Timer // fires then
	hard      *time.Timer // fires when its context is cancelled although it has a stop function
	failure   string      // the last one; the report may contain ReturnsAtOnce instead
	how       string      // how it ended, if it did not end by itself

	// of its goroutine
	atOnce int  // how often in a row it has returned at once
	warned bool // that it returns at once
}

// failed records a failure, "" for none. The lock is held.
func (s *slot) failed(failure string) {
	if failure != "" {
		s.report.Restarts++
		s.failure, s.report.Error = failure, failure
	}
}

// Start starts a slot, unless the pool is closed. Starting a slot that runs is a bug of the caller and does nothing.
func (p *Pool) Start(g cluster.Grant) {
	if !p.start(g) {
		p.cfg.Log.Error("slot is running already", "slot", g.Slot)
	}
}

// start reports false if the slot runs already.
func (p *Pool) start(g cluster.Grant) bool {
	log := p.cfg.Log.With("slot", g.Slot.String(), "token", g.Token)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return true
	}
	if p.slots[g.Slot] != nil {
		return false
	}
	s := p.newSlot(g, log)
	if len(p.slots) == 0 {
		p.idle = make(chan struct{})
	}
	p.slots[g.Slot] = s
	p.count(&s.report, 1)
	go p.loop(s)
	p.poke()
	return true
}

// newSlot returns a slot that does not run yet. The lock is held.
func (p *Pool) newSlot(g cluster.Grant, node *slog.Logger) *slot {
	tail := p.cfg.Logs.open(g.Slot)
	own := tail.own(g.Token)
	run := &Run{
		generation:  g.Generation,
		Slot:        g.Slot,
		Token:       g.Token,
		Count:       g.Count,
		Log:         logger(node, own),
		valid:       p.cfg.Valid,
		checkpoints: p.cfg.Notes,
		stdout:      tail.output(node, g.Token, cluster.FromStdout),
		stderr:      tail.output(node, g.Token, cluster.FromStderr),
	}
	run.spec.Store(&g.Spec)
	name := cluster.WorkName(g.Spec.WorkName)
	_, ofRun := cluster.SplitRun(g.Slot.Task)
	s := &slot{run: run, own: own, ofRun: ofRun != "", again: make(chan struct{}), work: p.cfg.Works[name], stop: p.cfg.Stops[name]}
	run.stop = func() (time.Time, bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if limit := time.Duration(g.Spec.Timeout); s.ofRun && limit != 0 && s.executing && s.overdue == nil {
			return s.began.Add(limit + g.Spec.StopTimeoutOrDefault()), time.Since(s.began) >= limit
		}
		return s.deadline, s.overdue != nil
	}
	if s.work == nil {
		s.work = func(context.Context, *Run) error {
			return fmt.Errorf("work %q is not registered on this node", g.Spec.WorkName)
		}
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.report = cluster.Report{
		Slot:         g.Slot,
		Token:        g.Token,
		WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStarting, Since: time.Now()},
		Spec:         &g.Spec,
	}
	return s
}

// Update gives a running slot the present spec of its task.
func (p *Pool) Update(id cluster.Slot, spec cluster.TaskSpec) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.slots[id]; s != nil && *s.run.spec.Load() != spec {
		s.run.spec.Store(&spec)
		p.count(&s.report, -1)
		s.report.Spec = &spec
		p.count(&s.report, 1)
		if s.report.State == cluster.WorkerGivenUp && !s.ofRun {
			close(s.again)
			s.again = make(chan struct{})
		}
	}
}

// Reports returns a report of every slot that runs or may still run.
func (p *Pool) Reports() map[cluster.Slot]cluster.Report {
	p.mu.Lock()
	defer p.mu.Unlock()
	reports := make(map[cluster.Slot]cluster.Report, len(p.slots))
	for id, s := range p.slots {
		reports[id] = s.report
	}
	return reports
}

// Leased reports whether a slot that needs a lease runs, or may still run. A slot that has ended needs none. It takes
// no lock.
func (p *Pool) Leased() bool { return p.leased.Load() > 0 }

// count counts a slot if it needs a lease.
func (p *Pool) count(r *cluster.Report, n int64) {
	if !r.Continues() && !r.Ended {
		p.leased.Add(n)
	}
}

// Idle returns a channel that is closed once all slots that run now have ended.
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

// emit has an event emitted, after all earlier ones. It does not wait for that, and may be called under the lock.
func (p *Pool) emit(kind cluster.EventKind, s *slot, detail string) {
	p.events.Put(cluster.Event{Kind: kind, Time: time.Now(), Slot: &s.run.Slot, Token: s.run.Token, Detail: detail}, 1)
}

// Flush waits until all earlier events are emitted, for the given time at most.
func (p *Pool) Flush(limit time.Duration) { p.events.Flush(limit) }

func (s *slot) set(state cluster.WorkerState) {
	s.report.State, s.report.Since = state, time.Now()
}

// become moves a slot that was not asked to stop to a state.
func (p *Pool) become(s *slot, state cluster.WorkerState, failure string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.failed(failure)
	if s.overdue == nil {
		s.set(state)
	}
	p.poke()
}

const slotLabel = "xconsumer-slot"

// Stack returns the stacks of the goroutines that work for a slot.
func Stack(id cluster.Slot) string { return Stacks()[id.String()] }

// Stacks returns the stacks of the goroutines that work for slots, by the slots' names. It looks at all goroutines of
// the process once, however many slots there are.
func Stacks() map[string]string {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		return nil
	}
	mark := fmt.Sprintf("%q:", slotLabel)
	stacks := map[string]string{}
	for block := range strings.SplitSeq(b.String(), "\n\n") {
		_, label, ok := strings.Cut(block, mark)
		if !ok {
			continue
		}
		name, err := strconv.QuotedPrefix(label)
		if err != nil {
			continue
		}
		name, err = strconv.Unquote(name)
		if err != nil {
			continue
		}
		if stacks[name] != "" {
			block = "\n\n" + block
		}
		stacks[name] += block
	}
	return stacks
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
