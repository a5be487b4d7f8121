package etcd_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
)

// The last write of a key is found among many others, before and after its deletion. What was compacted, or may lie before
// everything that the session has seen, is not guessed.
func TestLastWriteAmongMany(t *testing.T) {
	t.Parallel()
	server := etcdserver.Start(t, 1)
	direct := raw(t, server.Addrs()[0])
	store := newClient(t, etcd.Config{SessionTimeout: time.Minute, Prefix: "/p"}, server.Addrs()...)
	observer := open(t, store)
	if _, err := observer.Commit(t.Context(), coord.CreateBound("/own", nil)); err != nil {
		t.Fatal(err)
	}
	var version int64
	var others int
	traffic := func(n int) (revision int64) {
		t.Helper()
		for range n {
			others++
			put, err := direct.Put(t.Context(), fmt.Sprintf("/other/%d", others), "")
			if err != nil {
				t.Fatal(err)
			}
			revision = put.Header.Revision
		}
		return revision
	}
	renew := func() (answered time.Duration) {
		t.Helper()
		if err := observer.Renew(t.Context(), coord.Set("/own", nil, version)); err != nil {
			t.Fatal(err)
		}
		version++
		return observer.Now()
	}
	type traffics struct{ between, since, late int }
	cases := []traffics{{1, 0, 0}, {0, 1, 1}, {3, 20, 9}, {25, 3, 2}}
	for late := range 8 { // steps back of every length
		cases = append(cases, traffics{0, 0, late})
	}
	for _, c := range cases {
		lost := open(t, store)
		key := fmt.Sprintf("/hb/%s", lost.Info().ID)
		if _, err := lost.Commit(t.Context(), coord.CreateBound(key, nil)); err != nil {
			t.Fatal(err)
		}
		traffic(30) // a key that existed for a moment only may be missed
		renew()
		traffic(c.between)
		sent := lost.Now()
		if err := lost.Renew(t.Context(), coord.Set(key, nil, 0)); err != nil {
			t.Fatal(err)
		}
		traffic(c.between)
		shown := renew()
		traffic(c.since)
		renew()
		kv, err := direct.Get(t.Context(), "/p"+key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := direct.Revoke(t.Context(), clientv3.LeaseID(kv.Kvs[0].Lease)); err != nil {
			t.Fatal(err)
		}
		revision := traffic(c.late + 1)
		newcomer := open(t, store)
		if by, err := coord.LastWrite(t.Context(), newcomer, key); !errors.Is(err, coord.ErrNoHistory) {
			t.Errorf("%+v: a session that began later has %v, %v", c, by, err)
		}
		if by, err := coord.LastWrite(t.Context(), observer, key); err != nil || by < sent || by > shown {
			t.Errorf("%+v: sent at %v, committed by %v (%v), shown at %v", c, sent, by, err, shown)
		}
		if _, err := direct.Compact(t.Context(), revision); err != nil {
			t.Fatal(err)
		}
		if by, err := coord.LastWrite(t.Context(), observer, key); !errors.Is(err, coord.ErrNoHistory) {
			t.Errorf("%+v: compacted: %v, %v", c, by, err)
		}
	}
}

// What an answer shows had been committed by its arrival, however early its request was sent.
func TestLastWriteCountsFromTheAnswer(t *testing.T) {
	t.Parallel()
	server := etcdserver.Start(t, 1)
	slow := newClient(t, etcd.Config{SessionTimeout: time.Minute}, server.Addrs()...)
	observer, lost := open(t, slow), open(t, newClient(t, etcd.Config{SessionTimeout: time.Minute}, server.Addrs()...))
	for key, s := range map[string]coord.Session{"/own": observer, "/hb": lost} {
		if _, err := s.Commit(t.Context(), coord.CreateBound(key, nil)); err != nil {
			t.Fatal(err)
		}
	}
	slow.Delay(time.Second)
	renewed := make(chan error, 1)
	go func() { renewed <- observer.Renew(t.Context(), coord.Set("/own", nil, 0)) }()
	time.Sleep(300 * time.Millisecond)
	sent := lost.Now()
	if err := lost.Renew(t.Context(), coord.Set("/hb", nil, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-renewed; err != nil {
		t.Fatal(err)
	}
	shown := observer.Now()
	if err := lost.Close(); err != nil {
		t.Fatal(err)
	}
	if by, err := coord.LastWrite(t.Context(), observer, "/hb"); err != nil || by < sent || by > shown {
		t.Errorf("sent at %v, committed by %v (%v), shown at %v", sent, by, err, shown)
	}
}
