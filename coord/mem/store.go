// Package mem is the in-memory backend of coord: a whole coordination service in one
// process, for tests and simulations.
//
// # The model
//
// A [Service] is one linearizable store with sessions, and one or more servers that follow it.
// A [Client] is one machine's access to one of them.
//
//	caller ──▶ client ──there──▶ server ──▶ the store: commits, one after the other
//	  ▲  awake?         link               │
//	  └──────────back──── server ◀─────────┘ a change arrives at each server in order, maybe later
//
// Commits are made in the store; reads, watches and answers come from the client's server, which may lag behind or be
// cut off from the store. The service ends a session when it has not heard of it for the timeout. Signs of life that
// a server receives reach the service a little later, or never. The client learns of the end only when the service
// can reach it.
//
// By default nothing goes wrong, and nothing is late. The possible faults are a link that is cut (both ways, or one),
// a process that is paused or killed, a clock that runs wrong, a server that is cut off, and the faults of single
// requests that [Faults] decides about.
//
// All waiting is done with timers and channels, so that a service may live in a
// testing/synctest bubble. Nothing is kept when the process ends.
package mem

import (
	"maps"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Config is how a service behaves. The zero value is usable.
type Config struct {
	// Timeout is granted to the sessions of clients that ask for none of their own; default 20 s.
	Timeout time.Duration
	// TakeoverDelay is how long leaders wait before they take over, [coord.OwnTimeout] as with etcd; default Tick. As with etcd,
	// the service then shows the last write of a key that is deleted.
	TakeoverDelay time.Duration
	// Tick, if set, makes the service count sessions as ZooKeeper does: servers report the sessions that they have
	// heard of up to half a tick later, so that a lease is proven by two writes.
	Tick time.Duration
	// Latency is how long a request and its answer take together; default 0.
	Latency time.Duration
	// Servers is how many there are; default 1. Clients use them by turns.
	Servers int
	// Faults injects faults; the zero value lets everything pass.
	Faults Faults
	// Applied, if set, is called with every change of the store, one after the other. It must not call
	// the service.
	Applied func(Commit)
}

// Faults decides about single events. Its functions are called from any goroutine, and must not call the service. A
// nil function injects no fault.
type Faults struct {
	// Request decides the fate of a request.
	Request func(Request) Delivery
	// Lag is the delay after which a server has a change of the store.
	Lag func(server int, change int64) time.Duration
	// Touch is the delay after which the service hears that a server has heard of a session; negative for never. A
	// service with a Tick expects at most half of it.
	Touch func(session string, at time.Duration) time.Duration
	// Hint is the delay after which a client hears of a change that its server has; negative for never.
	Hint func(Notice) time.Duration
}

// Request is one request of a client.
type Request struct {
	Client int // counted from 1
	At     time.Duration
	Commit bool
	Key    string // the first
	Nth    int    // how many equal requests the client has sent at the same instant before this one
}

// Notice is a hint on its way to one watch of a key.
type Notice struct {
	Session, Key string
	Watch        int // the number of the watch within its session
	At           time.Duration
}

// Delivery is the fate of a request.
type Delivery struct {
	There time.Duration // until it arrives, in addition to the service's latency
	Back  time.Duration // until its answer arrives
	// Lost: it never arrives. Late: its sender gives up, and then it arrives. Mute: its answer
	// never arrives. Each leaves a commit's outcome unknown; reads are only late.
	Lost, Late, Mute bool
}

// Commit is a change of the store.
type Commit struct {
	N       int64 // 1, 2, …
	At      time.Duration
	Client  int
	Session string
	Expired bool // the service ended the session
	Changes []Change
}

// Change is a key after a commit.
type Change struct {
	Key     string
	Value   []byte // must not be changed; nil if deleted
	Version int64
	Deleted bool
}

// Service is the store and its sessions. Its methods may be called from any goroutine.
type Service struct {
	cfg   Config
	start time.Time

	mu       sync.Mutex
	keys     map[string]*node
	former   map[string]former // bound keys that are deleted, without those that are compacted
	seqs     map[string]int64  // next sequence by parent
	sessions map[string]*session
	nextID   int
	clients  int
	changes  int64 // made so far
	servers  []*server
}

// node is one key; it is replaced, not changed.
type node struct {
	value   []byte
	version int64
	seq     int64
	change  int64 // its last write
	owner   *session
}

// former is a key that is deleted: the changes that wrote it last and deleted it.
type former struct{ last, gone int64 }

// New returns an empty service.
func New(cfg Config) *Service {
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	if cfg.TakeoverDelay == 0 {
		cfg.TakeoverDelay = cfg.Tick
	}
	s := &Service{
		cfg:      cfg,
		start:    time.Now(),
		keys:     map[string]*node{},
		former:   map[string]former{},
		seqs:     map[string]int64{},
		sessions: map[string]*session{},
	}
	for i := range max(cfg.Servers, 1) {
		s.servers = append(s.servers, &server{service: s, id: i, keys: map[string]*node{}, moved: make(chan struct{})})
	}
	return s
}

func (s *Service) now() time.Duration { return time.Since(s.start) }

// Keys returns the number of keys, for tests that look for leftovers.
func (s *Service) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// Records returns all records of the store at this moment.
func (s *Service) Records() map[string]coord.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	records := make(map[string]coord.Record, len(s.keys))
	for key, n := range s.keys {
		records[key] = n.record()
	}
	return records
}

// Expire ends a session at once, as an administrator could.
func (s *Service) Expire(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss := s.sessions[id]; ss != nil {
		s.expire(ss)
	}
}

// Compact makes the service forget the former states of its keys.
func (s *Service) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.former)
}

// expire removes a session and its keys.
func (s *Service) expire(ss *session) {
	if ss.expired {
		return
	}
	ss.expired = true
	ss.expiry.Stop()
	ss.ping.Stop()
	gone := map[string]*node{}
	for key, n := range s.keys {
		if n.owner == ss {
			gone[key] = nil
		}
	}
	ss.end = s.change(ss, gone, true)
	s.later(func() { s.notify(ss) })
}

// later calls f, with the lock held, when the present messages of the service have reached its clients.
func (s *Service) later(f func()) {
	after(s.cfg.Latency, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		f()
	})
}

// after calls f after a delay, or at once. It uses no timer that is due at once: the timers of one synctest bubble
// share the state that the race detector of Go 1.26 keeps for one thread, and two at a time crash it.
func after(d time.Duration, f func()) {
	if d <= 0 {
		go f()
		return
	}
	time.AfterFunc(d, f)
}

// notify closes a session that is over at its client, if the client can be reached now.
func (s *Service) notify(ss *session) {
	if ss.expired && (ss.client.dead() || ss.client.reachable() && ss.server().has >= ss.end) {
		ss.over()
		delete(s.sessions, ss.id)
	}
}

// notifyAll is called when something has become reachable.
func (s *Service) notifyAll() {
	for _, ss := range s.sessions {
		s.notify(ss)
	}
}

// change applies a change to the store and sends it to the servers. It returns its number.
func (s *Service) change(ss *session, keys map[string]*node, expired bool) int64 {
	s.changes++
	commit := Commit{N: s.changes, At: s.now(), Client: ss.client.id, Session: ss.id, Expired: expired}
	for key, n := range keys {
		if n == nil {
			if old := s.keys[key]; old != nil && old.owner != nil {
				s.former[key] = former{last: old.change, gone: s.changes}
			}
			delete(s.keys, key)
			commit.Changes = append(commit.Changes, Change{Key: key, Deleted: true})
		} else {
			n.change = s.changes
			s.keys[key] = n
			commit.Changes = append(commit.Changes, Change{Key: key, Value: n.value, Version: n.version})
		}
	}
	if s.cfg.Applied != nil {
		s.cfg.Applied(commit.sorted())
	}
	for _, srv := range s.servers {
		srv.send(s.changes, maps.Clone(keys))
	}
	return s.changes
}
