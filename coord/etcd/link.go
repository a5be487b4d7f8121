package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/address"
)

// link is the connections of one client. A server that hangs keeps its connection open, and with three
// servers the library goes on sending it every third request. So link closes a connection on which a
// request was not answered in time and nothing else was received.
type link struct {
	clock coord.Clock
	mu    sync.Mutex
	conns map[*conn]bool
}

// conn records when it was last written and read, on the lease clock.
type conn struct {
	net.Conn
	link          *link
	written, read atomic.Int64
}

func (l *link) dial(ctx context.Context, addr string) (net.Conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, link: l}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = true
	return c, nil
}

func (c *conn) Write(b []byte) (int, error) {
	c.written.Store(int64(c.link.clock()))
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.read.Store(int64(c.link.clock()))
	}
	return n, err
}

func (c *conn) Close() error {
	c.link.mu.Lock()
	delete(c.link.conns, c)
	c.link.mu.Unlock()
	return c.Conn.Close()
}

// leave closes the connections that were written to, and not read from, since a moment.
func (l *link) leave(since time.Duration) {
	l.mu.Lock()
	var silent []*conn
	for c := range l.conns {
		if c.written.Load() >= int64(since) && c.read.Load() < int64(since) {
			silent = append(silent, c)
		}
	}
	l.mu.Unlock()
	for _, c := range silent {
		_ = c.Close() // the library dials again, and asks the other servers meanwhile
	}
}

// attempt bounds one request by limit. It leaves a server that does not answer in time.
func (l *link) attempt(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	began := l.clock()
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), limit)
	stop := context.AfterFunc(ctx, func() {
		if l.clock()-began >= limit*9/10 { // else the caller has given up
			l.leave(began)
		}
	})
	return ctx, func() { stop(); cancel() }
}

// connect makes a client of the library. It does not wait for a server, except to log in.
func (s *Store) connect(ctx context.Context) (*clientv3.Client, *link, error) {
	l := &link{clock: s.clock, conns: map[*conn]bool{}}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:   s.cfg.Endpoints,
		DialTimeout: 5 * time.Second, // of the log-in
		// The least that gRPC allows; requests have limits of their own.
		DialKeepAliveTime:    10 * time.Second,
		DialKeepAliveTimeout: 3 * time.Second,
		PermitWithoutStream:  true,
		TLS:                  s.cfg.TLS,
		Username:             s.cfg.Username,
		Password:             s.cfg.Password,
		Logger:               zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(l.dial), grpc.WithConnectParams(grpc.ConnectParams{
			// A fleet that lost its servers together must not come back in step, nor late.
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.4, MaxDelay: time.Second},
			MinConnectTimeout: min(3*time.Second, max(s.cfg.SessionTimeout/3, time.Second)),
		})},
	})
	if err != nil {
		return nil, nil, answerError(ctx, err)
	}
	return client, l, nil
}

// reasons returns why servers do not answer. The library does not report it.
func (s *Store) reasons(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 300*time.Millisecond)
	defer cancel()
	list := make([]string, len(s.cfg.Endpoints))
	var asked sync.WaitGroup
	for i, endpoint := range s.cfg.Endpoints {
		asked.Go(func() { list[i] = endpoint + ": " + unreached(ctx, endpoint) })
	}
	asked.Wait()
	return list
}

// unreached returns why a server did not answer a request: mainly whether it can be reached at all.
func unreached(ctx context.Context, endpoint string) string {
	_, host, _ := strings.Cut(endpoint, "://")
	c, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return address.Reason(err)
	}
	_ = c.Close()
	return "it accepts connections and does not answer as etcd does"
}

// requestTimeout is how long the client waits for the answer to a request. A request that takes longer may
// still be applied. The client repeats it, perhaps with another server, while the lease holds.
func requestTimeout(timeout time.Duration) time.Duration {
	return min(max(timeout/5, time.Second), timeout/2, 5*time.Second)
}

// parseEndpoint completes and checks a client URL.
func parseEndpoint(text string) (string, error) {
	if text == "" {
		return "", errors.New("empty endpoint")
	}
	if err := address.RefuseUserinfo(text); err != nil {
		return "", fmt.Errorf("endpoint %w; they are given as such", err)
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "http", text
	}
	rest = strings.TrimSuffix(rest, "/")
	if scheme != "http" && scheme != "https" || strings.ContainsAny(rest, "/?#") {
		return "", fmt.Errorf("endpoint %q: want a URL such as http://127.0.0.1:2379", text)
	}
	a, err := address.Parse(rest, DefaultPort)
	if err != nil {
		return "", fmt.Errorf("endpoint %w", err)
	}
	return scheme + "://" + a.String(), nil
}

// oldest lists the first good release of each line that has bad ones. Earlier releases ended leases
// that were renewed in time (etcd issues 12528 and 15247), renewed leases that were over (20590), and
// answered reads with old values after a pause (20418).
var oldest = map[[2]int]int{{3, 5}: 28, {3, 6}: 9}

// checkVersion refuses servers on which leases do not hold.
func checkVersion(endpoint, version string) error {
	plain, _, _ := strings.Cut(version, "-")
	var n [3]int
	parts := strings.Split(plain, ".")
	for i := range min(len(parts), 3) {
		n[i], _ = strconv.Atoi(parts[i]) // 0 for a part that is not a number: no good version has that
	}
	line := [2]int{n[0], n[1]}
	first, listed := oldest[line]
	switch {
	case n[0] < 3 || n[0] == 3 && n[1] < 5:
	case listed && n[2] < first:
	default:
		return nil
	}
	return fmt.Errorf(
		"%w: etcd at %s is %s, whose leases can end although they were renewed or be renewed although they ended, "+
			"so that work would run twice: use 3.5.28, 3.6.9, 3.7.0 or newer",
		coord.ErrUnsupported,
		endpoint,
		version,
	)
}
