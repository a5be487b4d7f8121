package xconsumer

import (
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
)

// mostSpans is how many steps may wait for whoever traces; more are dropped.
const mostSpans = 1 << 14

// spans times how slots come to this node: from seeing that they are granted until they are claimed, and from then
// until their workers run.
type spans struct {
	queue *outbox.Outbox[cluster.Span] // nil for nobody who traces

	mu      sync.Mutex
	granted map[grant]time.Time // seen, not claimed yet
	begun   map[grant]time.Time // claimed, not running yet
}

type grant struct {
	slot  cluster.Slot
	token int64
}

func newSpans(tell func(cluster.Span)) *spans {
	s := &spans{granted: map[grant]time.Time{}, begun: map[grant]time.Time{}}
	if tell != nil {
		s.queue = outbox.New(mostSpans, tell)
	}
	return s
}

// teller returns what is told of a step that has come to its end, nil for nobody. It never waits.
func (s *spans) teller() func(cluster.Span) {
	if s.queue == nil {
		return nil
	}
	return func(span cluster.Span) { s.queue.Put(span, 1) }
}

// note takes in an event of this node.
func (s *spans) note(e cluster.Event) {
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

// claimed takes in that a slot was claimed just now.
func (s *spans) claimed(slot cluster.Slot, token int64) {
	if s.queue == nil {
		return
	}
	g, now := grant{slot, token}, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(cluster.SpanClaim, s.granted, g, now)
	s.begun[g] = now
}

// end tells of a step that has come to its end; the caller holds the lock.
func (s *spans) end(step cluster.SpanStep, began map[grant]time.Time, g grant, now time.Time) {
	if at, known := began[g]; known {
		delete(began, g)
		s.queue.Put(cluster.Span{Step: step, Task: g.slot.Task, Slots: cluster.Indexes{g.slot.Index}, Token: g.token, Began: at, Ended: now}, 1)
	}
}
