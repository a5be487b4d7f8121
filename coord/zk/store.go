// Package zk is the ZooKeeper backend of coord.
//
// # The model
//
// A session is one go-zookeeper connection and never becomes another session: when ZooKeeper reports that it expired, the
// dialer refuses to connect again, Done is closed and the connection is thrown away. (Left alone, the client library opens
// a new session on the same connection and carries queued requests over into it.)
//
// Keys are znodes below the chroot; a bound key is an ephemeral znode, a sequenced one
// an ephemeral sequential znode. A version is the znode's data version. Missing parents
// are created as needed. With a user name every znode that is created, parents included,
// is open to that digest identity only.
//
// # The lease
//
// ZooKeeper counts a session from the last time its leader heard of it, and a server that is cut off from the leader goes
// on answering pings and reads. So only committed writes count, and one is not enough: the commit proves that the session
// was alive, not that the leader has recorded the touch, which a follower relays up to half a tick later. [session.Renew]
// therefore counts a write's send time only once a second write, sent at least tickTime/2 + 0.2 s after the first one's
// answer, has committed too.
//
// SASL (Kerberos) is not supported.
package zk

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/address"
)

// Defaults of Config.
const (
	DefaultPort           = 2181
	DefaultSessionTimeout = 20 * time.Second
	DefaultTickTime       = 2 * time.Second
)

// Config describes how to reach an ensemble.
type Config struct {
	// Servers are the client addresses of the ensemble, each as "host:port". Names are resolved
	// again at every connection attempt.
	Servers []string
	// Chroot is the znode below which everything is kept, "" for the root.
	Chroot string
	// SessionTimeout is the requested session timeout; servers grant between 2 and 20 ticks.
	SessionTimeout time.Duration
	// TickTime must not be below the servers' own: leases are counted with it.
	TickTime time.Duration
	// Username and Password are a digest identity. With one, only that identity may use the znodes that are created. It
	// travels in the clear unless TLS is set.
	Username, Password string
	// TLS, if set, is used for every connection. An empty ServerName is filled with the
	// name of the server that is dialled.
	TLS *tls.Config
	// Logger receives the messages of the client; nil discards them.
	Logger *slog.Logger
}

// ParseHosts splits "host1:2181,host2/chroot" into its servers and chroot. The error joins all mistakes.
func ParseHosts(hosts string) (servers []string, chroot string, err error) {
	if scheme, rest, found := strings.Cut(hosts, "://"); found {
		if err := address.RefuseUserinfo(rest); err != nil {
			return nil, "", err
		}
		return nil, "", fmt.Errorf("%q: leave out %q: write it as %q", hosts, scheme+"://", strings.TrimSuffix(rest, "/"))
	}
	list, rest, found := strings.Cut(hosts, "/")
	if found && rest != "" {
		chroot = "/" + strings.TrimSuffix(rest, "/")
		if parts := strings.FieldsFunc(
			rest,
			func(r rune) bool { return r == '/' },
		); strings.Contains("/"+rest, "//") &&
			!strings.Contains(rest, ",") {
			return nil, "", fmt.Errorf(
				"chroot %q: one slash stands between two names: write it as %q",
				"/"+rest,
				strings.Join(append([]string{list}, parts...), "/"),
			)
		}
		if strings.Contains(chroot, ",") {
			return nil, "", fmt.Errorf("chroot %q: it follows the last server once, as in \"h1:2181,h2:2181/path\"", chroot)
		}
		for name := range strings.SplitSeq(chroot[1:], "/") {
			if name == "." || name == ".." {
				return nil, "", fmt.Errorf("chroot %q: ZooKeeper takes neither . nor .. as a name; write the whole path", chroot)
			}
		}
	}
	var errs []error
	for server := range strings.SplitSeq(list, ",") {
		server = strings.TrimSpace(server)
		if server == "" {
			errs = append(errs, fmt.Errorf("empty server name in %q", hosts))
			continue
		}
		a, err := address.Parse(server, DefaultPort)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		servers = append(servers, a.String())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, "", err
	}
	return servers, chroot, nil
}

// Store opens sessions with one ensemble.
type Store struct {
	cfg   Config
	log   *slog.Logger
	clock coord.Clock
	acl   []zk.ACL

	mu     sync.Mutex
	probed bool
}

// New returns a store. It does not connect.
func New(cfg Config) (*Store, error) {
	if len(cfg.Servers) == 0 {
		return nil, fmt.Errorf("zookeeper: no server given")
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = DefaultSessionTimeout
	}
	if cfg.TickTime == 0 {
		cfg.TickTime = DefaultTickTime
	}
	if cfg.SessionTimeout < 2*time.Millisecond || cfg.TickTime < time.Millisecond {
		return nil, fmt.Errorf("zookeeper: session timeout %v with tick time %v is impossible", cfg.SessionTimeout, cfg.TickTime)
	}
	s := &Store{cfg: cfg, log: cfg.Logger, clock: coord.LeaseClock(), acl: zk.WorldACL(zk.PermAll)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Username != "" {
		s.acl = zk.DigestACL(zk.PermAll, cfg.Username, cfg.Password)
	}
	return s, nil
}

// Spacing is how far apart two writes must be for the second to prove the first.
func Spacing(tick time.Duration) time.Duration { return tick/2 + 200*time.Millisecond }

// Expiry is how much later than its timeout a session may end, as servers with that tick time see it: a follower relays
// the sessions that it has heard up to half a tick late, and the leader checks once a tick.
func Expiry(tick time.Duration) time.Duration { return tick * 3 / 2 }

// Open implements coord.Store.
func (s *Store) Open(ctx context.Context) (coord.Session, error) {
	if err := s.probe(ctx); err != nil {
		return nil, err
	}
	ss := newSession(s)
	conn, events, err := zk.Connect(s.cfg.Servers, s.cfg.SessionTimeout,
		zk.WithDialer(ss.link.dial),
		zk.WithHostProvider(newHosts(s.cfg.Servers)),
		zk.WithEventCallback(ss.event),
		zk.WithLogger(logAdapter{s.log}),
		zk.WithLogInfo(false))
	if err != nil {
		return nil, fmt.Errorf("zookeeper: %w", err)
	}
	ss.conn, ss.events = conn, events
	close(ss.opened)
	go ss.watchdog()
	select {
	case <-ss.established:
		return ss, nil
	case <-ss.done:
		err = ss.Info().Err
	case <-ctx.Done():
		err = ctx.Err()
	}
	reasons := ss.link.reasons()
	_ = ss.Close() // no session exists yet
	return nil, &coord.UnansweredError{Service: "ZooKeeper", Reasons: reasons, Err: err}
}

// probe asks the servers once for their versions and tick times, as far as they answer. It refuses those with which leases
// would not hold.
func (s *Store) probe(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.probed {
		return nil
	}
	var failed []error
	for _, server := range s.cfg.Servers {
		answer, err := s.fourLetterWord(ctx, server, "srvr")
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if err := checkVersion(server, answer); err != nil {
			return err
		}
		conf, err := s.fourLetterWord(ctx, server, "conf")
		if err == nil && tickLine.MatchString(conf) {
			if err := checkTick(server, conf, s.cfg.TickTime); err != nil {
				return err
			}
		} else if least, err := s.leastTimeout(ctx, server); err == nil { // it does not allow conf, as by default
			if err := checkLeast(server, least, s.cfg.TickTime); err != nil {
				s.log.Warn("the servers' tick time may be longer than the one that leases are counted with", "reason", err)
			}
		}
		s.probed = true
		return nil
	}
	s.log.Debug("the version of zookeeper is not known", "error", errors.Join(failed...))
	return nil
}

// hosts returns server names in a random order, without resolving them. It reports the end of a round, after which the
// library pauses for a second.
type hosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	fresh   bool // a server answered since the round began
}

func newHosts(servers []string) *hosts {
	servers = slices.Clone(servers)
	rand.Shuffle(len(servers), func(i, j int) { servers[i], servers[j] = servers[j], servers[i] })
	return &hosts{servers: servers, fresh: true}
}

func (h *hosts) Init([]string) error { return nil }

func (h *hosts) Len() int { return len(h.servers) }

func (h *hosts) Next() (server string, retryStart bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == len(h.servers) {
		h.next = 0
		retryStart = !h.fresh
		h.fresh = false
	}
	server = h.servers[h.next]
	h.next++
	return server, retryStart
}

func (h *hosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fresh = true
}

// logAdapter passes the library's messages to slog. Each is about a connection that the library goes on to repair.
type logAdapter struct{ log *slog.Logger }

func (l logAdapter) Printf(format string, args ...any) {
	l.log.Debug("zookeeper client", "text", fmt.Sprintf(format, args...))
}
