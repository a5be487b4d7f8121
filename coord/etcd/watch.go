package etcd

import (
	"context"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
)

// watches turns etcd's watches into hints. The watch of a key is opened by its first read and
// stays open, so that a hint may come without a read before it. It is open before the read is
// sent: a watch that begins at a past revision would be served late, in rounds of 100 ms.
type watches struct {
	mu    sync.Mutex
	byKey map[string]*watch
	next  int
}

// watch is one key that somebody watches.
type watch struct {
	hints map[int]func()
	subs  [2]*sub // by kind
}

// sub is one watch on the server.
type sub struct {
	cancel context.CancelFunc
	opened chan struct{} // closed when the server has confirmed it, or it has failed
}

type watchKind int

const (
	dataWatch watchKind = iota
	childWatch
)

// Watch implements coord.Session.
func (ss *session) Watch(key string, hint func()) (stop func()) {
	w := &ss.watches
	w.mu.Lock()
	defer w.mu.Unlock()
	id := w.next
	w.next++
	entry := w.byKey[key]
	if entry == nil {
		entry = &watch{hints: map[int]func(){}}
		w.byKey[key] = entry
	}
	entry.hints[id] = hint
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(entry.hints, id)
		if len(entry.hints) > 0 || w.byKey[key] != entry {
			return
		}
		delete(w.byKey, key)
		for _, s := range entry.subs {
			if s != nil {
				s.cancel()
			}
		}
	}
}

// close ends all watches on the server; none is opened after it.
func (w *watches) close(ss *session) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ss.cancel()
}

// open makes sure that a key which somebody watches is watched on the server.
func (w *watches) open(ctx context.Context, ss *session, key string, kind watchKind) error { //nolint:contextcheck // a watch lives as long as the session
	w.mu.Lock()
	entry := w.byKey[key]
	if entry == nil {
		w.mu.Unlock()
		return nil
	}
	if ss.life.Err() != nil {
		w.mu.Unlock()
		return coord.ErrSessionEnded
	}
	s := entry.subs[kind]
	if s == nil {
		s = &sub{opened: make(chan struct{})}
		var life context.Context
		life, s.cancel = context.WithCancel(ss.life) // it outlives the read
		entry.subs[kind] = s
		ss.background.Go(func() { w.follow(life, ss, key, kind, entry, s) })
	}
	w.mu.Unlock()
	select {
	case <-s.opened:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-ss.done:
		return coord.ErrSessionEnded
	}
}

// follow is the life of one watch on the server. When it fails (history compacted away, no
// leader), its key is to be read again, which opens the next one.
func (w *watches) follow(life context.Context, ss *session, key string, kind watchKind, entry *watch, s *sub) {
	defer s.cancel()
	target := ss.rooted(key)
	var options []clientv3.OpOption
	if kind == childWatch {
		target += "/"
		options = append(options, clientv3.WithPrefix())
	}
	events := ss.client.Watch(life, target, options...) // returns when it is confirmed
	close(s.opened)
	for response := range events {
		if response.Err() != nil {
			break
		}
		for _, e := range response.Events {
			if kind == dataWatch || e.IsCreate() || e.Type == clientv3.EventTypeDelete {
				w.fire(entry)
				break
			}
		}
	}
	w.mu.Lock()
	entry.subs[kind] = nil
	w.mu.Unlock()
	select {
	case <-life.Done():
	case <-time.After(20 * time.Millisecond): // it may fail again at once
		w.fire(entry)
	}
}

func (w *watches) fire(entry *watch) {
	w.mu.Lock()
	hints := make([]func(), 0, len(entry.hints))
	for _, hint := range entry.hints {
		hints = append(hints, hint)
	}
	w.mu.Unlock()
	for _, hint := range hints {
		hint()
	}
}
