package zk

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/coord"
)

// A server that grants a shorter session timeout than the first one counts it from the moment before it was asked.
// The session is given up, and the rest of its lease is no longer than that.
func TestShorterTimeoutOfAnotherServer(t *testing.T) {
	store, err := New(Config{Servers: []string{"127.0.0.1:1"}, SessionTimeout: 20 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ss := newSession(store)
	ss.conn, ss.events, err = zk.Connect(store.cfg.Servers, store.cfg.SessionTimeout, zk.WithDialer(ss.link.dial), zk.WithLogger(logAdapter{store.log}))
	if err != nil {
		t.Fatal(err)
	}
	close(ss.opened)
	defer func() { _ = ss.Close() }()
	now := ss.Now()
	ss.granted(7, 20*time.Second, now, "one")
	ss.granted(7, 4*time.Second, now+time.Second, "two")
	select {
	case <-ss.Done():
	case <-time.After(time.Minute):
		t.Fatal("the session goes on")
	}
	if info := ss.Info(); info.Base+info.Timeout > now+5*time.Second {
		t.Errorf("it lasts %v more; the second server was asked 1 s after the first, and counts 4 s", info.Base+info.Timeout-now)
	}
}

// A znode's version goes on below zero, up to the one that would mean any.
func TestVersionsBeyondInt32(t *testing.T) {
	last := int64(-1)
	for _, onTheWire := range []int32{0, 1, math.MaxInt32, math.MinInt32, math.MinInt32 + 1, -2} {
		v := version(onTheWire)
		if v <= last || onWire(v) != onTheWire {
			t.Errorf("version %d of a znode is %d, after %d, and %d again", onTheWire, v, last, onWire(v))
		}
		last = v
	}
	if got := version(math.MaxInt32) + 1; onWire(got) != math.MinInt32 {
		t.Errorf("after the last positive version comes %d", onWire(got))
	}
	for _, c := range []struct {
		op      coord.Op
		refused bool
	}{
		{coord.Set("/k", nil, 1<<31), false},
		{coord.Set("/k", nil, lastVersion-1), false},
		{coord.Set("/k", nil, lastVersion), true}, // it would have the version that means any
		{coord.Check("/k", lastVersion), false},
		{coord.Check("/k", lastVersion+1), true},
		{coord.Delete("/k", 1<<32+5), true}, // which would be version 5
	} {
		if err := checkVersions([]coord.Op{c.op}); errors.Is(err, coord.ErrRefused) != c.refused {
			t.Errorf("%s at %d: %v", c.op.Kind, c.op.Version, err)
		}
	}
}
