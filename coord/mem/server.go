package mem

import (
	"cmp"
	"slices"
	"time"
)

// server follows the store, maybe a little behind. Its fields are guarded by the service's lock.
type server struct {
	service *Service
	id      int
	keys    map[string]*node
	has     int64    // the last change that arrived
	queue   []change // under way
	cut     bool     // off from the store
	moved   chan struct{}
}

// change is a change of the store that has not arrived yet.
type change struct {
	n    int64
	at   time.Duration // when it may arrive
	keys map[string]*node
}

// Isolate cuts a server off from the store: it goes on answering reads and pings from its own
// state, and does not pass requests on.
func (s *Service) Isolate(server int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers[server].cut = true
}

// Rejoin ends Isolate.
func (s *Service) Rejoin(server int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	srv := s.servers[server]
	srv.cut = false
	srv.catchUp()
	srv.wake()
	s.later(s.notifyAll)
}

// send is called with each change of the store, in order.
func (srv *server) send(n int64, keys map[string]*node) {
	at := srv.service.now()
	if lag := srv.service.cfg.Faults.Lag; lag != nil {
		at += lag(srv.id, n)
	}
	if last := len(srv.queue) - 1; last >= 0 {
		at = max(at, srv.queue[last].at)
	}
	srv.queue = append(srv.queue, change{n, at, keys})
	if wait := at - srv.service.now(); wait > 0 {
		time.AfterFunc(wait, func() {
			srv.service.mu.Lock()
			defer srv.service.mu.Unlock()
			srv.catchUp()
		})
		return
	}
	srv.catchUp()
}

// catchUp applies the changes that have arrived, and sends hints about them.
func (srv *server) catchUp() {
	arrived := 0
	for !srv.cut && arrived < len(srv.queue) && srv.queue[arrived].at <= srv.service.now() {
		arrived++
	}
	if arrived == 0 {
		return
	}
	for _, c := range srv.queue[:arrived] {
		srv.has = c.n
		for key, n := range c.keys {
			_, existed := srv.keys[key]
			if n == nil {
				delete(srv.keys, key)
			} else {
				srv.keys[key] = n
			}
			srv.changed(key, existed != (n != nil))
		}
	}
	srv.queue = slices.Delete(srv.queue, 0, arrived)
	srv.wake()
	for _, ss := range srv.service.sessions {
		if ss.expired {
			srv.service.later(srv.service.notifyAll)
			break
		}
	}
}

// wake wakes the callers that wait for the server.
func (srv *server) wake() {
	close(srv.moved)
	srv.moved = make(chan struct{})
}

// sorted orders the changes by key.
func (c Commit) sorted() Commit {
	slices.SortFunc(c.Changes, func(a, b Change) int { return cmp.Compare(a.Key, b.Key) })
	return c
}
