package etcd

import (
	"context"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/internal/watchset"
)

// watches turns etcd's watches into hints. The watch of a key is opened by its first read and
// stays open, so that a hint may come without a read before it. It is open before the read is
// sent: a watch that begins at a past revision would be served late, in rounds of 100 ms.
type watches struct{ set watchset.Set[subs] }

// subs are the open watches on the server for one watched key, by kind.
type subs [2]*sub

// sub is one watch on the server.
type sub struct {
	cancel context.CancelFunc
	opened chan struct{} // closed when the server has confirmed it, or it has failed
}

// end ends the watches of a key that is no longer watched.
func (s *subs) end() {
	for _, open := range s {
		if open != nil {
			open.cancel()
		}
	}
}

type watchKind int

const (
	dataWatch watchKind = iota
	childWatch
)

// Watch implements coord.Session.
func (ss *session) Watch(key string, hint func()) (stop func()) { return ss.watches.set.Add(key, hint) }

// open ensures that a key which is watched here is watched on the server.
func (w *watches) open(ctx context.Context, ss *session, key string, kind watchKind) error {
	var s *sub
	over := false
	watched := w.set.Update(key, func(open *subs) { //nolint:contextcheck // a watch lives as long as the session
		if open[kind] == nil {
			life, cancel := context.WithCancel(ss.life) // it outlives the read
			begun := &sub{cancel: cancel, opened: make(chan struct{})}
			over = !ss.begin(func() { w.follow(life, ss, key, kind, begun) })
			if over {
				cancel()
				return
			}
			open[kind] = begun
		}
		s = open[kind]
	})
	switch {
	case !watched:
		return nil
	case over:
		return coord.ErrSessionEnded
	}
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
func (w *watches) follow(life context.Context, ss *session, key string, kind watchKind, s *sub) {
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
				w.set.Hint(key)
				break
			}
		}
	}
	w.set.Update(key, func(open *subs) {
		if open[kind] == s { // else the key is watched again
			open[kind] = nil
		}
	})
	select {
	case <-life.Done():
	case <-time.After(20 * time.Millisecond): // it may fail again at once
		w.set.Hint(key)
	}
}
