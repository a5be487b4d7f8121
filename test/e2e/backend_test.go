package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// servers is a set of real servers that a test may break.
type servers interface {
	Addrs() []string
	Hosts() string
	Leader() int
	Leads(i int) bool
	Kill(i int)
	Restart(i int)
	Launch(i int)
	Revive(i int)
	Pause(i int)
	Resume(i int)
}

// backend is a coordination service as the tests need it.
type backend struct {
	name  string
	flag  string // of the program, which names the servers
	start func(t *testing.T, n int) servers
	table func(hosts string, timeout time.Duration) string // of app.toml
	store func(t *testing.T, hosts string) coord.Store
}

var zookeeper = backend{
	name:  "zookeeper",
	flag:  "--zookeeper",
	start: func(t *testing.T, n int) servers { t.Helper(); return zkserver.Start(t, n) },
	table: func(hosts string, timeout time.Duration) string {
		return fmt.Sprintf("[zookeeper]\nhost = %q\nsessionTimeout = %q\ntickTime = %q\n", hosts, timeout, zkserver.Tick)
	},
	store: func(t *testing.T, hosts string) coord.Store {
		t.Helper()
		servers, chroot, err := zk.ParseHosts(hosts)
		if err != nil {
			t.Fatal(err)
		}
		store, err := zk.New(zk.Config{Servers: servers, Chroot: chroot, SessionTimeout: 4 * time.Second, TickTime: zkserver.Tick})
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
}

var etcdBackend = backend{
	name:  "etcd",
	flag:  "--etcd",
	start: func(t *testing.T, n int) servers { t.Helper(); return etcdserver.Start(t, n) },
	table: func(hosts string, timeout time.Duration) string {
		return fmt.Sprintf("[etcd]\nendpoints = [%q]\nsessionTimeout = %q\n", hosts, timeout)
	},
	store: func(t *testing.T, hosts string) coord.Store {
		t.Helper()
		endpoints, err := etcd.ParseEndpoints(hosts)
		if err != nil {
			t.Fatal(err)
		}
		store, err := etcd.New(etcd.Config{Endpoints: endpoints})
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
}

// onBoth runs a test on both services, at the same time; with -short on ZooKeeper only.
func onBoth(t *testing.T, test func(t *testing.T, b backend)) {
	t.Parallel()
	for _, b := range []backend{zookeeper, etcdBackend} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && b.name != zookeeper.name {
				t.Skip("the second service is of `make verify`")
			}
			test(t, b)
		})
	}
}
