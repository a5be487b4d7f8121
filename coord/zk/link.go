package zk

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/address"
)

// link is the network side of one session: it dials, bounds every wait, and reads from the handshake what the library does
// not pass on (session ID, granted timeout).
type link struct {
	store    *Store
	timeout  atomic.Int64  // session timeout, granted or asked for
	progress atomic.Int64  // lease clock at the last sign of life of the library
	closing  chan struct{} // closed: dial no more
	dead     atomic.Bool   // the session is over: dial no more, but do not return either
	// unanswered: a server accepted the last connection, and sent nothing within the time that it had to answer.
	unanswered atomic.Bool
	granted    func(sessionID int64, timeout, sent time.Duration, server string)

	mu      sync.Mutex
	conn    net.Conn
	err     error            // the last one
	errs    map[string]error // the last one of each server
	attempt int
}

// dial is the library's dialer. For a dead session it blocks until the session is closed:
// an error would make the library try for ever.
func (l *link) dial(_, server string, _ time.Duration) (net.Conn, error) {
	if l.dead.Load() {
		<-l.closing
	}
	select {
	case <-l.closing:
		return nil, net.ErrClosed
	default:
	}
	l.touch()
	l.mu.Lock()
	l.attempt++
	attempt := l.attempt
	l.mu.Unlock()
	if attempt > 2 { // a fleet that lost its servers together must not come back in step
		select {
		case <-l.closing:
			return nil, net.ErrClosed
		case <-time.After(rand.N(500 * time.Millisecond)):
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), max(l.maxSilence()/2, 500*time.Millisecond))
	defer cancel()
	raw, err := l.store.dialRaw(ctx, server)
	if err != nil {
		l.unanswered.Store(false)
		l.fail(server, err)
		return nil, err
	}
	c := &conn{Conn: raw, link: l, server: server, auth: l.store.authPacket()}
	l.mu.Lock()
	l.conn = c
	l.mu.Unlock()
	if l.dead.Load() {
		l.cut()
	}
	return c, nil
}

func (l *link) touch() { l.progress.Store(int64(l.store.clock())) }

// serverError is the reason why a server did not answer, in words for people.
type serverError struct {
	server string
	err    error
}

func (e *serverError) Error() string { return e.server + ": " + address.Reason(e.err) }
func (e *serverError) Unwrap() error { return e.err }

func (l *link) fail(server string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = &serverError{server, err}
	if l.errs == nil {
		l.errs = map[string]error{}
	}
	l.errs[server] = l.err
}

// reasons returns why servers did not answer.
func (l *link) reasons() (list []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, server := range l.store.cfg.Servers {
		if err := l.errs[server]; err != nil {
			list = append(list, err.Error())
		} else {
			list = append(list, server+": no answer yet")
		}
	}
	return list
}

func (l *link) lastError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		return errors.New("no answer yet")
	}
	return l.err
}

// cut closes the present connection.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// maxSilence is the longest silence of a server that the client tolerates. Because of requests and pings, a working server is
// never silent for so long.
func (l *link) maxSilence() time.Duration {
	t := time.Duration(l.timeout.Load())
	return min(t/2, max(7*time.Second, t/3+time.Second))
}

// dialRaw connects to a server, with TLS if it is configured.
func (s *Store) dialRaw(ctx context.Context, server string) (net.Conn, error) {
	if s.cfg.TLS == nil {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", server)
	}
	cfg := s.cfg.TLS.Clone()
	if cfg.ServerName == "" {
		cfg.ServerName, _, _ = net.SplitHostPort(server)
	}
	d := tls.Dialer{Config: cfg}
	return d.DialContext(ctx, "tcp", server)
}

// authPacket is the request that presents the digest identity, nil without one.
func (s *Store) authPacket() []byte {
	if s.cfg.Username == "" {
		return nil
	}
	const authXid, opSetAuth = -4, 100
	var b []byte
	str := func(v string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(v)))
		b = append(b, v...)
	}
	b = binary.BigEndian.AppendUint32(b, 0) // length, set below
	xid := int32(authXid)
	b = binary.BigEndian.AppendUint32(b, uint32(xid))
	b = binary.BigEndian.AppendUint32(b, opSetAuth)
	b = binary.BigEndian.AppendUint32(b, 0) // type, unused by the servers
	str("digest")
	str(s.cfg.Username + ":" + s.cfg.Password)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// conn bounds every read, even if the library sets a very long limit or none, and taps the handshake.
type conn struct {
	net.Conn
	link   *link
	server string
	auth   []byte // sent right after the handshake: the library's own AddAuth can wedge it

	sent  time.Duration // when the handshake was sent
	shook bool
	head  []byte // the first bytes of the answer
}

// handshake bytes: length, protocol, timeout (4 each), session ID (8).
const (
	lengthBytes   = 4
	handshakeHead = 20
)

// mostHandshake bounds the length that an answer to a handshake states. ZooKeeper's answers are 36 and 37 bytes long;
// "HTTP", read as a number, is a gigabyte.
const mostHandshake = 1 << 10

var errStranger = errors.New("the service there is not a ZooKeeper server")

func (c *conn) Write(b []byte) (int, error) {
	if c.sent == 0 {
		c.sent = c.link.store.clock()
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.link.touch()
		c.link.unanswered.Store(false)
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		c.link.unanswered.Store(n == 0 && errors.Is(err, os.ErrDeadlineExceeded))
		c.link.fail(c.server, err)
	}
	if !c.shook && n > 0 {
		c.head = append(c.head, b[:n]...)
		// The library reads the length first and then allocates as much memory, so it must not see the length of a
		// stranger.
		if len(c.head) >= lengthBytes && binary.BigEndian.Uint32(c.head) > mostHandshake {
			c.link.fail(c.server, errStranger)
			return 0, errStranger
		}
		if len(c.head) >= handshakeHead {
			c.shook = true
			if err := c.shake(); err != nil {
				return 0, err
			}
		}
	}
	return n, err
}

// shake reads the answer to the handshake. The library has not seen it yet, so nothing else
// is being written.
func (c *conn) shake() error {
	timeout := time.Duration(int32(binary.BigEndian.Uint32(c.head[8:]))) * time.Millisecond
	id := int64(binary.BigEndian.Uint64(c.head[12:]))
	c.head = nil
	if id == 0 {
		return nil // expired: the library reports it in a moment
	}
	c.link.granted(id, timeout, c.sent, c.server)
	c.link.mu.Lock()
	c.link.attempt = 0
	c.link.mu.Unlock()
	if c.auth == nil {
		return nil
	}
	_, err := c.Conn.Write(c.auth)
	return err
}

func (c *conn) SetReadDeadline(t time.Time) error {
	limit := time.Now().Add(c.link.maxSilence())
	if t.IsZero() || t.After(limit) {
		t = limit
	}
	return c.Conn.SetReadDeadline(t)
}

// fourLetterWord sends one of ZooKeeper's administrative commands.
func (s *Store) fourLetterWord(ctx context.Context, server, word string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := s.dialRaw(ctx, server)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }()
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(io.LimitReader(c, 64<<10))
	return string(answer), err
}

// leastTimeout returns the shortest session timeout that a server grants: it asks for almost none. By default that is two
// ticks, which reveals the tick time if conf is not allowed.
func (s *Store) leastTimeout(ctx context.Context, server string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := s.dialRaw(ctx, server)
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	const connectLength, passwordLength, closeXid, opClose = 44, 16, 1, -11
	ask := binary.BigEndian.AppendUint32(nil, connectLength)
	ask = binary.BigEndian.AppendUint32(ask, 0) // protocol
	ask = binary.BigEndian.AppendUint64(ask, 0) // last transaction seen
	ask = binary.BigEndian.AppendUint32(ask, 1) // timeout, in milliseconds
	ask = binary.BigEndian.AppendUint64(ask, 0) // session: a new one
	ask = binary.BigEndian.AppendUint32(ask, passwordLength)
	ask = append(ask, make([]byte, passwordLength)...)
	if _, err := c.Write(ask); err != nil {
		return 0, err
	}
	var head [handshakeHead]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	end := binary.BigEndian.AppendUint32(nil, 8)
	end = binary.BigEndian.AppendUint32(end, closeXid)
	end = binary.BigEndian.AppendUint32(end, uint32(opClose&0xffffffff))
	_, _ = c.Write(end) // or it ends by itself in a moment
	return time.Duration(int32(binary.BigEndian.Uint32(head[8:]))) * time.Millisecond, nil
}

// checkLeast returns an error if the shortest session timeout of a server is longer than that of a server with that tick
// time.
func checkLeast(server string, least, tick time.Duration) error {
	if least <= 2*tick {
		return nil
	}
	return fmt.Errorf("ZooKeeper at %s grants no session timeout below %v, as a server with tickTime %v does, but zookeeper.tickTime is %v: "+
		"set it to the server's, or leases are counted too long; or allow conf in 4lw.commands.whitelist, if minSessionTimeout is why",
		server, least, least/2, tick)
}

var (
	versionLine = regexp.MustCompile(`(?m)^Zookeeper version: ((\d+)\.(\d+)(?:\.\d+)*)`)
	tickLine    = regexp.MustCompile(`(?m)^tickTime=(\d+)`)
)

// checkVersion refuses a server that is older than 3.5, according to its answer to srvr.
func checkVersion(server, srvr string) error {
	m := versionLine.FindStringSubmatch(srvr)
	if m == nil {
		return nil // the command is not allowed there
	}
	major, _ := strconv.Atoi(m[2])
	minor, _ := strconv.Atoi(m[3])
	if major > 3 || major == 3 && minor >= 5 {
		return nil
	}
	return fmt.Errorf("%w: ZooKeeper at %s is %s; xconsumer needs 3.5 or newer (3.8.6 or 3.9.5 advised)", coord.ErrUnsupported, server, m[1])
}

// checkTick refuses a tick time that is shorter than the server's.
func checkTick(server, conf string, tick time.Duration) error {
	m := tickLine.FindStringSubmatch(conf)
	if m == nil {
		return nil // the command is not allowed there
	}
	ms, _ := strconv.Atoi(m[1])
	if have := time.Duration(ms) * time.Millisecond; have > tick {
		return fmt.Errorf(
			"%w: ZooKeeper at %s has tickTime %v, but zookeeper.tickTime is %v: set it to %v or more, or leases would be counted too long",
			coord.ErrUnsupported,
			server,
			have,
			tick,
			have,
		)
	}
	return nil
}
