package e2e_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	zklib "github.com/go-zookeeper/zk"

	"gitee.com/ken.yang/xconsumer/test/invariant"
	"gitee.com/ken.yang/xconsumer/test/netns"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// The worst of ZooKeeper's faults: a node's server is cut off from its leader and goes on answering
// pings and reads. The node must stop by the age of its last proven heartbeat.
func TestServerIsCutOffFromItsLeader(t *testing.T) {
	t.Parallel()
	network := netns.New(t, 3)
	ensemble := zkserver.StartIn(t, network, 3)
	lead := ensemble.Leader()
	victim := (lead + 1) % 3
	f := newFleet(t, zookeeper, ensemble.Addrs()[lead], 4*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2", "--zookeeper", ensemble.Addrs()[victim])
	member := memberOf(n1.awaitSpread("n1", "n2"), "n2")

	mark := len(f.journal())
	network.Cut(victim, lead)
	f.stopsBeforeItsEnd(mark, "n2", member, 2)
	n1.awaitSpread("n1")
	network.Heal(victim, lead)
	if state := n1.awaitSpread("n1", "n2"); memberOf(state, "n2") == member {
		t.Error("n2 is still the member it was")
	}
	_ = n2
}

// Somebody takes the node's rights on its records away while it runs: it stops its workers and ends.
func TestRightsAreRevoked(t *testing.T) {
	server := zkserver.Start(t, 1)
	f := newFleet(t, zookeeper, server.Hosts(), 3*time.Second)
	t.Setenv("XCONSUMER_ZOOKEEPER_USERNAME", "fleet")
	t.Setenv("XCONSUMER_ZOOKEEPER_PASSWORD", "right")
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	conn, events, err := zklib.Connect(server.Addrs(), 4*time.Second, zklib.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for range events {
		}
	}()
	defer conn.Close()
	if err := conn.AddAuth("digest", []byte("fleet:right")); err != nil {
		t.Fatal(err)
	}
	others := zklib.DigestACL(zklib.PermAll, "somebody", "else")
	var revoke func(key string)
	revoke = func(key string) {
		children, _, err := conn.Children(key)
		if errors.Is(err, zklib.ErrNoNode) {
			return // the node has ended by now, and its keys have gone
		}
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for _, child := range children {
			revoke(key + "/" + child)
		}
		if _, err := conn.SetACL(key, others, -1); err != nil && !errors.Is(err, zklib.ErrNoNode) {
			t.Fatalf("%s: %v", key, err)
		}
	}
	revoke("/xconsumer/e2e")
	if code := n1.exit(); code != 78 || !strings.Contains(n1.Log.Tail(1), "not authorized") {
		t.Errorf("exit code %d; want 78: %s", code, n1.Log.Tail(1))
	}
	if stops := f.notes(0, invariant.Stop, "n1"); len(stops) != 4 {
		t.Errorf("stopped: %+v", stops)
	}
}
