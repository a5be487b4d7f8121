package mem

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/internal/watchset"
)

// session is one client session. Its mutable fields are guarded by the service's lock.
type session struct {
	service *Service
	client  *Client
	id      string
	timeout time.Duration
	done    chan struct{}
	once    sync.Once
	base    time.Duration
	renewed coord.Renewals // with a Tick
	answers coord.Revisions
	expired bool
	closed  bool  // by the client, which sends nothing more
	end     int64 // the change that removed its keys
	expiry  *time.Timer
	ping    *time.Timer
	watches watchset.Set[armed]
}

func (ss *session) server() *server { return ss.service.servers[ss.client.Server()] }

// over closes Done.
func (ss *session) over() { ss.once.Do(func() { close(ss.done) }) }

// pinged keeps a session alive while its client can be heard, as client libraries do.
func (ss *session) pinged() {
	heard := ss.client.heard()
	s := ss.service
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss.expired || ss.closed {
		return
	}
	if heard {
		ss.touch()
	}
	ss.ping.Reset(ss.timeout / 3)
}

// touch is called when a server has received a sign of life of the session.
func (ss *session) touch() {
	s := ss.service
	if ss.server().cut {
		return
	}
	late := time.Duration(0)
	if f := s.cfg.Faults.Touch; f != nil {
		late = f(ss.id, s.now())
	}
	if late == 0 {
		ss.expiry.Reset(ss.timeout)
	}
	if late <= 0 {
		return
	}
	time.AfterFunc(late, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !ss.expired && !ss.server().cut {
			ss.expiry.Reset(ss.timeout)
		}
	})
}

func (ss *session) call(ctx context.Context) call { return call{ss.client, ctx, ss.done} }

// read does f at the server that the client uses.
func (ss *session) read(ctx context.Context, what, key string, f func(*server)) error {
	ss.client.rouse()
	c := ss.call(ctx)
	if err := c.over(); err != nil {
		return fmt.Errorf("%s %s: %w", what, key, err)
	}
	delivery := ss.client.delivery(false, key)
	if err := c.arrive(delivery.There); err != nil {
		return fmt.Errorf("%s %s: %w", what, key, err)
	}
	s := ss.service
	s.mu.Lock()
	ss.touchUnlessExpired()
	f(ss.server())
	s.mu.Unlock()
	if err := c.answer(delivery.Back); err != nil {
		return fmt.Errorf("%s %s: %w", what, key, err)
	}
	return nil
}

func (ss *session) touchUnlessExpired() {
	if !ss.expired {
		ss.touch()
	}
}

func (n *node) record() coord.Record {
	record := coord.Record{Value: bytes.Clone(n.value), Version: n.version}
	if n.owner != nil {
		record.Session = n.owner.id
	}
	return record
}

// Get implements coord.Session.
func (ss *session) Get(ctx context.Context, key string) (record coord.Record, err error) {
	var n *node
	err = ss.read(ctx, "get", key, func(srv *server) {
		ss.arm(key, dataWatch)
		n = srv.keys[key]
	})
	switch {
	case err != nil:
		return record, err
	case n == nil:
		return record, fmt.Errorf("get %s: %w", key, coord.ErrNotFound)
	}
	return n.record(), nil
}

// List implements coord.Session.
func (ss *session) List(ctx context.Context, key string) (list []coord.Entry, err error) {
	err = ss.read(ctx, "list", key, func(srv *server) {
		ss.arm(key, childWatch)
		list = srv.list(key)
	})
	return list, err
}

func (srv *server) list(key string) (list []coord.Entry) {
	sequences := map[string]int64{} // by name; keys may lie deeper, with or without a key of that name
	for child, n := range srv.keys {
		rest, ok := strings.CutPrefix(child, key+"/")
		if !ok {
			continue
		}
		name, _, deeper := strings.Cut(rest, "/")
		if deeper {
			sequences[name] = max(sequences[name], 0)
		} else {
			sequences[name] = n.seq
		}
	}
	for name, sequence := range sequences {
		list = append(list, coord.Entry{Name: name, Sequence: sequence})
	}
	slices.SortFunc(list, func(a, b coord.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Renew implements coord.Session. With a Tick a write counts once a second one has committed, too;
// else from its send.
func (ss *session) Renew(ctx context.Context, op coord.Op) error {
	renewal := &renewal{session: ss}
	sent, answered, err := coord.CommitRenewal(ctx, renewal, op)
	if err != nil {
		return err
	}
	ss.service.mu.Lock()
	defer ss.service.mu.Unlock()
	ss.answers.Answered(renewal.revision, answered)
	if ss.service.cfg.Tick == 0 {
		ss.base = max(ss.base, sent)
	} else {
		ss.base = ss.renewed.Renewed(sent, answered)
	}
	return nil
}

// renewal is a session that makes one commit, of which the revision is remembered.
type renewal struct {
	*session
	revision int64
}

// Commit implements coord.Session.
func (r *renewal) Commit(ctx context.Context, ops ...coord.Op) (results []coord.Result, err error) {
	results, r.revision, err = r.session.commit(ctx, ops)
	return results, err
}

// spacing is how far apart two renewals have to be.
func (s *Service) spacing() time.Duration {
	if s.cfg.Tick == 0 {
		return 0
	}
	return s.cfg.Tick/2 + 200*time.Millisecond
}

// Info implements coord.Session.
func (ss *session) Info() coord.Info {
	ss.client.rouse()
	connected, unanswered := ss.client.reachable(), ss.client.unanswered()
	ss.service.mu.Lock()
	defer ss.service.mu.Unlock()
	info := coord.Info{
		ID:            ss.id,
		Timeout:       ss.timeout,
		Spacing:       ss.service.spacing(),
		TakeoverDelay: ss.service.cfg.TakeoverDelay,
		Base:          ss.base,
		Connected:     connected,
		Unanswered:    unanswered,
		Server:        "memory",
	}
	if !connected {
		info.Err = errors.New("the link is cut")
	}
	return info
}

// Now implements coord.Session.
func (ss *session) Now() time.Duration {
	ss.client.rouse()
	return ss.client.now()
}

// Done implements coord.Session.
func (ss *session) Done() <-chan struct{} { return ss.done }

// Close implements coord.Session. Without a link the service keeps the session until it
// expires.
func (ss *session) Close() error {
	ss.client.rouse()
	reachable := ss.client.reachable()
	ss.service.mu.Lock()
	defer ss.service.mu.Unlock()
	if reachable && !ss.server().cut {
		ss.service.expire(ss)
	}
	ss.closed = true
	ss.over()
	return nil
}
