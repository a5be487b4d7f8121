// Package mem is the in-memory backend of coord: a whole coordination service in one
// process, for tests and simulations.
//
// # The model
//
// A [Service] is one linearizable store with sessions. A [Client] is one machine's access
// to it; its link can be cut and healed, and replies can be lost, as happens with a real
// service. The service ends a session when it has not heard of it for the timeout; a
// client that is cut off learns of it only when its link heals.
//
// All waiting is done with timers and channels, so that a service may live in a
// testing/synctest bubble. Nothing is kept when the process ends.
package mem

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Config tells how a service behaves. The zero value is usable.
type Config struct {
	// Timeout is granted to every session; default 20 s.
	Timeout time.Duration
	// Grace is what leaders wait before they take over; default 0.
	Grace time.Duration
	// Latency is how long a request and its answer take together; default 0.
	Latency time.Duration
}

// Service is the store and its sessions. Its methods may be called from any goroutine.
type Service struct {
	cfg   Config
	start time.Time

	mu       sync.Mutex
	keys     map[string]*node
	seqs     map[string]int64 // next sequence by parent
	sessions map[string]*session
	nextID   int
}

// node is one key.
type node struct {
	value   []byte
	version int64
	seq     int64
	owner   *session
}

// New returns an empty service.
func New(cfg Config) *Service {
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	return &Service{
		cfg:      cfg,
		start:    time.Now(),
		keys:     map[string]*node{},
		seqs:     map[string]int64{},
		sessions: map[string]*session{},
	}
}

// Client is one machine's access to a service; it implements coord.Store.
type Client struct {
	service *Service

	mu    sync.Mutex
	up    chan struct{} // closed while the link is up
	loses bool          // the replies to commits are lost
}

// Client returns a new access with a link of its own.
func (s *Service) Client() *Client {
	c := &Client{service: s, up: make(chan struct{})}
	close(c.up)
	return c
}

// Open implements coord.Store.
func (c *Client) Open(ctx context.Context) (coord.Session, error) {
	base := c.service.now()
	if err := c.arrive(ctx, nil); err != nil {
		return nil, fmt.Errorf("mem: the link is cut: %w", err)
	}
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	ss := &session{
		service: s,
		client:  c,
		id:      strconv.Itoa(s.nextID),
		done:    make(chan struct{}),
		base:    base,
		watches: map[string]*watch{},
	}
	s.sessions[ss.id] = ss
	ss.expiry = time.AfterFunc(s.cfg.Timeout, func() { s.expire(ss) })
	ss.ping = time.AfterFunc(s.cfg.Timeout/3, func() { s.pinged(ss) })
	return ss, nil
}

// pinged keeps a session alive while its client can be heard, as client libraries do.
func (s *Service) pinged(ss *session) {
	up := ss.client.connected()
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.expired {
		return
	}
	if up {
		ss.expiry.Reset(s.cfg.Timeout)
	}
	ss.ping.Reset(s.cfg.Timeout / 3)
}

// Cut takes the link down: requests wait, and the service hears nothing.
func (c *Client) Cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.up:
		c.up = make(chan struct{})
	default:
	}
}

// Heal brings the link up. Sessions that the service ended meanwhile are told.
func (c *Client) Heal() {
	c.mu.Lock()
	select {
	case <-c.up:
	default:
		close(c.up)
	}
	c.loses = false
	c.mu.Unlock()
	s := c.service
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ss := range s.sessions {
		if ss.client == c && ss.expired {
			ss.tell()
			delete(s.sessions, ss.id)
		}
	}
}

// LoseReplies makes commits take effect while their answers are lost, until Heal.
func (c *Client) LoseReplies() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loses = true
}

func (c *Client) connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.up:
		return true
	default:
		return false
	}
}

// arrive waits until a request has reached the service.
func (c *Client) arrive(ctx context.Context, ss *session) error {
	var done <-chan struct{}
	if ss != nil {
		done = ss.done
		select {
		case <-done:
			return coord.ErrSessionEnded
		default:
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if latency := c.service.cfg.Latency; latency > 0 {
		select {
		case <-time.After(latency):
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-done:
			return coord.ErrSessionEnded
		}
	}
	c.mu.Lock()
	up := c.up
	c.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return coord.ErrSessionEnded
	}
}

func (s *Service) now() time.Duration { return time.Since(s.start) }

// Keys returns the number of keys, for tests that look for litter.
func (s *Service) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// Expire ends a session at once, as an administrator could.
func (s *Service) Expire(id string) {
	s.mu.Lock()
	ss := s.sessions[id]
	s.mu.Unlock()
	if ss != nil {
		s.expire(ss)
	}
}

// expire removes a session and its keys.
func (s *Service) expire(ss *session) {
	s.mu.Lock()
	if ss.expired {
		s.mu.Unlock()
		return
	}
	ss.expired = true
	ss.expiry.Stop()
	ss.ping.Stop()
	var hints []func()
	for key, n := range s.keys {
		if n.owner == ss {
			delete(s.keys, key)
			hints = append(hints, s.changed(key, true)...)
		}
	}
	if ss.client.connected() {
		ss.tell()
		delete(s.sessions, ss.id)
	}
	s.mu.Unlock()
	for _, hint := range hints {
		hint()
	}
}
