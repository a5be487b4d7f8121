package mem

import (
	"strings"
	"time"
)

// armed records which watches of a key are set, by kind: a read arms one, an event disarms it.
type armed [2]bool

type watchKind int

const (
	dataWatch watchKind = iota
	childWatch
)

// Watch implements coord.Session.
func (ss *session) Watch(key string, hint func()) (stop func()) { return ss.watches.Add(key, hint) }

func (ss *session) arm(key string, kind watchKind) {
	ss.watches.Update(key, func(a *armed) { a[kind] = true })
}

// disarm reports whether a watch was armed.
func (ss *session) disarm(key string, kind watchKind) (was bool) {
	ss.watches.Update(key, func(a *armed) { was, a[kind] = a[kind], false })
	return was
}

// changed hints at a change of key that has arrived at the server; made reports whether the key was
// created or deleted. A real client that is cut off hears of a change when its link heals at the
// earliest. That this one hears of it at once does no harm, since hints are useful only together
// with reads, and these wait.
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

// fire hints, if the watch is armed, once the service's lock is free.
func (ss *session) fire(key string, kind watchKind) {
	if !ss.disarm(key, kind) {
		return
	}
	for _, hint := range ss.watches.Hints(key) {
		late := time.Duration(0)
		if f := ss.service.cfg.Faults.Hint; f != nil {
			late = f(Notice{Session: ss.id, Key: key, Watch: hint.ID, At: ss.service.now()})
		}
		if late >= 0 {
			after(late, hint.Call)
		}
	}
}

// rewatch moves a session's watches to another server. A key that differs there counts as changed.
func (ss *session) rewatch(from, to *server) {
	if from == to {
		return
	}
	for _, key := range ss.watches.Keys() {
		if from.keys[key] != to.keys[key] {
			ss.fire(key, dataWatch)
		}
		ss.fire(key, childWatch) // not worth comparing
	}
}
