package peers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// sharedSecret is the last known value of a secret that is kept elsewhere. It is read outside the lock, once for all callers
// that wait, so that a caller that needs no new value does not wait for the store.
type sharedSecret struct {
	mu      sync.Mutex
	value   []byte
	err     error         // why there is no value
	at      time.Time     // when the last read ended
	reading chan struct{} // closed at the end of the read under way, nil for none
}

const (
	// secretAgain is the minimum interval of reads. Any caller that reaches the node can cause one, with a wrong signature.
	secretAgain = 5 * time.Second
	// secretTimeout bounds one read.
	secretTimeout = 5 * time.Second
	// secretLife is how long a value stays in force without another read. A deleted secret ends within a minute, of which
	// the read may take a part.
	secretLife = time.Minute - secretTimeout
)

// ErrNoSecret is the error of Peers.Shared while the cluster has no valid secret. It ends the last secret. After any other
// error, for example while the store does not answer, the last secret stays in force.
var ErrNoSecret = errors.New("the nodes have no secret")

// errNoSecret: the node has no secret, and no place to read it from.
var errNoSecret = errors.New("this node has no [http] secretFile")

// secret returns the secret that requests are signed with.
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

// another returns the secret if it has been replaced since tried was read, else nil.
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

// get returns the last value or error, after another read if one is due.
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
		go s.read(context.WithoutCancel(ctx), from) // other callers may wait longer than this one
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

// read reads the secret from its place, within secretTimeout.
func (s *sharedSecret) read(ctx context.Context, from func(context.Context) ([]byte, error)) {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	value, err := from(ctx)
	if err == nil && len(value) < MinSecret {
		err = fmt.Errorf("%w: the one in the store is too short", ErrNoSecret)
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
