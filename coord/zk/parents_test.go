package zk_test

import (
	"errors"
	"testing"
	"time"

	gozk "github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// Parents deep down go when the last key below them has gone, and are made again; those above stay.
func TestEmptyParentsGo(t *testing.T) {
	server := zkserver.Start(t, 1)
	s, err := newClient(t, zk.Config{Chroot: "/some/where", SessionTimeout: 4 * time.Second}, server.Addrs()...).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	conn, _, err := gozk.Connect(server.Addrs(), 4*time.Second, gozk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		if _, err := s.Commit(t.Context(), coord.Create("/a/b/c/d/e", nil), coord.Create("/a/b/f/g", nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(t.Context(), coord.Delete("/a/b/c/d/e", 0), coord.Delete("/a/b/f/g", 0)); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			there, _, err := conn.Exists("/some/where/a/b/c/d")
			if err != nil {
				t.Fatal(err)
			}
			if !there {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("an empty parent stays")
			}
		}
		for _, parent := range []string{"/a/b/c", "/a/b/f"} {
			if _, err := s.Get(t.Context(), parent); err != nil {
				t.Errorf("%s: %v", parent, err)
			}
		}
		if _, err := s.Get(t.Context(), "/a/b/c/d"); !errors.Is(err, coord.ErrNotFound) {
			t.Errorf("it is reported to exist: %v", err)
		}
	}
}
