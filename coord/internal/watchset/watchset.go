// Package watchset is the registry of watches that the backends of coord have in common.
//
// # The model
//
// A session has one Set. A key is in it while it is watched: from the first Add to the last stop. Apart from the
// registered hints, an entry holds the backend's own state of the key at its service: whether a one-shot watch is set,
// or the open stream.
//
//	session.Watch ──Add──▶ Set[State] ◀──Update── reads, which set the service's watch
//	                          │
//	     hints ◀────Hint──────┘◀────────Update── events of the service
//
// A key that is watched again after its last stop has a new entry, with a state that is empty: a read that was under way
// for the former entry changes nothing of the new one.
//
// The set does no I/O and is independent of services. The backend decides when hints are due; coord.Session documents
// its duties.
package watchset

import (
	"maps"
	"slices"
	"sync"
)

// Set is the watches of one session. The zero value is empty. Its methods may be called from any goroutine, but not from
// the functions that are passed to them: these run under the set's lock.
type Set[State any] struct {
	// Unwatched, if set, receives the state of a key that is no longer watched. It runs under the lock and must not
	// block. It must be set before the first Add.
	Unwatched func(*State)

	mu    sync.Mutex
	byKey map[string]*entry[State]
}

// entry is one key that is watched.
type entry[State any] struct {
	state State
	hints []Hint // in the order in which they were asked for
	next  int
}

// Hint is one watch of a key.
type Hint struct {
	ID   int // unique among the hints of an entry, and rising
	Call func()
}

// Add adds a hint for key. Stop removes it, and may be called more than once; a hint that is under way may still arrive.
func (s *Set[State]) Add(key string, hint func()) (stop func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	if e == nil {
		if s.byKey == nil {
			s.byKey = map[string]*entry[State]{}
		}
		e = &entry[State]{}
		s.byKey[key] = e
	}
	id := e.next
	e.next++
	e.hints = append(e.hints, Hint{ID: id, Call: hint})
	return func() { s.remove(key, e, id) }
}

// remove removes one hint, and its entry with the last one.
func (s *Set[State]) remove(key string, e *entry[State], id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.hints = slices.DeleteFunc(e.hints, func(h Hint) bool { return h.ID == id })
	if len(e.hints) > 0 || s.byKey[key] != e {
		return
	}
	delete(s.byKey, key)
	if s.Unwatched != nil {
		s.Unwatched(&e.state)
	}
}

// Update reads or changes the state of a key, under the lock, so change must not block and must not call the set. It
// reports whether the key is watched; if it is not, change is not called. The state may be kept and used in a later
// Update of the same key: it stays the same while the key stays watched.
func (s *Set[State]) Update(key string, change func(*State)) (watched bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	if e != nil {
		change(&e.state)
	}
	return e != nil
}

// Hint calls all hints of a key, in the order in which they were asked for. No lock is held meanwhile.
func (s *Set[State]) Hint(key string) {
	for _, hint := range s.Hints(key) {
		hint.Call()
	}
}

// HintAll calls all hints of all keys.
func (s *Set[State]) HintAll() {
	for _, key := range s.Keys() {
		s.Hint(key)
	}
}

// Hints returns the hints of a key, for a backend that calls them by itself.
func (s *Set[State]) Hints(key string) []Hint {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.byKey[key]
	if e == nil {
		return nil
	}
	return slices.Clone(e.hints)
}

// Keys returns the keys that are watched, sorted.
func (s *Set[State]) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.byKey))
}
