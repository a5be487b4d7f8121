package zk_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gozk "github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/link"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

func TestMain(m *testing.M) {
	// The failing link is a tool; it may leave a goroutine behind when a connection ends while a
	// fault is put in.
	const tool = "github.com/Shopify/toxiproxy/v2"
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction(tool+"/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction(tool+".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(tool+".(*ToxicLink).write"))
}

// client is a ZooKeeper client whose traffic passes a link of its own.
type client struct {
	*zk.Store
	*link.Link
}

func newClient(t *testing.T, cfg zk.Config, servers ...string) client {
	t.Helper()
	l := link.New(t, servers...)
	cfg.Servers = l.Addrs()
	cfg.TickTime = zkserver.Tick
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 2 * time.Second
	}
	store, err := zk.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client{store, l}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	coordtest.Run(t, func(t *testing.T) coordtest.Client {
		return newClient(t, zk.Config{Chroot: "/some/where"}, server.Addrs()...)
	})
}

// answer is a server that answers four-letter words from a table, and nothing else.
func answer(t *testing.T, answers map[string]string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			word := make([]byte, 4)
			if _, err := io.ReadFull(c, word); err == nil {
				_, _ = io.WriteString(c, answers[string(word)])
			}
			_ = c.Close()
		}
	})
	return l.Addr().String()
}

func TestUnsupportedServers(t *testing.T) {
	for _, c := range []struct {
		name    string
		answers map[string]string
		want    string
	}{
		{"too old", map[string]string{"srvr": "Zookeeper version: 3.4.13-5--1, built on x\nMode: standalone\n"}, "is 3.4.13;"},
		{"longer ticks", map[string]string{"srvr": "Zookeeper version: 3.8.0-1, built on x\nMode: standalone\n", "conf": "clientPort=2181\ntickTime=3000\n"}, "has tickTime 3s, but zookeeper.tickTime is 200ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := zk.New(zk.Config{Servers: []string{answer(t, c.answers)}, TickTime: zkserver.Tick})
			if err != nil {
				t.Fatal(err)
			}
			_, err = store.Open(t.Context())
			want, _, _ := strings.Cut(c.want, ",")
			if !errors.Is(err, coord.ErrUnsupported) || !strings.Contains(err.Error(), want) {
				t.Errorf("open: %v; want %q", err, want)
			}
		})
	}
}

// A server that does not allow conf, as by default, reveals by the sessions that it grants that its ticks are longer
// than those that leases are counted with.
func TestLongerTicksAreSeenWithoutConf(t *testing.T) {
	server := zkserver.Start(t, 1, fmt.Sprintf("tickTime=%d", 2*zkserver.Tick.Milliseconds()), "4lw.commands.whitelist=srvr")
	for _, c := range []struct {
		tick time.Duration
		warn bool
	}{{zkserver.Tick, true}, {2 * zkserver.Tick, false}} {
		var log bytes.Buffer
		store, err := zk.New(zk.Config{Servers: server.Addrs(), TickTime: c.tick, SessionTimeout: 4 * time.Second, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if strings.Contains(log.String(), "tick time may be longer") != c.warn {
			t.Errorf("with tickTime %v: %s", c.tick, &log)
		}
		list := store.Inspect(t.Context())
		if len(list) != 1 || list[0].Tick != 0 || list[0].Least != 4*zkserver.Tick || (list[0].Longer != nil) != c.warn {
			t.Errorf("with tickTime %v: %+v", c.tick, list)
		}
	}
}

func TestUnreachableServers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	store, err := zk.New(zk.Config{Servers: []string{gone, "127.0.0.1:1"}, TickTime: zkserver.Tick, SessionTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = store.Open(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("open: %v", err)
	}
}

func TestDigestACLsAreOnEveryZnode(t *testing.T) {
	server := zkserver.Start(t, 1)
	open := func(cfg zk.Config) coord.Session {
		s, err := newClient(t, cfg, server.Addrs()...).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	owner := open(zk.Config{Chroot: "/secret/root", Username: "fleet", Password: "pass:word"})
	if _, err := owner.Commit(t.Context(), coord.Create("/a/b/c", []byte("x")), coord.CreateBound("/a/bound", nil), coord.CreateSequenced("/a/q/n_", nil)); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]zk.Config{
		"nobody":         {Chroot: "/secret/root"},
		"wrong password": {Chroot: "/secret/root", Username: "fleet", Password: "guess"},
	} {
		s := open(cfg)
		if _, err := s.Get(t.Context(), "/a/b/c"); !errors.Is(err, coord.ErrUnauthorized) || !strings.Contains(err.Error(), "/a/b/c") {
			t.Errorf("%s reads: %v", name, err)
		}
		_, err := s.Commit(t.Context(), coord.Set("/a/b/c", nil, 0))
		if failed, ok := coord.FailedCheck(err); !ok || !errors.Is(err, coord.ErrUnauthorized) || failed.Op.Key != "/a/b/c" {
			t.Errorf("%s writes: %v", name, err)
		}
		if _, err := s.Commit(t.Context(), coord.Create("/a/new", nil)); !errors.Is(err, coord.ErrUnauthorized) {
			t.Errorf("%s creates: %v", name, err)
		}
	}
	// The identity is presented again with every connection.
	raw, events, err := gozk.Connect(server.Addrs(), 2*time.Second, gozk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		raw.Close()
		for range events { // until the client's loop has ended
		}
	}()
	if err := raw.AddAuth("digest", []byte("fleet:pass:word")); err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(path string)
	walk = func(path string) {
		acl, _, err := raw.GetACL(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(path, "/secret") {
			seen++
			if len(acl) != 1 || acl[0].Scheme != "digest" || acl[0].Perms != gozk.PermAll || !strings.HasPrefix(acl[0].ID, "fleet:") {
				t.Errorf("%s: %+v", path, acl)
			}
		}
		children, _, err := raw.Children(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, child := range children {
			if path == "/" && child == "zookeeper" {
				continue
			}
			walk(strings.TrimSuffix(path, "/") + "/" + child)
		}
	}
	walk("/")
	if seen != 8 { // /secret, root, a, b, c, bound, q, n_…
		t.Errorf("%d znodes were seen", seen)
	}
}

func TestDigestSurvivesReconnect(t *testing.T) {
	server := zkserver.Start(t, 1)
	c := newClient(t, zk.Config{Username: "fleet", Password: "p"}, server.Addrs()...)
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Commit(t.Context(), coord.Create("/k", nil)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Drop()
		if _, err := s.Get(t.Context(), "/k"); err != nil {
			t.Fatal(err)
		}
	}
}

// tlsFront puts TLS in front of a server and returns its address and a pool that trusts it.
func tlsFront(t *testing.T, upstream string) (addr string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	roots.AddCert(cert)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer func() { _ = c.Close() }()
				up, err := net.Dial("tcp", upstream)
				if err != nil {
					return
				}
				serving.Go(func() {
					_, _ = io.Copy(c, up)
					_ = c.Close()
				})
				_, _ = io.Copy(up, c)
				_ = up.Close()
			})
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "localhost:" + port, roots
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	addr, roots := tlsFront(t, server.Addrs()[0])
	open := func(servers []string, cfg *tls.Config) (coord.Session, error) {
		store, err := zk.New(zk.Config{Servers: servers, TickTime: zkserver.Tick, SessionTimeout: 2 * time.Second, TLS: cfg})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		return store.Open(ctx)
	}
	s, err := open([]string{addr}, &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), coord.Create("/over/tls", nil)); err != nil {
		t.Error(err)
	}
	_ = s.Close()
	if _, err := open([]string{addr}, &tls.Config{}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server that is not trusted: %v", err)
	}
	// The name is the configured one, not that of the address.
	if _, err := open([]string{strings.Replace(addr, "localhost", "127.0.0.1", 1)}, &tls.Config{RootCAs: roots}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a server of another name: %v", err)
	}
}

// A server that accepts connections and never answers must not cost the session.
func TestHungServerIsLeft(t *testing.T) {
	t.Parallel()
	ensemble := zkserver.Start(t, 3)
	for i := range 2 { // either is the one that the client is connected to, most of the time
		store, err := zk.New(zk.Config{Servers: ensemble.Addrs(), TickTime: zkserver.Tick, SessionTimeout: 4 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), coord.CreateBound(fmt.Sprintf("/hung/%d", i), nil)); err != nil {
			t.Fatal(err)
		}
		on := slices.Index(ensemble.Addrs(), s.Info().Server)
		if on == ensemble.Leader() {
			_ = s.Close() // pausing the leader is an outage, which is another test
			continue
		}
		ensemble.Pause(on)
		r, err := s.Get(t.Context(), fmt.Sprintf("/hung/%d", i))
		ensemble.Resume(on)
		if err != nil || r.Session != s.Info().ID || s.Info().Server == ensemble.Addrs()[on] {
			t.Errorf("read after the server hung: %+v, %v, from %s", r, err, s.Info().Server)
		}
		_ = s.Close()
	}
}

// A server that is not ZooKeeper, such as a web server on a mistyped port, is reported as such.
func TestStrangerAnswers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
			_, _ = io.Copy(io.Discard, c) // until the client is gone: unread data reset a connection when it is closed
			_ = c.Close()
		}
	})
	store, err := zk.New(zk.Config{Servers: []string{l.Addr().String()}, SessionTimeout: 2 * time.Second, TickTime: zkserver.Tick})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	s, err := store.Open(ctx)
	if err == nil {
		_ = s.Close()
		t.Fatalf("a session of %v", s.Info().Timeout)
	}
	if reason := coord.Reason(err); !strings.Contains(reason, "not a ZooKeeper") {
		t.Errorf("%s", reason)
	}
}

// A server that receives the client's requests, and whose answers are lost, keeps the session alive for as long as the
// client connects again. The session reports that, and ends once it is closed. It is distinguished from an outage.
func TestUnanswered(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	const timeout = 4 * time.Second // much shorter ones end between two attempts to connect
	deaf := newClient(t, zk.Config{SessionTimeout: timeout}, server.Addrs()...)
	s, err := deaf.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), coord.CreateBound("/deaf", nil)); err != nil {
		t.Fatal(err)
	}
	other, err := newClient(t, zk.Config{}, server.Addrs()...).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	if s.Info().Unanswered {
		t.Error("a session in order is unanswered")
	}
	deaf.LoseReplies()
	time.Sleep(3 * timeout) // the fault itself
	if info := s.Info(); !info.Unanswered || info.Connected {
		t.Errorf("unanswered %v, connected %v", info.Unanswered, info.Connected)
	}
	if _, err := other.Get(t.Context(), "/deaf"); err != nil {
		t.Errorf("its session has ended by itself: %v", err)
	}
	_ = s.Close()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err = other.Get(t.Context(), "/deaf")
		if errors.Is(err, coord.ErrNotFound) {
			break
		}
		if err != nil || time.Now().After(end) {
			t.Fatalf("its session goes on: %v", err)
		}
	}
	gone := newClient(t, zk.Config{SessionTimeout: timeout}, server.Addrs()...)
	s, err = gone.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	server.Kill(0)
	for end := time.Now().Add(4 * timeout); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if s.Info().Unanswered {
			t.Fatal("a service that is away is taken for one that hears and does not answer")
		}
	}
}

func TestParseHosts(t *testing.T) {
	for _, c := range []struct {
		hosts, chroot string
		servers       []string
	}{
		{"127.0.0.1:2181", "", []string{"127.0.0.1:2181"}},
		{"zk", "", []string{"zk:2181"}},
		{"a:1, b,c:3/x/y/", "/x/y", []string{"a:1", "b:2181", "c:3"}},
		{"[::1]:2181", "", []string{"[::1]:2181"}},
		{"a/", "", []string{"a:2181"}},
	} {
		servers, chroot, err := zk.ParseHosts(c.hosts)
		if err != nil || chroot != c.chroot || !slices.Equal(servers, c.servers) {
			t.Errorf("%q: %q, %q, %v", c.hosts, servers, chroot, err)
		}
	}
	for _, bad := range []string{"", ",", "a,,b", ":2181", "a:", "a/b,c", "a//b", "a/b/../c", "::1:2181", "a b"} {
		if servers, chroot, err := zk.ParseHosts(bad); err == nil {
			t.Errorf("%q: %q, %q", bad, servers, chroot)
		}
	}
}

// One committed write proves nothing, since the leader may not have recorded it: the lease counts from the write before
// it, if that is far enough away.
func TestLeaseCountsFromThePreviousWrite(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	const tick = time.Second
	store, err := zk.New(zk.Config{Servers: server.Addrs(), TickTime: tick, SessionTimeout: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	before := coord.LeaseClock()()
	s, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Commit(t.Context(), coord.CreateBound("/hb", nil)); err != nil {
		t.Fatal(err)
	}
	if s.Info().Spacing != 700*time.Millisecond {
		t.Errorf("spacing %v", s.Info().Spacing)
	}
	version := int64(0)
	renew := func() (sent, answered time.Duration) {
		t.Helper()
		sent = s.Now()
		if err := s.Renew(t.Context(), coord.Set("/hb", nil, version)); err != nil {
			t.Fatal(err)
		}
		version++
		return sent, s.Now()
	}
	connect := s.Info().Base
	if connect < before || connect > s.Now() {
		t.Errorf("base %v; connected between %v and %v", connect, before, s.Now())
	}
	time.Sleep(s.Info().Spacing)
	sent, answered := renew()
	if base := s.Info().Base; base != connect {
		t.Errorf("after one write the base is %v; want %v, when it connected", base, connect)
	}
	renew()
	if base := s.Info().Base; base != connect {
		t.Errorf("after two writes at once the base is %v; want %v", base, connect)
	}
	time.Sleep(s.Info().Spacing)
	renew()
	if base := s.Info().Base; base < sent || base > answered {
		t.Errorf("after a confirmed write the base is %v; that write was sent between %v and %v", base, sent, answered)
	}
}

// After a reconnect every watched key is hinted at, though nothing has changed: the library may not have set all its
// watches at the server.
func TestReconnectHintsAtEverything(t *testing.T) {
	t.Parallel()
	ensemble := zkserver.Start(t, 1)
	c := newClient(t, zk.Config{SessionTimeout: 4 * time.Second}, ensemble.Addrs()...)
	s, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	hinted := make(chan string, 100)
	for _, key := range []string{"/a", "/b"} {
		defer s.Watch(key, func() { hinted <- key })()
		if _, err := s.Get(t.Context(), key); !errors.Is(err, coord.ErrNotFound) {
			t.Fatal(err)
		}
	}
	select {
	case key := <-hinted:
		t.Errorf("a hint at %s before anything happened", key)
	case <-time.After(1500 * time.Millisecond):
	}
	c.Drop()
	missing := map[string]bool{"/a": true, "/b": true}
	for limit := time.After(time.Minute); len(missing) > 0; {
		select {
		case key := <-hinted:
			delete(missing, key)
		case <-limit:
			t.Fatalf("no hints at %v", missing)
		}
	}
}
