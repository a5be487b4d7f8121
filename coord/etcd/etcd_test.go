package etcd_test

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/link"
)

func TestMain(m *testing.M) {
	etcdserver.Serve()
	code := m.Run()
	// The failing link is a tool; it may leave a goroutine behind when a connection ends while a
	// fault is put in.
	const tool = "github.com/Shopify/toxiproxy/v2"
	if err := goleak.Find(
		goleak.IgnoreAnyFunction(tool+"/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction(tool+".(*ToxicLink).read"),
		goleak.IgnoreAnyFunction(tool+".(*ToxicLink).write")); err != nil && code == 0 {
		println(err.Error())
		code = 1
	}
	os.Exit(code)
}

// client is an etcd client whose traffic passes a link of its own.
type client struct {
	*etcd.Store
	*link.Link
}

func newClient(t *testing.T, cfg etcd.Config, servers ...string) client {
	t.Helper()
	l := link.New(t, servers...)
	for _, addr := range l.Addrs() {
		cfg.Endpoints = append(cfg.Endpoints, "http://"+addr)
	}
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = 2 * time.Second
	}
	store, err := etcd.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client{store, l}
}

func open(t *testing.T, store coord.Store) coord.Session {
	t.Helper()
	s, err := store.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	server := etcdserver.Start(t, 1)
	coordtest.Run(t, func(t *testing.T) coordtest.Client {
		return newClient(t, etcd.Config{Prefix: "/some/where"}, server.Addrs()...)
	})
}

// raw returns a client of the library that bypasses the code under test.
func raw(t *testing.T, addr string) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + addr}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// The history that a watch has missed may be gone when its link is back: then every watched key must
// be read again.
func TestWatchOutlivesCompaction(t *testing.T) {
	server := etcdserver.Start(t, 1)
	c := newClient(t, etcd.Config{SessionTimeout: time.Minute}, server.Addrs()...)
	s := open(t, c)
	if _, err := s.Commit(t.Context(), coord.Create("/dir/k", nil)); err != nil {
		t.Fatal(err)
	}
	hints := coord.NewHints(s)
	defer hints.Close()
	hints.Watch("/dir/k")
	hints.Watch("/dir")
	look := func() (names []string) {
		t.Helper()
		if _, err := s.Get(t.Context(), "/dir/k"); err != nil && !errors.Is(err, coord.ErrNotFound) {
			t.Fatal(err)
		}
		list, err := s.List(t.Context(), "/dir")
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			names = append(names, e.Name)
		}
		return names
	}
	look()
	c.LoseReplies()
	direct := raw(t, server.Addrs()[0])
	if _, err := direct.Delete(t.Context(), "/dir/k"); err != nil {
		t.Fatal(err)
	}
	put, err := direct.Put(t.Context(), "/dir/l", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := direct.Compact(t.Context(), put.Header.Revision); err != nil {
		t.Fatal(err)
	}
	c.Heal()
	var seen []string
	for deadline := time.After(time.Minute); !slices.Contains(seen, "/dir/k") || !slices.Contains(seen, "/dir"); {
		select {
		case <-hints.C():
			seen = append(seen, hints.Take()...)
		case <-deadline:
			t.Fatalf("hints for %q only", seen)
		}
	}
	if names := look(); !slices.Equal(names, []string{"l"}) {
		t.Errorf("listed %q", names)
	}
	if _, err := s.Commit(t.Context(), coord.Create("/dir/m", nil)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-hints.C(): // the watches are open again
	case <-time.After(time.Minute):
		t.Error("no hint after the compaction")
	}
}

// A lease that an administrator revokes, or a session's key that is deleted, ends the session;
// nothing is written in its name after that.
func TestSessionEndedByOthers(t *testing.T) {
	server := etcdserver.Start(t, 1)
	direct := raw(t, server.Addrs()[0])
	for name, end := range map[string]func(id string) error{
		"its key is deleted": func(id string) error {
			_, err := direct.Delete(t.Context(), etcd.SessionsPrefix+id)
			return err
		},
		"its lease is revoked": func(id string) error {
			kv, err := direct.Get(t.Context(), etcd.SessionsPrefix+id)
			if err == nil {
				_, err = direct.Revoke(t.Context(), clientv3.LeaseID(kv.Kvs[0].Lease))
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, newClient(t, etcd.Config{SessionTimeout: 3 * time.Second}, server.Addrs()...))
			if err := end(s.Info().ID); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Commit(t.Context(), coord.Create("/late/"+s.Info().ID, nil)); !errors.Is(err, coord.ErrSessionEnded) {
				t.Errorf("a commit after that: %v", err)
			}
			select {
			case <-s.Done():
			case <-time.After(time.Minute):
				t.Error("the session goes on")
			}
			if kv, err := direct.Get(t.Context(), "/late/"+s.Info().ID); err != nil || len(kv.Kvs) != 0 {
				t.Errorf("written: %v, %v", kv, err)
			}
		})
	}
}

// The leader of three servers dies: sessions go on with the remaining servers.
func TestLeaderOfServersDies(t *testing.T) {
	t.Parallel()
	servers := etcdserver.Start(t, 3)
	s := open(t, newClient(t, etcd.Config{SessionTimeout: 10 * time.Second}, servers.Addrs()...))
	if _, err := s.Commit(t.Context(), coord.CreateBound("/bound", nil)); err != nil {
		t.Fatal(err)
	}
	hints := coord.NewHints(s)
	defer hints.Close()
	hints.Watch("/bound")
	if _, err := s.Get(t.Context(), "/bound"); err != nil {
		t.Fatal(err)
	}
	servers.Kill(servers.Leader())
	var version int64
	for done := false; !done; {
		r, err := s.Get(t.Context(), "/bound")
		if err != nil {
			t.Fatal(err)
		}
		version = r.Version
		done = s.Renew(t.Context(), coord.Set("/bound", nil, r.Version)) == nil
	}
	select {
	case <-hints.C():
	case <-time.After(time.Minute):
		t.Error("no hint after the servers' leader died")
	}
	if r, err := s.Get(t.Context(), "/bound"); err != nil || r.Version != version+1 || r.Session != s.Info().ID {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestUnreachableServers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := "http://" + l.Addr().String()
	_ = l.Close()
	store, err := etcd.New(etcd.Config{Endpoints: []string{gone}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = store.Open(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), gone) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("open: %v", err)
	}
}

func TestStrangersAreRefused(t *testing.T) {
	server := etcdserver.Start(t, 1)
	admin := raw(t, server.Addrs()[0])
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(admin.UserAdd(t.Context(), "root", "secret"))
	must(admin.UserGrantRole(t.Context(), "root", "root"))
	must(admin.RoleAdd(t.Context(), "fleet"))
	must(admin.RoleGrantPermission(t.Context(), "fleet", "/xconsumer", clientv3.GetPrefixRangeEnd("/xconsumer"), clientv3.PermissionType(clientv3.PermReadWrite)))
	must(admin.UserAdd(t.Context(), "fleet", "pass:word"))
	must(admin.UserGrantRole(t.Context(), "fleet", "fleet"))
	endpoints := []string{"http://" + server.Addrs()[0]}
	open := func() bool {
		t.Helper()
		store, err := etcd.New(etcd.Config{Endpoints: endpoints, Username: "fleet", Password: "pass:word"})
		if err != nil {
			t.Fatal(err)
		}
		open, err := store.OpenToAll(t.Context(), "/xconsumer/c/none")
		if err != nil {
			t.Fatal(err)
		}
		return open
	}
	if !open() {
		t.Error("a username counts although authentication is not enabled")
	}
	must(admin.AuthEnable(t.Context()))
	if open() {
		t.Error("a stranger is let in")
	}
	with := func(user, password string) (coord.Session, error) {
		store, err := etcd.New(etcd.Config{Endpoints: endpoints, Username: user, Password: password})
		if err != nil {
			t.Fatal(err)
		}
		return store.Open(t.Context())
	}
	s, err := with("fleet", "pass:word")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	must(s.Commit(t.Context(), coord.CreateBound("/xconsumer/c/k", nil)))
	if _, err := s.Commit(t.Context(), coord.Create("/elsewhere", nil)); !errors.Is(err, coord.ErrUnauthorized) {
		t.Errorf("a commit outside the role: %v", err)
	}
	if _, err := s.Get(t.Context(), "/elsewhere"); !errors.Is(err, coord.ErrUnauthorized) || !strings.Contains(err.Error(), "/elsewhere") {
		t.Errorf("a read outside the role: %v", err)
	}
	for name, c := range map[string][2]string{"wrong password": {"fleet", "guess"}, "nobody": {}} {
		if _, err := with(c[0], c[1]); !errors.Is(err, coord.ErrUnauthorized) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// oldServer answers with a version, and does nothing else.
type oldServer struct {
	pb.UnimplementedMaintenanceServer
	version string
}

func (s oldServer) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Version: s.version}, nil
}

// One server of a bad version among good ones is enough to refuse them: it may lead.
func TestBadVersionsAreRefused(t *testing.T) {
	good := etcdserver.Start(t, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterMaintenanceServer(server, oldServer{version: "3.5.12"})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	store, err := etcd.New(etcd.Config{Endpoints: []string{"http://" + good.Addrs()[0], "http://" + l.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := store.Open(t.Context()); !errors.Is(err, coord.ErrUnsupported) || !strings.Contains(err.Error(), "3.5.12, whose leases can end although they were renewed") {
			t.Errorf("open: %v", err)
		}
	}
}

// A server that was down when the session was opened is checked and refused when it is up.
func TestBadVersionComesLater(t *testing.T) {
	t.Parallel()
	good := etcdserver.Start(t, 1)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	store, err := etcd.New(etcd.Config{Endpoints: []string{"http://" + good.Addrs()[0], "http://" + addr}, SessionTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, store)
	l, err = net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterMaintenanceServer(server, oldServer{version: "3.5.12"})
	go func() { _ = server.Serve(l) }()
	defer server.Stop()
	select {
	case <-s.Done():
	case <-time.After(time.Minute):
		t.Fatal("the session goes on")
	}
	if err := s.Info().Err; !errors.Is(err, coord.ErrUnsupported) {
		t.Errorf("the session ended with %v", err)
	}
	if _, err := store.Open(t.Context()); !errors.Is(err, coord.ErrUnsupported) {
		t.Errorf("open: %v", err)
	}
}

// A server that led, was paused and wakes may end leases that were renewed meanwhile. In all cases,
// a lease is over before the takeover delay is, also if that counts from the last renewal.
func TestTakeoverDelayOutlastsALease(t *testing.T) {
	t.Parallel()
	servers := etcdserver.Start(t, 3)
	const timeout = 4 * time.Second
	s := open(t, newClient(t, etcd.Config{SessionTimeout: timeout}, servers.Addrs()...))
	if _, err := s.Commit(t.Context(), coord.CreateBound("/hb", nil)); err != nil {
		t.Fatal(err)
	}
	observer := open(t, newClient(t, etcd.Config{SessionTimeout: 10 * timeout}, servers.Addrs()...))
	if _, err := observer.Commit(t.Context(), coord.CreateBound("/own", nil)); err != nil {
		t.Fatal(err)
	}
	led := servers.Leader()
	servers.Pause(led)
	versions := map[string]int64{}
	renewKey := func(s coord.Session, key string) {
		if s.Renew(t.Context(), coord.Set(key, nil, versions[key])) == nil {
			versions[key]++
		} else if r, err := s.Get(t.Context(), key); err == nil {
			versions[key] = r.Version
		}
	}
	renew := func() { renewKey(s, "/hb"); renewKey(observer, "/own") }
	for end := s.Now() + 2*timeout; s.Now() < end; time.Sleep(timeout / 10) {
		renew()
	}
	servers.Resume(led)
	early := false
	for end := s.Now() + timeout; s.Now() < end && !early; time.Sleep(timeout / 10) {
		renew()
		select {
		case <-s.Done():
			early = true
		default:
		}
	}
	info := s.Info()
	left := info.Base + info.Timeout - s.Now()
	t.Logf("the paused leader ended a lease that was renewed: %v; it had %v left", early, left)
	if delay := info.TakeoverDelayAfter(info.Timeout); delay < info.Timeout || left > delay {
		t.Errorf("the takeover delay is %v, a lease lasts %v and had %v left", delay, info.Timeout, left)
	}
	if !early {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	by, err := coord.LastWrite(t.Context(), observer, "/hb")
	t.Logf("the last renewal was committed by %v, the lease counted from %v", by, info.Base)
	if err != nil || by < info.Base || by > observer.Now() {
		t.Errorf("the last renewal was committed by %v (%v), the lease counted from %v", by, err, info.Base)
	}
	if other := open(t, newClient(t, etcd.Config{SessionTimeout: 2 * timeout}, servers.Addrs()...)).Info(); info.TakeoverDelayAfter(other.Timeout) < other.Timeout {
		t.Errorf("of another session, whose timeout is %v, the takeover delay is %v", other.Timeout, info.TakeoverDelayAfter(other.Timeout))
	}
}

// A server that accepts connections and never answers costs requests some time, and no lease: the
// next try may ask another one, and the connection is given up in the end.
func TestHungServerCostsNoLease(t *testing.T) {
	t.Parallel()
	servers := etcdserver.Start(t, 3)
	var endpoints []string
	for _, addr := range servers.Addrs() {
		endpoints = append(endpoints, "http://"+addr)
	}
	const timeout = 6 * time.Second
	store, err := etcd.New(etcd.Config{Endpoints: endpoints, SessionTimeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, store)
	if _, err := s.Commit(t.Context(), coord.CreateBound("/hb", nil)); err != nil {
		t.Fatal(err)
	}
	hung := (servers.Leader() + 1) % 3
	servers.Pause(hung)
	defer servers.Resume(hung)
	least := timeout
	var version int64
	failed := 0
	for end := s.Now() + 4*timeout; s.Now() < end; {
		if err := s.Renew(t.Context(), coord.Set("/hb", nil, version)); err == nil {
			version++
			time.Sleep(timeout / 8)
		} else {
			failed++
			r, err := s.Get(t.Context(), "/hb")
			if err != nil {
				t.Fatal(err)
			}
			version = r.Version
			time.Sleep(s.Info().Spacing)
		}
		least = min(least, s.Info().Base+timeout-s.Now())
	}
	t.Logf("%d of %d renewals failed; the lease was never shorter than %v of %v", failed, int(version)+failed, least, timeout)
	if least <= 0 {
		t.Error("the lease lapsed")
	}
}
