package zk_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// A user name that comes later protects nothing by itself: what others may use is seen, whoever has made it, and set.
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
		got, err := zk.CheckAccess(t.Context(), owner, "/x/c", 0)
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
	for name, s := range map[string]coord.Session{"nobody": anybody, "somebody else": other} {
		for _, key := range []string{"/x/c", "/x/c/tasks/a", "/x/c/members/m1"} {
			if _, err := s.Get(t.Context(), key); !errors.Is(err, coord.ErrUnauthorized) {
				t.Errorf("%s reads %s: %v", name, key, err)
			}
		}
	}
	if _, err := anybody.Get(t.Context(), "/x/neighbour"); err != nil {
		t.Errorf("beside the cluster: %v", err)
	}
	if r, err := owner.Get(t.Context(), "/x/c/tasks/a"); err != nil || string(r.Value) != "1" || r.Version != 0 {
		t.Errorf("%q at %d, %v", r.Value, r.Version, err)
	}
	// What is another identity's is seen, and is not its to change.
	commit(other, coord.Create("/x/d", nil))
	if got, err := zk.CheckAccess(t.Context(), owner, "/x/d", 0); err != nil || !slices.Equal(got.Foreign, []string{"/x/d"}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := zk.Protect(t.Context(), owner, "/x/d"); !errors.Is(err, coord.ErrUnauthorized) {
		t.Errorf("another's: %v", err)
	}
	if _, err := zk.Protect(t.Context(), anybody, "/x/c"); !errors.Is(err, coord.ErrInvalid) {
		t.Errorf("without an identity: %v", err)
	}
}
