package httpapi

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
)

// sharedSecret is the secret of a cluster that is kept elsewhere, as it was read last.
type sharedSecret struct {
	mu    sync.Mutex
	value []byte
	err   error
	at    time.Time
}

// How the secret is read: whoever reaches a node can have it looked for another one, so seldom.
const (
	secretAgain    = 5 * time.Second
	secretPatience = 5 * time.Second
)

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
	s := &p.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.value == nil && (s.at.IsZero() || time.Since(s.at) > secretAgain) {
		s.read(ctx, p.Shared)
	}
	return s.value, s.err
}

// another returns the secret if it is another one than was tried, nil if it is not: it may have been replaced.
func (p *Peers) another(ctx context.Context, tried []byte) []byte {
	if p == nil || len(p.Secret) > 0 || p.Shared == nil {
		return nil
	}
	s := &p.shared
	s.mu.Lock()
	defer s.mu.Unlock()
	if bytes.Equal(s.value, tried) && time.Since(s.at) > secretAgain {
		s.read(ctx, p.Shared)
	}
	if bytes.Equal(s.value, tried) {
		return nil
	}
	return s.value
}

// read reads it. What is there already stays in force if that fails.
func (s *sharedSecret) read(ctx context.Context, from func(context.Context) ([]byte, error)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), secretPatience)
	defer cancel()
	value, err := from(ctx)
	s.at = time.Now()
	if err == nil && len(value) < MinSecret {
		err = errors.New("the secret in the store is too short")
	}
	if err == nil {
		s.value, s.err = value, nil
	} else if s.value == nil {
		s.err = err
	}
}
