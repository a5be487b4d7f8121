package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
)

// session is one lease with one client of the library.
type session struct {
	store   *Store
	client  *clientv3.Client
	link    *link
	lease   clientv3.LeaseID
	mark    string // the session's own key
	created int64  // the revision at which it was created

	life       context.Context // ends with the session
	cancel     context.CancelFunc
	done       chan struct{}
	background sync.WaitGroup
	closeOnce  sync.Once
	sequence   atomic.Int64 // makes names of sequenced keys
	watches    watches

	mu    sync.Mutex
	info  coord.Info
	heard time.Duration // send of the last renewal that was acknowledged
	ended bool
	// answers are the revisions that renewals have shown; see LastWrite.
	answers coord.Revisions
}

func newSession(s *Store, client *clientv3.Client, link *link, lease clientv3.LeaseID, info coord.Info) *session {
	ss := &session{store: s, client: client, link: link, lease: lease, info: info, done: make(chan struct{}), heard: info.Base}
	ss.mark = s.cfg.Prefix + SessionsPrefix + info.ID
	ss.watches.set.Unwatched = (*subs).end
	ss.life, ss.cancel = context.WithCancel(clientv3.WithRequireLeader(context.Background()))
	return ss
}

// begin runs f in a goroutine of the session. It reports false, and does not run f, if the session is over.
func (ss *session) begin(f func()) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.life.Err() != nil {
		return false
	}
	ss.background.Go(f)
	return true
}

// stop ends the goroutines of the session, its watches included. None begins after it.
func (ss *session) stop() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.cancel()
}

// keepAlive sends signs of life to the service for as long as the session lives. It moves no lease: only a
// renewal does, which also proves that the member still exists.
func (ss *session) keepAlive() {
	beat := ss.info.Timeout / 3
	for {
		pause := beat
		if silence := ss.Now() - ss.lastHeard(); silence >= beat {
			ctx, cancel := ss.attempt(ss.life)
			if ss.renewLease(ctx) != nil {
				pause = max(ss.info.Spacing, beat/8)
			}
			cancel()
		} else {
			pause = beat - silence
		}
		select {
		case <-ss.life.Done():
			return
		case <-time.After(pause):
		}
	}
}

// checkRest asks the servers that did not answer when the first session was opened for their versions, until all
// have answered. A server that cannot be trusted may lead. It therefore ends the session, and no other session is
// opened.
func (ss *session) checkRest() {
	s := ss.store
	for {
		s.mu.Lock()
		all := len(s.probed) == len(s.cfg.Endpoints)
		var refused error
		if !all {
			refused = s.ask(ss.life, ss.client)
		}
		s.mu.Unlock()
		if refused != nil {
			ss.end(refused)
		}
		if all || refused != nil {
			return
		}
		select {
		case <-ss.life.Done():
			return
		case <-time.After(ss.info.Timeout):
		}
	}
}

func (ss *session) lastHeard() time.Duration {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.heard
}

// renewLease renews the lease once.
func (ss *session) renewLease(ctx context.Context) error {
	sent := ss.Now()
	_, err := ss.client.KeepAliveOnce(ctx, ss.lease)
	if err := ss.outcome(ctx, err); err != nil {
		return err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.heard = max(ss.heard, sent)
	return nil
}

// outcome maps the error of a request, and records what it means for connection and session.
func (ss *session) outcome(ctx context.Context, err error) error {
	err = answerError(ctx, err)
	if errors.Is(err, coord.ErrSessionEnded) {
		ss.end(err) //nolint:contextcheck // the session ends for all, not for this request
		return err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	switch {
	case ss.ended:
		if err != nil {
			err = errors.Join(err, coord.ErrSessionEnded)
		}
	case err == nil || !isUnavailable(err):
		ss.info.Connected, ss.info.Err = true, nil
	case !errors.Is(context.Cause(ctx), context.Canceled): // the caller has given up, so the outcome is unknown
		ss.info.Connected, ss.info.Err = false, &requestError{err}
	}
	return err
}

// end closes Done and throws the client away.
func (ss *session) end(reason error) {
	ss.mu.Lock()
	if ss.ended {
		ss.mu.Unlock()
		return
	}
	ss.ended = true
	ss.info.Connected, ss.info.Err = false, reason
	close(ss.done)
	ss.mu.Unlock()
	ss.stop()
	go func() { _ = ss.Close() }()
}

// Close implements coord.Session.
func (ss *session) Close() error {
	ss.closeOnce.Do(func() {
		ss.mu.Lock()
		revoke := !ss.ended && ss.info.Connected
		ss.ended = true
		ss.info.Connected = false
		ss.mu.Unlock()
		if revoke {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			_, _ = ss.client.Revoke(ctx, ss.lease) // else the lease ends by itself
			cancel()
			close(ss.done)
		} else {
			select {
			case <-ss.done:
			default:
				close(ss.done)
			}
		}
		ss.stop()
		ss.background.Wait()
		_ = ss.client.Close()
	})
	return nil
}

// Info implements coord.Session.
func (ss *session) Info() coord.Info {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.info
}

// Now implements coord.Session.
func (ss *session) Now() time.Duration { return ss.store.clock() }

// Done implements coord.Session.
func (ss *session) Done() <-chan struct{} { return ss.done }

// Renew implements coord.Session: the lease counts from before the sends of a renewal and a
// commit that both were acknowledged.
func (ss *session) Renew(ctx context.Context, op coord.Op) error {
	if op.Kind != coord.KindSet {
		return fmt.Errorf("renew: %w: %s", coord.ErrInvalid, op.Kind)
	}
	if err := ss.alive(ctx); err != nil {
		return fmt.Errorf("renew: %s: %w", op.Key, err)
	}
	sent := ss.Now()
	renewed := make(chan error, 1)
	go func() {
		ctx, cancel := ss.attempt(ctx)
		defer cancel()
		renewed <- ss.renewLease(ctx)
	}()
	_, revision, err := ss.commit(ctx, []coord.Op{op})
	answered := ss.Now()
	rerr := <-renewed
	if err != nil {
		return err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.answers.Answered(revision, answered)
	if rerr != nil { // the commit has succeeded, but it may not have renewed the lease
		ss.store.log.Debug("lease not renewed", "error", rerr)
		return nil
	}
	if !ss.ended {
		ss.info.Base = max(ss.info.Base, sent)
	}
	return nil
}

// Get implements coord.Session.
func (ss *session) Get(ctx context.Context, key string) (coord.Record, error) {
	resp, err := read(ctx, ss, "get", key, dataWatch, func(ctx context.Context) (*clientv3.GetResponse, error) {
		return ss.client.Get(ctx, ss.rooted(key))
	})
	if err != nil {
		return coord.Record{}, err
	}
	if len(resp.Kvs) == 0 {
		return coord.Record{}, fmt.Errorf("get %s: %w", key, coord.ErrNotFound)
	}
	kv := resp.Kvs[0]
	record := coord.Record{Value: kv.Value, Version: kv.Version - 1}
	if kv.Lease != 0 {
		record.Session = fmt.Sprintf("%x", kv.Lease)
	}
	return record, nil
}

// List implements coord.Session.
func (ss *session) List(ctx context.Context, key string) ([]coord.Entry, error) {
	prefix := ss.rooted(key) + "/"
	resp, err := read(ctx, ss, "list", key, childWatch, func(ctx context.Context) (*clientv3.GetResponse, error) {
		return ss.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	})
	if err != nil {
		return nil, err
	}
	var list []coord.Entry
	seen := map[string]bool{}
	for _, kv := range resp.Kvs { // sorted by key, so that a key comes before those below it, and others may lie between them
		name, _, deeper := strings.Cut(string(kv.Key[len(prefix):]), "/")
		if seen[name] {
			continue
		}
		seen[name] = true
		entry := coord.Entry{Name: name}
		if !deeper && sequenced.MatchString(name) {
			entry.Sequence = kv.CreateRevision
		}
		list = append(list, entry)
	}
	return list, nil
}

func (ss *session) rooted(key string) string { return ss.store.cfg.Prefix + key }
