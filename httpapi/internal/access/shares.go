package access

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Shares bounds how many of something go on at a time, so that nobody has so many that nothing is left for others.
type Shares struct {
	what    string
	all     int
	caller  int // of one name that was proven
	address int // of one caller at one address

	mu    sync.Mutex
	total int
	of    map[source]int
}

// NewShares returns shares of which nobody has any yet: of so many of what it names in all, so many are for one caller, and
// so many for one caller at one address. Its methods may be called by any goroutine.
func NewShares(what string, all, caller, address int) *Shares {
	return &Shares{what: what, all: all, caller: caller, address: address, of: map[source]int{}}
}

// Take takes one for a caller. It returns what gives it back, or why there is none.
func (s *Shares) Take(c Caller) (give func(), full string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, there := source{c.Name, everywhere}, source{c.Name, network(c.From)}
	counted := []source{there}
	if c.Proven {
		counted = append(counted, who)
	}
	switch {
	case s.of[there] >= s.address:
		return nil, fmt.Sprintf("%s has %d %s from %s already", c.Name, s.address, s.what, c.From)
	case c.Proven && s.of[who] >= s.caller:
		return nil, fmt.Sprintf("%s has %d %s already", c.Name, s.caller, s.what)
	case s.total >= s.all:
		return nil, fmt.Sprintf("this node has %d %s already", s.all, s.what)
	}
	s.add(counted, 1)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.add(counted, -1)
	}, ""
}

func (s *Shares) add(counted []source, n int) {
	s.total += n
	for _, key := range counted {
		s.of[key] += n
		if s.of[key] == 0 {
			delete(s.of, key)
		}
	}
}

// Now returns how many there are.
func (s *Shares) Now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// recheck is how often it is looked whether a follower may still look. With the second for which tokens are kept, a
// follower has gone within half of client.KeepAlive after its token, login or role.
const recheck = 5 * time.Second

// EndUnlessAllowed ends something that goes on, by its cancel, once who has asked for it may no longer look, or closing is
// closed. Stop is to be called when it is over.
func (m *Middleware) EndUnlessAllowed(
	ctx context.Context, cancel context.CancelFunc, r *http.Request, closing <-chan struct{},
) (stop func()) {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		defer cancel()
		again := time.NewTicker(recheck)
		defer again.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-closing:
				return
			case <-again.C:
				if !m.still(r) {
					return
				}
			}
		}
	}()
	return func() {
		cancel()
		<-stopped
	}
}
