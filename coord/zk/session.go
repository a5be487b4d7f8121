package zk

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// session is one ZooKeeper session on one library connection.
type session struct {
	store  *Store
	link   *link
	conn   *zk.Conn
	events <-chan zk.Event

	opened      chan struct{} // closed when conn and events are set
	established chan struct{} // closed when the first handshake was answered
	done        chan struct{}
	closeOnce   sync.Once
	watches     watches

	mu        sync.Mutex
	id        int64
	info      coord.Info
	renewals  coord.Renewals
	connected chan struct{} // closed while connected
	ended     bool
	before    bool // there has been a connection
}

func newSession(s *Store) *session {
	ss := &session{
		store:       s,
		opened:      make(chan struct{}),
		established: make(chan struct{}),
		done:        make(chan struct{}),
		connected:   make(chan struct{}),
	}
	ss.info = coord.Info{
		Timeout:       s.cfg.SessionTimeout,
		Spacing:       Spacing(s.cfg.TickTime),
		TakeoverDelay: s.cfg.TickTime,
	}
	ss.renewals.Spacing = ss.info.Spacing
	ss.link = &link{store: s, closing: make(chan struct{}), granted: ss.granted}
	ss.link.timeout.Store(int64(s.cfg.SessionTimeout))
	ss.link.touch()
	return ss
}

// granted is called with each handshake that a server answered, before the library sees it.
func (ss *session) granted(id int64, timeout, sent time.Duration, server string) {
	ss.mu.Lock()
	first := ss.id == 0
	if first {
		ss.id = id
		ss.info.ID = strconv.FormatInt(id, 16)
		// The service counts a full timeout from the commit that made the session.
		ss.info.Base = ss.renewals.Begin(sent, ss.store.clock())
		ss.info.Timeout = timeout
		ss.link.timeout.Store(int64(timeout))
	}
	ss.info.Server = server
	other, changed := ss.id != id, ss.info.Timeout != timeout
	if less := ss.info.Timeout - timeout; less > 0 {
		// This server counts a shorter timeout from when it was asked. Its timeout is unknown before it
		// has answered: servers must not differ, and doctor checks whether they do.
		ss.info.Base = min(ss.info.Base, sent-less)
	}
	ss.mu.Unlock()
	switch {
	case other: // one connection is one session
		ss.end(fmt.Errorf("server answered with another session"))
	case changed: // the lease is counted with the first
		ss.end(
			fmt.Errorf(
				"%s grants a session timeout of %v, another server granted %v: the servers' configurations differ",
				server,
				timeout,
				ss.Info().Timeout,
			),
		)
	}
	if first {
		close(ss.established)
	}
}

// event is the library's callback; it must not block.
func (ss *session) event(ev zk.Event) {
	ss.link.touch()
	if ev.Type != zk.EventSession {
		ss.watches.fire(ss.unrooted(ev.Path), ev.Type)
		return
	}
	switch ev.State {
	case zk.StateHasSession:
		if first := ss.setConnected(true); !first {
			time.AfterFunc(watchesReset, ss.watches.resync)
		}
	case zk.StateDisconnected, zk.StateConnecting:
		ss.setConnected(false)
	case zk.StateExpired, zk.StateAuthFailed:
		ss.end(fmt.Errorf("the server reported: %s", ev.State))
	}
}

// watchesReset is how long after a reconnect the library has set its watches again.
const watchesReset = time.Second

// setConnected stores whether there is a connection, and reports whether it is the first one.
func (ss *session) setConnected(yes bool) (first bool) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.info.Connected == yes || ss.ended && yes {
		return false
	}
	ss.info.Connected = yes
	if yes {
		ss.info.Err = nil
		close(ss.connected)
		first = !ss.before
		ss.before = true
		return first
	}
	ss.info.Err = ss.link.lastError()
	ss.connected = make(chan struct{})
	return false
}

// end closes Done, keeps the library from connecting again, and throws it away.
func (ss *session) end(reason error) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.ended {
		return
	}
	ss.ended = true
	if ss.info.Connected {
		ss.info.Connected = false
		ss.connected = make(chan struct{})
	}
	ss.info.Err = reason
	ss.link.dead.Store(true)
	close(ss.done)
	go func() { _ = ss.Close() }()
}

// Close implements coord.Session.
func (ss *session) Close() error {
	<-ss.opened
	ss.closeOnce.Do(func() {
		// While connected, the library ends the session at the server; without a connection it would only
		// wait.
		if !ss.link.dead.Load() && ss.Info().Connected {
			ss.conn.Close()
		}
		ss.link.dead.Store(true)
		close(ss.link.closing)
		ss.link.cut()
		ss.conn.Close()
		ss.end(coord.ErrSessionEnded)
	})
	limit := time.After(3 * time.Second)
	for {
		select {
		case _, more := <-ss.events:
			if !more {
				return nil
			}
		case <-limit:
			return fmt.Errorf("zookeeper: the client did not end in time")
		}
	}
}

// watchdog abandons a connection if the library makes no progress: its known deadlocks would otherwise
// look like an endless outage.
func (ss *session) watchdog() {
	for {
		wait := time.Duration(ss.link.timeout.Load()) / 4
		select {
		case <-ss.done:
			return
		case <-time.After(wait):
		}
		silence := ss.store.clock() - time.Duration(ss.link.progress.Load())
		if silence > 4*wait+5*time.Second {
			ss.store.log.Error("zookeeper client makes no progress; connection abandoned", "silence", silence)
			ss.end(fmt.Errorf("client library made no progress for %v", silence))
			return
		}
	}
}

// Info implements coord.Session.
func (ss *session) Info() coord.Info {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	info := ss.info
	info.Unanswered = !info.Connected && !ss.ended && ss.link.unanswered.Load()
	return info
}

// Now implements coord.Session.
func (ss *session) Now() time.Duration { return ss.store.clock() }

// Done implements coord.Session.
func (ss *session) Done() <-chan struct{} { return ss.done }

// Renew implements coord.Session; see the package documentation for the rule.
func (ss *session) Renew(ctx context.Context, op coord.Op) error {
	sent, answered, err := coord.CommitRenewal(ctx, ss, op)
	if err != nil {
		return err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if !ss.ended { // else a server may have granted less
		ss.info.Base = ss.renewals.Renewed(sent, answered)
	}
	return nil
}

// Get implements coord.Session.
func (ss *session) Get(ctx context.Context, key string) (coord.Record, error) {
	p := ss.rooted(key)
	return read(ctx, ss, "get", key, func() (coord.Record, error) {
		value, stat, err := ss.watches.get(ss.conn, key, p)
		if err != nil {
			return coord.Record{}, err
		}
		record := coord.Record{Value: value, Version: version(stat.Version)}
		if stat.EphemeralOwner != 0 {
			record.Session = strconv.FormatInt(stat.EphemeralOwner, 16)
		}
		return record, nil
	})
}

// List implements coord.Session.
func (ss *session) List(ctx context.Context, key string) ([]coord.Entry, error) {
	p := ss.rooted(key)
	return read(ctx, ss, "list", key, func() ([]coord.Entry, error) {
		names, err := ss.watches.children(ss.conn, key, p)
		if err != nil {
			return nil, err
		}
		return entries(names), nil
	})
}

// Commit implements coord.Session.
func (ss *session) Commit(ctx context.Context, ops ...coord.Op) ([]coord.Result, error) {
	if err := coord.Validate(ops); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	if err := checkVersions(ops); err != nil {
		return nil, err
	}
	for {
		results, err := ss.multi(ctx, ops)
		failed, ok := coord.FailedCheck(err)
		if !ok || !errors.Is(failed, coord.ErrNotFound) || failed.Op.Kind > coord.KindCreateSequenced {
			return results, err
		}
		// Nothing was written: a parent is missing. Make it and try again.
		made, err := ss.makeParents(ctx, ss.rooted(failed.Op.Key))
		if err != nil {
			return nil, fmt.Errorf("commit: %s: %w", failed.Op.Key, err)
		}
		if !made && ctx.Err() != nil {
			return nil, failed
		}
	}
}

// orEnded adds ErrSessionEnded to an error that came with the end of the session.
func (ss *session) orEnded(err error) error {
	select {
	case <-ss.done:
		if !errors.Is(err, coord.ErrSessionEnded) {
			return errors.Join(err, coord.ErrSessionEnded)
		}
	default:
	}
	return err
}

func (ss *session) rooted(key string) string { return ss.store.cfg.Chroot + key }

func (ss *session) unrooted(p string) string {
	root := ss.store.cfg.Chroot
	if len(p) >= len(root) && p[:len(root)] == root {
		return p[len(root):]
	}
	return p
}
