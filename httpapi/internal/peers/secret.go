package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// sharedSecret is the secret of a cluster that is kept elsewhere, as it was read last. It is read outside the lock, once
// for all that wait, so that nobody who is answered from what is known waits for the store.
type sharedSecret struct {
	mu      sync.Mutex
	value   []byte
	err     error         // why there is no value
	at      time.Time     // when the last read ended
	reading chan struct{} // closed at the end of the read that goes on, nil for none
}

// How the secret is read: whoever reaches a node can have it looked for another one, so seldom.
const (
	secretAgain    = 5 * time.Second
	secretPatience = 5 * time.Second
	// secretLife is for how long after a read what it found counts without another one: a secret that was deleted ends
	// within a minute, of which the read may have taken a part.
	secretLife = time.Minute - secretPatience
)

// ErrNoSecret is what Peers.Shared fails with while the cluster lacks a valid secret: the last one ends. After any other error,
// as while the store does not answer, the last one stays in force.
var ErrNoSecret = errors.New("the nodes have no secret")

// errNoSecret: the node has none, and nowhere to read it from.
var errNoSecret = errors.New("this node has no [http] secretFile")

// secret returns what requests are signed with.
func (p *Peers) secret(ctx context.Context) ([]byte, error) {
	switch {
	case p == nil, len(p.Secret) == 0 && p.Shared == nil:
		return nil, errNoSecret
	case len(p.Secret) > 0:
		return p.Secret, nil
	}
	return p.shared.get(ctx, p.Shared, func(s *sharedSecret) bool {
		if s.value == nil {
			return s.at.IsZero() || time.Since(s.at) > secretAgain
		}
		return time.Since(s.at) > secretLife
	})
}

// another returns the secret if it is another one than was tried, nil if it is not: it may have been replaced.
func (p *Peers) another(ctx context.Context, tried []byte) []byte {
	if p == nil || len(p.Secret) > 0 || p.Shared == nil {
		return nil
	}
	value, err := p.shared.get(ctx, p.Shared, func(s *sharedSecret) bool {
		return bytes.Equal(s.value, tried) && time.Since(s.at) > secretAgain
	})
	if err != nil || bytes.Equal(value, tried) {
		return nil
	}
	return value
}

// get returns what is known, after another read if that is due.
func (s *sharedSecret) get(ctx context.Context, from func(context.Context) ([]byte, error), due func(*sharedSecret) bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !due(s) {
		return s.value, s.err
	}
	read := s.reading
	if read == nil {
		read = make(chan struct{})
		s.reading = read
		go s.read(context.WithoutCancel(ctx), from) // for others, too, that wait longer than this one
	}
	s.mu.Unlock()
	select {
	case <-read:
		s.mu.Lock()
		return s.value, s.err
	case <-ctx.Done():
		s.mu.Lock()
		return nil, context.Cause(ctx)
	}
}

// read reads it.
func (s *sharedSecret) read(ctx context.Context, from func(context.Context) ([]byte, error)) {
	ctx, cancel := context.WithTimeout(ctx, secretPatience)
	defer cancel()
	value, err := from(ctx)
	if err == nil && len(value) < MinSecret {
		err = fmt.Errorf("%w: that in the store is too short", ErrNoSecret)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.value, s.err = value, nil
	case s.value == nil || errors.Is(err, ErrNoSecret):
		s.value, s.err = nil, err
	}
	s.at = time.Now()
	close(s.reading)
	s.reading = nil
}
