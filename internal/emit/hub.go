package emit

import (
	"context"
	"sync"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// buffer is how many events a listener may lag behind before it loses the oldest.
const buffer = 1024

// hub passes events on to listeners. The zero value is ready.
type hub struct {
	mu        sync.Mutex
	listeners map[chan cluster.Event]bool
}

// listen returns a channel with every event from now on, until ctx ends.
func (h *hub) listen(ctx context.Context) <-chan cluster.Event {
	c := make(chan cluster.Event, buffer)
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

// publish never blocks.
func (h *hub) publish(e cluster.Event) {
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
