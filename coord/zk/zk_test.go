package zk_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/coord/coordtest"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/link"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	server := zkserver.Start(t, 1)
	coordtest.Run(t, func(t *testing.T) coordtest.Client {
		return newClient(t, zk.Config{Chroot: "/some/where"}, server.Addrs()...)
	})
}
