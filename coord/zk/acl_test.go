package zk_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gozk "github.com/go-zookeeper/zk"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// share lets everybody read a znode and create others below it, as its owner may.
func share(t *testing.T, servers []string, znode, owner string) {
	t.Helper()
	conn, _, err := gozk.Connect(servers, 10*time.Second, gozk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.AddAuth("digest", []byte(owner)); err != nil {
		t.Fatal(err)
	}
	user, password, _ := strings.Cut(owner, ":")
	acl := append(gozk.DigestACL(gozk.PermAll, user, password), gozk.WorldACL(gozk.PermRead|gozk.PermCreate)...)
	if _, err := conn.SetACL(znode, acl, -1); err != nil {
		t.Fatal(err)
	}
}

// A username that is configured later protects nothing by itself: znodes that others may use are found, regardless of
// their creator, and protected.
func TestProtect(t *testing.T) {
	server := zkserver.Start(t, 1)
	open := func(cfg zk.Config) coord.Session {
		cfg.Chroot = "/fleets"
		s, err := newClient(t, cfg, server.Addrs()...).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	anybody, owner, other := open(zk.Config{}), open(zk.Config{Username: "fleet", Password: "p"}), open(zk.Config{Username: "else", Password: "q"})
	check := func(want zk.Access) {
		t.Helper()
		got, err := zk.CheckAccess(t.Context(), owner, "/x/c")
		slices.Sort(got.Open)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	check(zk.Access{})
	commit := func(s coord.Session, ops ...coord.Op) {
		t.Helper()
		if _, err := s.Commit(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
	}
	commit(anybody, coord.Create("/x/c/tasks/a", []byte("1")), coord.CreateBound("/x/c/members/m1", nil))
	commit(owner, coord.Create("/x/c/tasks/b", []byte("2")), coord.Create("/x/c/epoch", nil))
	commit(anybody, coord.Create("/x/neighbour", nil))
	check(zk.Access{Znodes: 7, Open: []string{"/x/c", "/x/c/members", "/x/c/members/m1", "/x/c/tasks", "/x/c/tasks/a"}})
	if n, err := zk.Protect(t.Context(), owner, "/x/c"); n != 5 || err != nil {
		t.Errorf("%d changed, %v; want 5", n, err)
	}
	check(zk.Access{Znodes: 7})
	if n, err := zk.Protect(t.Context(), owner, "/x/c"); n != 0 || err != nil {
		t.Errorf("again: %d changed, %v", n, err)
	}
	for name, s := range map[string]coord.Session{"no user": anybody, "another user": other} {
		for _, key := range []string{"/x/c", "/x/c/tasks/a", "/x/c/members/m1"} {
			if _, err := s.Get(t.Context(), key); !errors.Is(err, coord.ErrUnauthorized) {
				t.Errorf("%s reads %s: %v", name, key, err)
			}
		}
	}
	if _, err := anybody.Get(t.Context(), "/x/neighbour"); err != nil {
		t.Errorf("next to the cluster: %v", err)
	}
	if r, err := owner.Get(t.Context(), "/x/c/tasks/a"); err != nil || string(r.Value) != "1" || r.Version != 0 {
		t.Errorf("%q at %d, %v", r.Value, r.Version, err)
	}
	// Znodes of another identity are found, and this identity may not change them.
	commit(other, coord.Create("/x/d", nil))
	if got, err := zk.CheckAccess(t.Context(), owner, "/x/d"); err != nil || !slices.Equal(got.Foreign, []string{"/x/d"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := zk.Protect(t.Context(), owner, "/x/d"); !errors.Is(err, coord.ErrUnauthorized) {
		t.Errorf("another's: %v", err)
	}
	// Protect skips those, continues below them, and names them.
	commit(anybody, coord.Create("/x/e", nil))
	commit(other, coord.Create("/x/e/a", nil), coord.Create("/x/e/z", nil))
	commit(anybody, coord.Create("/x/e/b/1", nil), coord.Create("/x/e/y/1", nil))
	share(t, server.Addrs(), "/fleets/x/e/a", "else:q")
	commit(anybody, coord.Create("/x/e/a/open", nil))
	n, err := zk.Protect(t.Context(), owner, "/x/e")
	if n != 6 || !errors.Is(err, coord.ErrUnauthorized) || !strings.Contains(err.Error(), "of /x/e/a, /x/e/z: ") {
		t.Errorf("%d changed, %v; want 6, and the two that are another's", n, err)
	}
	if got, err := zk.CheckAccess(t.Context(), owner, "/x/e"); err != nil || !slices.Equal(got.Open, []string{"/x/e/a"}) || !slices.Equal(got.Foreign, []string{"/x/e/z"}) ||
		!slices.Equal(slices.Sorted(slices.Values(got.Kept)), []string{"/x/e/a", "/x/e/z"}) || !slices.Equal(got.Owners, []string{"else"}) { // ZooKeeper shows no ACL of z
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := zk.Protect(t.Context(), anybody, "/x/c"); !errors.Is(err, coord.ErrInvalid) {
		t.Errorf("without an identity: %v", err)
	}
}

// Each start checks a bounded sample: the root, the znodes directly below it, and some of the others.
func TestSampleAccess(t *testing.T) {
	server := zkserver.Start(t, 1)
	open := func(cfg zk.Config) coord.Session {
		s, err := newClient(t, cfg, server.Addrs()...).Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	anybody, owner := open(zk.Config{}), open(zk.Config{Username: "fleet", Password: "p"})
	create := func(s coord.Session, keys ...string) {
		t.Helper()
		for some := range slices.Chunk(keys, 90) {
			var ops []coord.Op
			for _, key := range some {
				ops = append(ops, coord.Create(key, nil))
			}
			if _, err := s.Commit(t.Context(), ops...); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(root string) zk.Access {
		t.Helper()
		got, err := zk.SampleAccess(t.Context(), owner, root, 20)
		if err != nil {
			t.Error(err)
		}
		slices.Sort(got.Open)
		return got
	}
	create(anybody, "/x")
	if got := check("/x/none"); got.Znodes != 0 {
		t.Errorf("of nothing: %+v", got)
	}
	many := []string{"/x/c", "/x/c/epoch", "/x/c/members", "/x/c/runs"}
	for i := range 300 {
		many = append(many, fmt.Sprintf("/x/c/members/m%03d", i), fmt.Sprintf("/x/c/runs/r%03d", i), fmt.Sprintf("/x/c/runs/r%03d/1", i))
	}
	create(owner, many...)
	if got := check("/x/c"); got.Znodes <= 4 || got.Znodes > 4+20 || len(got.Open)+len(got.Foreign) > 0 {
		t.Errorf("of %d znodes: %+v; want 4, and 20 others at most", len(many), got)
	}
	// It finds the open znodes at the top, and if many are open further below, some of those.
	create(anybody, "/x/d/epoch")
	create(owner, "/x/d/tasks/a/b/c")
	if got := check("/x/d"); got.Znodes < 3 || !slices.Equal(got.Open, []string{"/x/d", "/x/d/epoch"}) {
		t.Errorf("%+v", got)
	}
	create(owner, "/x/e")
	for i := range many {
		many[i] = "/x/e/members/" + strings.ReplaceAll(many[i][1:], "/", "-")
	}
	create(owner, "/x/e/members")
	share(t, server.Addrs(), "/x/e/members", "fleet:p")
	create(anybody, many...)
	if got := check("/x/e"); len(got.Open) < 5 || len(got.Open) > 1+20 || got.Open[0] != "/x/e/members" {
		t.Errorf("%+v", got)
	}
	share(t, server.Addrs(), "/x/e", "fleet:p")
	create(open(zk.Config{Username: "else", Password: "q"}), "/x/e/theirs/a")
	if got := check("/x/e"); !slices.Equal(got.Foreign, []string{"/x/e/theirs"}) {
		t.Errorf("another's: %+v", got)
	}
}
