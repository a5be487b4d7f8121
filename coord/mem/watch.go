package mem

import (
	"strings"
	"time"
)

// watch is one session's interest in one key. A read arms it, an event disarms it.
type watch struct {
	hints       map[int]func()
	nextID      int
	data, child bool
}

type watchKind int

const (
	dataWatch watchKind = iota
	childWatch
)

// Watch implements coord.Session.
func (ss *session) Watch(key string, hint func()) (stop func()) {
	s := ss.service
	s.mu.Lock()
	defer s.mu.Unlock()
	w := ss.watches[key]
	if w == nil {
		w = &watch{hints: map[int]func(){}}
		ss.watches[key] = w
	}
	id := w.nextID
	w.nextID++
	w.hints[id] = hint
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(w.hints, id)
		if len(w.hints) == 0 && ss.watches[key] == w {
			delete(ss.watches, key)
		}
	}
}

func (ss *session) arm(key string, kind watchKind) {
	if w := ss.watches[key]; w != nil {
		w.data = w.data || kind == dataWatch
		w.child = w.child || kind == childWatch
	}
}

// changed hints at a change of key that has arrived at the server; made tells whether the key was
// created or deleted. A client that is cut off could hear of it when its link heals at the
// earliest; that it hears at once is no harm, since hints are only useful with reads, which wait.
func (srv *server) changed(key string, made bool) {
	for _, ss := range srv.service.sessions {
		if ss.server() != srv {
			continue
		}
		ss.fire(key, dataWatch)
		// A key may be the first below several parents.
		for parent := key; made && strings.Count(parent, "/") > 1; {
			parent = parent[:strings.LastIndexByte(parent, '/')]
			ss.fire(parent, childWatch)
		}
	}
}

// fire hints, if the watch is armed, once the lock is free.
func (ss *session) fire(key string, kind watchKind) {
	w := ss.watches[key]
	if w == nil || kind == dataWatch && !w.data || kind == childWatch && !w.child {
		return
	}
	if kind == dataWatch {
		w.data = false
	} else {
		w.child = false
	}
	for id, hint := range w.hints {
		late := time.Duration(0)
		if f := ss.service.cfg.Faults.Hint; f != nil {
			late = f(Notice{Session: ss.id, Key: key, Watch: id, At: ss.service.now()})
		}
		if late >= 0 {
			after(late, hint)
		}
	}
}

// rewatch moves a session's watches to another server: what differs there has changed.
func (ss *session) rewatch(from, to *server) {
	if from == to {
		return
	}
	for key, w := range ss.watches {
		if w.data && from.keys[key] != to.keys[key] {
			ss.fire(key, dataWatch)
		}
		if w.child {
			ss.fire(key, childWatch) // not worth comparing
		}
	}
}
