package httpapi

import (
	"sync"
	"time"
)

// cache keeps what was read of the store, by key, for as long as the cluster is seen unchanged: readers cost the
// store nothing. What changes without a trace in the state is read again after a while.
type cache[K comparable, V any] struct {
	mu   sync.Mutex
	at   *snapshot
	kept map[K]kept[V]
}

type kept[V any] struct {
	value V
	until time.Time
}

const (
	cacheFor = 5 * time.Second
	maxKept  = 1000
)

// get returns what is kept for a key, or reads it.
func (c *cache[K, V]) get(m *snapshot, key K, read func() (V, error)) (V, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at != m || len(c.kept) >= maxKept {
		c.at, c.kept = m, map[K]kept[V]{}
	}
	if k, known := c.kept[key]; known && time.Now().Before(k.until) {
		return k.value, nil
	}
	value, err := read()
	if err == nil {
		c.kept[key] = kept[V]{value, time.Now().Add(cacheFor)}
	}
	return value, err
}
