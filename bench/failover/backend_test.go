package failover

import (
	"fmt"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// chain is the store operations of a handoff alone.
type chain interface {
	run(n int) time.Duration
}

// backend is a coordination service to measure on: one server, without syncing to disk.
type backend struct {
	name  string
	table string // of app.toml
	chain func(b *testing.B) chain
}

// timeout is the session timeout of all nodes.
const timeout = 4 * time.Second

func startZooKeeper(b *testing.B) backend {
	server := zkserver.Start(b, 1)
	return backend{
		name:  "zookeeper",
		table: fmt.Sprintf("[zookeeper]\nhost = %q\nsessionTimeout = %q\ntickTime = %q\n", server.Hosts(), timeout, zkserver.Tick),
		chain: func(b *testing.B) chain { return newZKChain(b, server.Addrs()) },
	}
}

func startEtcd(b *testing.B) backend {
	server := etcdserver.Start(b, 1)
	return backend{
		name:  "etcd",
		table: fmt.Sprintf("[etcd]\nendpoints = [%q]\nsessionTimeout = %q\n", server.Hosts(), timeout),
		chain: func(b *testing.B) chain { return newEtcdChain(b, server.Addrs()) },
	}
}

// onBoth measures on both services, one after the other.
func onBoth(b *testing.B, measure func(b *testing.B, service backend)) {
	b.Run("zookeeper", func(b *testing.B) { measure(b, startZooKeeper(b)) })
	b.Run("etcd", func(b *testing.B) { measure(b, startEtcd(b)) })
}
