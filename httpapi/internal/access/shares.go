package access

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Shares bounds how many requests of one kind are open at a time, so that one caller cannot take all places.
type Shares struct {
	what    string
	all     int
	caller  int // for one authenticated name
	address int // for one caller at one address

	mu    sync.Mutex
	total int
	of    map[source]int
}

// NewShares returns shares without an open request. They allow all open requests in total, of these caller for one
// authenticated caller, and address for one caller at one address; what names the kind in errors. The methods may be called
// from any goroutine.
func NewShares(what string, all, caller, address int) *Shares {
	return &Shares{what: what, all: all, caller: caller, address: address, of: map[source]int{}}
}

// Take takes a place for a caller. It returns a function that gives the place back, or the reason why there is none.
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

// Now returns the number of open requests.
func (s *Shares) Now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// recheck is the interval at which the permission of a follower is checked. Tokens are cached for another second. So a
// follower is disconnected within half of client.KeepAlive after it loses its token, login or role.
const recheck = 5 * time.Second

// EndUnlessAllowed calls cancel once the caller of a long request may no longer read, or closing is closed. The handler
// calls stop when the request is over; stop also calls cancel.
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
