package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// How many streams and logs a node serves at a time, those of one caller included.
const (
	maxStreams = 2000
	maxLogs    = 600
)

// shares bounds how many of something go on at a time, so that nobody has so many that nothing is left for others.
type shares struct {
	what    string
	all     int
	caller  int // of one name that was proven
	address int // of one caller at one address

	mu    sync.Mutex
	total int
	of    map[source]int
}

// newShares returns shares of which nobody has any yet.
func newShares(what string, all, caller, address int) *shares {
	return &shares{what: what, all: all, caller: caller, address: address, of: map[source]int{}}
}

// take takes one for a caller. It returns what gives it back, or why there is none.
func (s *shares) take(c caller) (give func(), full string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, there := source{c.name, everywhere}, source{c.name, network(c.from)}
	counted := []source{there}
	if c.proven {
		counted = append(counted, who)
	}
	switch {
	case s.of[there] >= s.address:
		return nil, fmt.Sprintf("%s has %d %s from %s already", c.name, s.address, s.what, c.from)
	case c.proven && s.of[who] >= s.caller:
		return nil, fmt.Sprintf("%s has %d %s already", c.name, s.caller, s.what)
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

func (s *shares) add(counted []source, n int) {
	s.total += n
	for _, key := range counted {
		s.of[key] += n
		if s.of[key] == 0 {
			delete(s.of, key)
		}
	}
}

// now returns how many there are.
func (s *shares) now() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// recheck is how often it is looked whether a follower may still look. With the second for which tokens are kept, a
// follower has gone within half of client.KeepAlive after its token, login or role.
const recheck = 5 * time.Second

// endUnlessAllowed ends something that goes on, by its cancel, once who has asked for it may no longer look, or the API
// ends. Stop is to be called when it is over.
func (a *API) endUnlessAllowed(ctx context.Context, cancel context.CancelFunc, r *http.Request) (stop func()) {
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
			case <-a.closing:
				return
			case <-again.C:
				if !a.auth.still(r) {
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
