package mem

import "strings"

// watch is one session's interest in one key. A read arms it, an event disarms it.
type watch struct {
	hints       map[int]func()
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
	id := ss.nextID
	ss.nextID++
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

// changed collects the hints about a change of key, to be called without the lock; made
// tells whether the key was created or deleted. A client that is cut off hears of it when
// its link heals, since hints are only useful with reads, which wait for that.
func (s *Service) changed(key string, made bool) (hints []func()) {
	for _, ss := range s.sessions {
		if w := ss.watches[key]; w != nil && w.data {
			w.data = false
			hints = w.collect(hints)
		}
		// A key may be the first below several parents.
		for parent := key; made && strings.Count(parent, "/") > 1; {
			parent = parent[:strings.LastIndexByte(parent, '/')]
			if w := ss.watches[parent]; w != nil && w.child {
				w.child = false
				hints = w.collect(hints)
			}
		}
	}
	return hints
}

func (w *watch) collect(hints []func()) []func() {
	for _, hint := range w.hints {
		hints = append(hints, hint)
	}
	return hints
}
