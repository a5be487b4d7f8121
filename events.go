package xconsumer

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/meter"
)

// eventBuffer is how many events a listener may lag behind before it loses the oldest.
const eventBuffer = 1024

// Events returns a channel of what happens, as this node sees it: its own joining and leaving,
// grants, workers, lease; and, while it leads, the joining and leaving of others. It begins with
// what happens after the call and is closed when ctx ends. Telling never waits: a listener that
// lags behind by more than 1,024 events loses the oldest ones.
func (n *Node) Events(ctx context.Context) <-chan cluster.Event {
	return n.hub.listen(ctx)
}

// hub passes events on to listeners. The zero value is ready.
type hub struct {
	mu        sync.Mutex
	listeners map[chan cluster.Event]bool
}

func (h *hub) listen(ctx context.Context) <-chan cluster.Event {
	c := make(chan cluster.Event, eventBuffer)
	h.mu.Lock()
	if h.listeners == nil {
		h.listeners = map[chan cluster.Event]bool{}
	}
	h.listeners[c] = true
	h.mu.Unlock()
	context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners, c)
		close(c)
	})
	return c
}

// emit never blocks.
func (h *hub) emit(e cluster.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.listeners {
		for sent := false; !sent; {
			select {
			case c <- e:
				sent = true
			default:
				select {
				case <-c:
				default:
				}
			}
		}
	}
}

// count measures what is told.
func (n *Node) count(e cluster.Event) {
	n.meter.Add(meter.Events, 1, string(e.Kind))
	switch e.Kind {
	case cluster.WorkerFailed:
		task, _ := cluster.SplitRun(e.Slot.Task)
		n.meter.Add(meter.Failures, 1, task)
	case cluster.LeaderGaveUp:
		n.meter.Add(meter.GaveUp, 1)
	case cluster.LeaseLost:
		n.meter.Add(meter.Fences, 1, "lease")
	}
}

// log writes a line for each step of a slot on this node, so that the logs of a fleet tell where one was. Failures
// have lines of their own, with what was done about them.
func (n *Node) log(e cluster.Event) {
	log := n.cfg.Log
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

// Measures returns what this node has counted and timed since it began, for whoever serves metrics. The session's
// operations, the leader's decisions and what became of workers are in it.
func (n *Node) Measures() []cluster.Measure {
	n.meter.Most(meter.Dropped, n.written.Dropped(), "log")
	if n.spans.queue != nil {
		n.meter.Most(meter.Dropped, n.spans.queue.Dropped(), "span")
	}
	n.mu.Lock()
	h := n.health
	n.mu.Unlock()
	var lasts, since time.Duration
	blocked := 0.0
	if h.leader != nil {
		if h.leader.IsBlocked() {
			blocked = 1
		}
		lasts, since = h.leader.Lasts(), h.leader.SinceRound()
	}
	n.meter.Set(meter.LeaderRound, lasts.Seconds())
	n.meter.Set(meter.Blocked, blocked)
	n.meter.Set(meter.SinceRound, since.Seconds())
	return n.meter.Read()
}

// teller returns an emit function that fills in who tells. It never waits, for the log or for a listener.
func (n *Node) teller(guid string) func(cluster.Event) {
	return func(e cluster.Event) {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		if e.Node == "" {
			e.Node, e.Member = n.cfg.Name, guid
		}
		n.count(e)
		n.log(e)
		n.spans.note(e)
		n.hub.emit(e)
	}
}
