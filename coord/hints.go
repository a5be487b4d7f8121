package coord

import (
	"slices"
	"sync"
)

// Hints collects the hints of many watches for one reader: the keys to read again, and
// a channel that receives when there are any. The zero value is not usable; call
// NewHints. Any goroutine may call any method; one reader should own C and Take.
type Hints struct {
	session Session
	signal  chan struct{}

	mu    sync.Mutex
	dirty map[string]bool
	stops map[string]func()
}

// NewHints returns an empty set of watches on session.
func NewHints(session Session) *Hints {
	return &Hints{
		session: session,
		signal:  make(chan struct{}, 1),
		dirty:   map[string]bool{},
		stops:   map[string]func(){},
	}
}

// Watch adds a key, once. The key must then be read, which arms the watch.
func (h *Hints) Watch(key string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stops[key] == nil {
		h.stops[key] = h.session.Watch(key, func() { h.hint(key) })
	}
}

// Unwatch removes a key.
func (h *Hints) Unwatch(key string) {
	h.mu.Lock()
	stop := h.stops[key]
	delete(h.stops, key)
	delete(h.dirty, key)
	h.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// hint marks a key, unless it is no longer watched: the hint of a key that was removed may be under way.
func (h *Hints) hint(key string) {
	h.mu.Lock()
	watched := h.stops[key] != nil
	h.mu.Unlock()
	if watched {
		h.Mark(key)
	}
}

// Mark marks key as one to read again, as a hint does.
func (h *Hints) Mark(key string) {
	h.mu.Lock()
	h.dirty[key] = true
	h.mu.Unlock()
	select {
	case h.signal <- struct{}{}:
	default:
	}
}

// MarkAll marks every watched key, so that everything is read again.
func (h *Hints) MarkAll() {
	h.mu.Lock()
	keys := make([]string, 0, len(h.stops))
	for key := range h.stops {
		keys = append(keys, key)
	}
	h.mu.Unlock()
	for _, key := range keys {
		h.Mark(key)
	}
}

// C returns a channel that receives when Take has keys to return.
func (h *Hints) C() <-chan struct{} { return h.signal }

// Take returns the marked keys, sorted, and unmarks them.
func (h *Hints) Take() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	keys := make([]string, 0, len(h.dirty))
	for key := range h.dirty {
		keys = append(keys, key)
	}
	clear(h.dirty)
	slices.Sort(keys)
	return keys
}

// TakeKey unmarks one key, and reports whether it was marked. The channel C may then
// receive for nothing.
func (h *Hints) TakeKey(key string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	marked := h.dirty[key]
	delete(h.dirty, key)
	return marked
}

// Close ends all watches.
func (h *Hints) Close() {
	h.mu.Lock()
	stops := h.stops
	h.stops = map[string]func(){}
	clear(h.dirty)
	h.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}
