package xconsumertest

import (
	"fmt"
	"sync"

	"gitee.com/ken.yang/xconsumer"
)

// Sink is a store that compares fencing tokens, as a database of yours should: it takes an effect
// of a slot only if no effect with a higher token was taken before. The zero value is ready; any
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

// Write takes an effect, or refuses it because it comes too late.
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

// Effects returns what was taken, in order.
func (s *Sink) Effects() []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Effect(nil), s.effects...)
}

// Refused returns how many effects came too late.
func (s *Sink) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}
