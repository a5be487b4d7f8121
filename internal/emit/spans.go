package emit

import (
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
)

// mostSpans is how many spans may wait for the tracer; more are dropped.
const mostSpans = 1 << 14

// Spans times how slots come to this node: from seeing that they are granted until they are claimed, and from then
// until their workers run. Its methods may be called from any goroutine and never wait for the tracer, except Flush.
type Spans struct {
	queue *outbox.Outbox[cluster.Span] // nil without a tracer

	mu      sync.Mutex
	granted map[grant]time.Time // seen, not claimed yet
	begun   map[grant]time.Time // claimed, not running yet
}

type grant struct {
	slot  cluster.Slot
	token int64
}

// NewSpans returns a Spans that passes spans to trace, in order and from a goroutine of its own; nil for no tracer.
func NewSpans(trace func(cluster.Span)) *Spans {
	s := &Spans{granted: map[grant]time.Time{}, begun: map[grant]time.Time{}}
	if trace != nil {
		s.queue = outbox.New(mostSpans, trace)
	}
	return s
}

// Sink returns a function that takes a span which the caller has timed; nil without a tracer.
func (s *Spans) Sink() func(cluster.Span) {
	if s.queue == nil {
		return nil
	}
	return func(span cluster.Span) { s.queue.Put(span, 1) }
}

// Measure counts how many spans were dropped because too many waited. Without a tracer it counts nothing.
func (s *Spans) Measure(m *meter.Meter) {
	if s.queue != nil {
		m.Most(meter.Dropped, s.queue.Dropped(), "span")
	}
}

// Flush waits until the tracer has taken all spans, for the given time at most.
func (s *Spans) Flush(limit time.Duration) {
	if s.queue != nil {
		s.queue.Flush(limit)
	}
}

// onEvent handles an event of this node.
func (s *Spans) onEvent(e cluster.Event) {
	if s.queue == nil || e.Slot == nil {
		return
	}
	g := grant{*e.Slot, e.Token}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case cluster.SlotGranted:
		s.granted[g] = e.Time
	case cluster.WorkerStarted:
		s.end(cluster.SpanStart, s.begun, g, e.Time)
	case cluster.SlotReleased, cluster.WorkerStopped:
		delete(s.granted, g)
		delete(s.begun, g)
	}
}

// Claimed records that a slot was claimed just now.
func (s *Spans) Claimed(slot cluster.Slot, token int64) {
	if s.queue == nil {
		return
	}
	g, now := grant{slot, token}, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(cluster.SpanClaim, s.granted, g, now)
	s.begun[g] = now
}

// end passes a completed step on. The caller holds the lock.
func (s *Spans) end(step cluster.SpanStep, began map[grant]time.Time, g grant, now time.Time) {
	if at, known := began[g]; known {
		delete(began, g)
		s.queue.Put(cluster.Span{Step: step, Task: g.slot.Task, Slots: cluster.Indexes{g.slot.Index}, Token: g.token, Began: at, Ended: now}, 1)
	}
}
