package scale

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// service is a coordination service that runs.
type service struct {
	name  string
	addrs []string
	pids  []int
}

// cpu returns how much processor time the servers have taken.
func (s service) cpu() (d time.Duration) {
	for _, pid := range s.pids {
		d += cpu(pid)
	}
	return d
}

// sessionTimeout is long, so that a machine with two cores can hold a thousand sessions while it plans.
const sessionTimeout = 30 * time.Second

func startService(tb testing.TB, name string, servers int) service {
	tb.Helper()
	s := service{name: name}
	switch name {
	case "zookeeper":
		// zkserver's servers do not wait for their disks, as tests need not; what zoo.cfg says holds over that.
		e := zkserver.StartBig(tb, servers, "minSessionTimeout=400", "maxSessionTimeout=60000", "clientPortListenBacklog=2000", "forceSync="+*syncs)
		s.addrs, s.pids = e.Addrs(), group(e.Addrs(), e.PID)
	case "etcd":
		e := etcdserver.Start(tb, servers)
		s.addrs, s.pids = e.Addrs(), group(e.Addrs(), e.PID)
	default:
		tb.Fatalf("unknown store %q (want zookeeper or etcd)", name)
	}
	return s
}

// group is what is known of servers, whatever they are.
func group(addrs []string, pid func(int) int) (out []int) {
	for i := range addrs {
		out = append(out, pid(i))
	}
	return out
}

// mortal is a store whose sessions the harness can end, as if the machine had gone: no other one is opened then.
type mortal struct {
	coord.Store
	mu      sync.Mutex
	session coord.Session
	dead    bool
}

var errDead = errors.New("the machine is gone")

func (m *mortal) Open(ctx context.Context) (coord.Session, error) {
	m.mu.Lock()
	dead := m.dead
	m.mu.Unlock()
	if dead {
		return nil, errDead
	}
	s, err := m.Store.Open(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.session = s
	return s, err
}

// kill ends the session at the service.
func (m *mortal) kill() {
	m.mu.Lock()
	m.dead = true
	s := m.session
	m.mu.Unlock()
	if s != nil {
		_ = s.Close() // it may have ended already
	}
}
