package hub

import (
	"context"
	"sync"
	"time"
)

// Cache keeps values that were read from the store, by key, until the snapshot of the cluster changes, so that most reads
// cost the store nothing. A value also expires after a while, because it may change without a change of the snapshot.
//
// Each key is read once for all callers that wait for it, and outside the lock, so that a slow read does not delay callers of
// other keys. The methods may be called from any goroutine.
type Cache[K comparable, V any] struct {
	mu   sync.Mutex
	at   *Snapshot
	kept map[K]*reading[V]
}

// reading is one read of the store, and its result. The value and the error may be read once done is closed.
type reading[V any] struct {
	done  chan struct{}
	value V
	err   error
	until time.Time // when the value is too old; zero while the read is under way
}

const (
	readTimeout = 5 * time.Second // how long a read may take
	cacheFor    = 5 * time.Second
	maxKept     = 1000
)

// Get returns the cached value of a key, or reads it. If the context of the caller ends, the read continues for others.
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

// reading returns the current read of a key, and begins one if there is none.
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

// read reads a key within readTimeout. Callers that wait get its error, but the error is not cached.
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
