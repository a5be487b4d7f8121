// Package etcd is the etcd backend of coord.
//
// # The model
//
// A session is one lease and one client, and never becomes another session: when etcd reports that the lease is
// gone, Done is closed and the client is thrown away. A key of the session, below [SessionsPrefix], lives as long
// as the lease; every commit checks that it is still the one that the session created. So nothing is written in the
// name of a session that is over, no matter how late a request arrives.
//
// Keys are etcd keys below the configured prefix; a bound key is attached to the session's lease; a sequenced one
// also has a unique name, and is ordered by its create revision. A version is etcd's version of the key less one.
// Absence is proven by create revision 0.
//
// # The lease
//
// etcd's leader counts a lease from the last renewal that it received, and a new leader gives
// every lease its full time again; so the send of a renewal that was acknowledged is a moment
// from which the lease lasts its TTL. The client library's own deadlines count from the reply
// and are checked once a second: they are not used. A renewal here is one KeepAliveOnce and one
// checked commit, both timed from before the first send. Versions of etcd that let live leases
// end, or renewed dead ones, are refused.
//
// The end of a lease still proves little. An etcd leader that was paused and wakes ends leases that were renewed
// meanwhile at another leader: it asks whether it still leads only if it has not ticked for three ticks, and its
// ticker wakes first. Hence the takeover delay is the whole TTL of the lease that is gone, regardless of the TTL of
// the leader's own lease. Every renewal writes a key at the version that it last read, and that key is deleted with
// the lease. So no renewal is newer than the deletion.
//
// The delay may count from the last renewal instead of from the deletion, which saves a TTL where a machine is lost. etcd shows a
// key as it was at a former revision, so the last one at which the key existed is found. Every session remembers which revisions the
// answers to its own renewals have shown, and when they arrived. The first one that shows the last renewal of the other session
// arrived after that had been committed, and the other lease counts from before. See [coord.Historian].
package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
)

// Defaults and facts of the backend.
const (
	DefaultPort           = 2379
	DefaultSessionTimeout = 10 * time.Second
	// Spacing is how soon a failed renewal is tried again.
	Spacing = 200 * time.Millisecond
	// Expiry is how long etcd may take to notice that a lease is over: it looks every half second.
	Expiry = time.Second
	// SessionsPrefix is where the keys of the sessions are, below the configured prefix.
	SessionsPrefix = "/xconsumer.sessions/"
)

// Config is how to reach a cluster of etcd servers.
type Config struct {
	// Endpoints are client URLs, "http://host:2379"; those without a scheme are http, or
	// https with TLS.
	Endpoints []string
	// Prefix is put before every key; "" for none.
	Prefix string
	// SessionTimeout is the lease that is asked for, in whole seconds, rounded up; etcd grants
	// no less than one and a half election timeouts.
	SessionTimeout time.Duration
	// Username and Password authenticate, if set.
	Username, Password string
	// TLS is used for https endpoints; it may hold a client certificate.
	TLS *tls.Config
	// Logger receives the messages of the client; nil discards them.
	Logger *slog.Logger
}

// ParseEndpoints splits "http://h1:2379,h2:2379" into endpoints, adding http and port 2379
// where they are missing. The error joins all mistakes.
func ParseEndpoints(list string) ([]string, error) {
	var endpoints []string
	var errs []error
	for text := range strings.SplitSeq(list, ",") {
		endpoint, err := parseEndpoint(strings.TrimSpace(text))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		endpoints = append(endpoints, endpoint)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return endpoints, nil
}

// Store opens sessions with one etcd cluster.
type Store struct {
	cfg   Config
	log   *slog.Logger
	clock coord.Clock

	mu      sync.Mutex
	probed  map[string]bool // endpoints whose version was found to be good
	refused error           // because of the version of another endpoint
}

// New returns a store. It does not connect.
func New(cfg Config) (*Store, error) {
	if len(cfg.Endpoints) == 0 {
		return nil, fmt.Errorf("etcd: no endpoint given")
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = DefaultSessionTimeout
	}
	if cfg.SessionTimeout < 0 {
		return nil, fmt.Errorf("etcd: session timeout %v is impossible", cfg.SessionTimeout)
	}
	s := &Store{cfg: cfg, log: cfg.Logger, clock: coord.LeaseClock(), probed: map[string]bool{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s, nil
}

// Open implements coord.Store.
func (s *Store) Open(ctx context.Context) (coord.Session, error) {
	client, link, err := s.connect(ctx)
	if err != nil {
		return nil, s.openError(ctx, err)
	}
	ss, err := s.open(ctx, client, link)
	if err != nil {
		_ = client.Close()
		return nil, s.openError(ctx, err)
	}
	return ss, nil
}

// openError returns why no session was opened.
func (s *Store) openError(ctx context.Context, err error) error {
	if !isUnavailable(err) {
		return fmt.Errorf("etcd: %w", err)
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx) // no request with an outcome was sent
	}
	return &coord.UnansweredError{Service: "etcd", Reasons: s.reasons(ctx), Err: err}
}

// open grants a lease and creates the session's key.
func (s *Store) open(ctx context.Context, client *clientv3.Client, link *link) (*session, error) {
	if err := s.probe(ctx, client); err != nil {
		return nil, err
	}
	lease, base, err := s.grant(ctx, client, link)
	if err != nil {
		return nil, err
	}
	ss := newSession(s, client, link, lease.ID, coord.Info{
		ID:            strconv.FormatInt(int64(lease.ID), 16),
		Timeout:       time.Duration(lease.TTL) * time.Second,
		Spacing:       Spacing,
		TakeoverDelay: coord.OwnTimeout,
		Base:          base,
		Connected:     true,
		Server:        strings.Join(s.cfg.Endpoints, ","),
	})
	attempt, cancel := ss.attempt(ctx)
	made, err := client.Put(attempt, ss.mark, "{}", clientv3.WithLease(lease.ID))
	err = answerError(attempt, err)
	cancel()
	if err != nil {
		ss.cancel()
		return nil, err // the lease ends by itself; no key depends on it
	}
	ss.created = made.Header.Revision
	ss.answers.Answered(ss.created, ss.Now())
	ss.background.Go(ss.keepAlive)
	ss.background.Go(ss.checkRest)
	return ss, nil
}

// grant asks for a lease until it has one. A superfluous lease ends by itself. The service counts the full time
// from the grant, which comes later than base.
func (s *Store) grant(
	ctx context.Context,
	client *clientv3.Client,
	link *link,
) (lease *clientv3.LeaseGrantResponse, base time.Duration, err error) {
	for {
		base = s.clock()
		attempt, cancel := link.attempt(ctx, requestTimeout(s.cfg.SessionTimeout))
		lease, err = client.Grant(attempt, int64((s.cfg.SessionTimeout+time.Second-1)/time.Second))
		err = answerError(attempt, err)
		cancel()
		if err == nil || !isUnavailable(err) || ctx.Err() != nil {
			return lease, base, err
		}
		select { // refused at once: do not spin
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// probe asks the servers for their versions until one has answered, and refuses servers whose leases cannot be
// trusted. Sessions ask the others again: see checkRest.
func (s *Store) probe(ctx context.Context, client *clientv3.Client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused != nil || len(s.probed) > 0 {
		return s.refused
	}
	return s.ask(ctx, client)
}

// ask asks the servers that have not answered yet for their versions. It fails if one must be refused, or if none
// has ever answered. The caller holds mu.
func (s *Store) ask(ctx context.Context, client *clientv3.Client) error {
	type answer struct {
		endpoint string
		version  string
		err      error
	}
	answers := make(chan answer, len(s.cfg.Endpoints))
	asked := 0
	for _, endpoint := range s.cfg.Endpoints {
		if s.probed[endpoint] {
			continue
		}
		asked++
		go func() {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			status, err := client.Status(ctx, endpoint)
			if err != nil {
				answers <- answer{err: err}
				return
			}
			answers <- answer{endpoint: endpoint, version: status.Version}
		}()
	}
	var failed error
	for range asked {
		a := <-answers
		if a.err != nil {
			failed = a.err
			continue
		}
		if err := checkVersion(a.endpoint, a.version); err != nil {
			s.refused = errors.Join(s.refused, err)
			continue
		}
		s.probed[a.endpoint] = true
	}
	if s.refused == nil && len(s.probed) == 0 {
		return answerError(ctx, failed)
	}
	return s.refused
}
