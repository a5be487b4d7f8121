package xconsumertest

import (
	"fmt"
	"sync"

	"gitee.com/ken.yang/xconsumer"
)

// Sink is a store that compares fencing tokens, as your database should: it accepts an effect of a
// slot only if it has not accepted one with a higher token before. The zero value is ready to use. Any
// goroutine may use it.
type Sink struct {
	mu      sync.Mutex
	tokens  map[string]int64
	effects []Effect
	refused int
}

// Effect is something that a worker did.
type Effect struct {
	Slot  string // "mail#0"
	Token int64
	Value any
}

// Write records an effect. It returns an error, and records nothing, if the effect comes too late.
func (s *Sink) Write(w *xconsumer.Worker, value any) error {
	slot := fmt.Sprintf("%s#%d", w.Task(), w.Index())
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.Token() < s.tokens[slot] {
		s.refused++
		return fmt.Errorf("%s: token %d is older than %d", slot, w.Token(), s.tokens[slot])
	}
	if s.tokens == nil {
		s.tokens = map[string]int64{}
	}
	s.tokens[slot] = w.Token()
	s.effects = append(s.effects, Effect{slot, w.Token(), value})
	return nil
}

// Effects returns the recorded effects, in order.
func (s *Sink) Effects() []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Effect(nil), s.effects...)
}

// Refused returns the number of effects that came too late.
func (s *Sink) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}
