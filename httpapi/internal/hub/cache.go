package hub

import (
	"context"
	"sync"
	"time"
)

// Cache keeps what was read of the store, by key, for as long as the cluster is seen unchanged: readers cost the
// store nothing. What changes without a trace in the state is read again after a while.
//
// Each key is read once for all who wait for it, and outside the lock: a slow read holds up nobody who asks for another key.
type Cache[K comparable, V any] struct {
	mu   sync.Mutex
	at   *Snapshot
	kept map[K]*reading[V]
}

// reading is one read of the store, and what it has found. Its value and its error may be read once done is closed.
type reading[V any] struct {
	done  chan struct{}
	value V
	err   error
	until time.Time // when the value is too old; zero while the read goes on
}

const (
	readTimeout = 5 * time.Second // how long a read may take
	cacheFor    = 5 * time.Second
	maxKept     = 1000
)

// Get returns what is kept for a key, or reads it. A read goes on for others when the context of the first who wants it ends.
func (c *Cache[K, V]) Get(ctx context.Context, m *Snapshot, key K, read func(context.Context) (V, error)) (V, error) {
	r := c.reading(ctx, m, key, read)
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		var none V
		return none, context.Cause(ctx)
	}
}

// reading returns the read of a key that counts, and begins one if there is none.
func (c *Cache[K, V]) reading(ctx context.Context, m *Snapshot, key K, read func(context.Context) (V, error)) *reading[V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at != m || len(c.kept) >= maxKept {
		c.at, c.kept = m, map[K]*reading[V]{}
	}
	if r, known := c.kept[key]; known && (r.until.IsZero() || time.Now().Before(r.until)) {
		return r
	}
	r := &reading[V]{done: make(chan struct{})}
	c.kept[key] = r
	go c.read(context.WithoutCancel(ctx), key, r, read)
	return r
}

// read reads a key. An error is given to those who wait, and not kept.
func (c *Cache[K, V]) read(ctx context.Context, key K, r *reading[V], read func(context.Context) (V, error)) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	value, err := read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.value, r.err, r.until = value, err, time.Now().Add(cacheFor)
	if err != nil && c.kept[key] == r {
		delete(c.kept, key)
	}
	close(r.done)
}
