// Package emit passes on the events of a node.
//
// # The model
//
//	event ─▶ Emitter ─┬─▶ meter    counted
//	                  ├─▶ log      a line for each step of a slot
//	                  ├─▶ Spans    how long the steps took ─▶ tracer
//	                  └─▶ hub      every listener
//
// Emitting never waits: neither for the log, nor for the tracer, nor for a listener. Workers are stopped on the way
// through here, so nothing behind it may hold them up.
package emit

import (
	"context"
	"log/slog"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/meter"
)

// Emitter counts, logs and traces the events of a node and passes them on to listeners. Its methods, and the functions
// that it returns, may be called from any goroutine and never wait.
type Emitter struct {
	node  string
	log   *slog.Logger // must not block
	meter *meter.Meter
	spans *Spans
	hub   hub
}

// New returns the emitter of a node, by its name.
func New(node string, log *slog.Logger, m *meter.Meter, spans *Spans) *Emitter {
	// Alerts watch these for an increase, so each begins at zero.
	for _, kind := range []cluster.EventKind{cluster.SlotDoubled, cluster.SlotRefused} {
		m.Add(meter.Events, 0, string(kind))
	}
	m.Add(meter.GaveUp, 0)
	return &Emitter{node: node, log: log, meter: m, spans: spans}
}

// Events returns a channel with every event from now on. It is closed when ctx ends. A listener that lags behind by
// more than 1,024 events loses the oldest ones.
func (m *Emitter) Events(ctx context.Context) <-chan cluster.Event { return m.hub.listen(ctx) }

// For returns a function that emits events of one member. It fills in the time, the node and the member if an event
// has none.
func (m *Emitter) For(member string) func(cluster.Event) {
	return func(e cluster.Event) {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		if e.Node == "" {
			e.Node, e.Member = m.node, member
		}
		m.count(e)
		m.logStep(e)
		m.spans.onEvent(e)
		m.hub.publish(e)
	}
}

// count counts an event, in its own counters as well if it has some.
func (m *Emitter) count(e cluster.Event) {
	m.meter.Add(meter.Events, 1, string(e.Kind))
	switch e.Kind {
	case cluster.WorkerFailed:
		task, _ := cluster.SplitRun(e.Slot.Task)
		m.meter.Add(meter.Failures, 1, task)
	case cluster.LeaderGaveUp:
		m.meter.Add(meter.GaveUp, 1)
	case cluster.LeaseLost:
		m.meter.Add(meter.Fences, 1, "lease")
	}
}

// logStep writes a line for each step of a slot on this node, so that the logs of a fleet show where a slot was.
// Failures have lines of their own, which contain the reaction to them.
func (m *Emitter) logStep(e cluster.Event) {
	log := m.log
	if e.Detail != "" {
		log = log.With("detail", e.Detail)
	}
	switch e.Kind {
	case cluster.SlotGranted:
		log.Info("slot granted", "slot", e.Slot, "token", e.Token)
	case cluster.SlotReleased:
		log.Info("slot released", "slot", e.Slot, "token", e.Token)
	case cluster.WorkerStarted:
		log.Info("worker started", "slot", e.Slot, "token", e.Token)
	case cluster.WorkerStopped:
		log.Info("worker stopped", "slot", e.Slot, "token", e.Token)
	}
}
