package xconsumer

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
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

// teller returns an emit function that fills in who tells.
func (n *Node) teller(guid string) func(cluster.Event) {
	return func(e cluster.Event) {
		e.Time = time.Now()
		if e.Node == "" {
			e.Node, e.Member = n.cfg.Name, guid
		}
		n.hub.emit(e)
	}
}
