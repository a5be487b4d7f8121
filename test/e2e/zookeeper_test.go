package e2e_test

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
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
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		for _, child := range children {
			revoke(key + "/" + child)
		}
		if _, err := conn.SetACL(key, others, -1); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
	}
	revoke("/xconsumer/e2e")
	if code := n1.exit(); code != 78 || !strings.Contains(n1.log.tail(1), "not authorized") {
		t.Errorf("exit code %d; want 78: %s", code, n1.log.tail(1))
	}
	if stops := f.notes(0, invariant.Stop, "n1"); len(stops) != 4 {
		t.Errorf("stopped: %+v", stops)
	}
}

// Somebody who knows a session's password, which ZooKeeper makes of its number, closes it.
func TestZooKeeperSessionIsClosedByOthers(t *testing.T) {
	t.Parallel()
	server := zkserver.Start(t, 1)
	f := newFleet(t, zookeeper, server.Hosts(), 4*time.Second)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2")
	member := memberOf(n1.awaitSpread("n1", "n2"), "n2")
	r, err := f.session.Get(t.Context(), f.keys.Member(member))
	if err != nil {
		t.Fatal(err)
	}
	id, err := strconv.ParseUint(r.Session, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	mark := len(f.journal())
	closeSession(t, server.Addrs()[0], id)
	f.awaitEnd(member) // of which it is told, and then has the takeover delay
	f.await("n2 stops its workers", func() bool { return len(f.notes(mark, invariant.Stop, "n2")) == 2 })
	if again := memberOf(n1.awaitSpread("n1", "n2"), "n2"); again == member {
		t.Error("n2 is still the member it was")
	}
}

// closeSession takes a session over and closes it.
func closeSession(t *testing.T, addr string, id uint64) {
	t.Helper()
	// java.util.Random, by which ZooKeeper makes passwords (ZooKeeperServer.generatePasswd).
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	seed := ((id ^ 0xB3415C00) ^ multiplier) & mask
	var password []byte
	for len(password) < 16 {
		seed = (seed*multiplier + 0xB) & mask
		password = binary.LittleEndian.AppendUint32(password, uint32(seed>>16))
	}
	packet := binary.BigEndian.AppendUint32(nil, 0) // protocol
	packet = binary.BigEndian.AppendUint64(packet, 0)
	packet = binary.BigEndian.AppendUint32(packet, 4000)
	packet = binary.BigEndian.AppendUint64(packet, id)
	packet = append(binary.BigEndian.AppendUint32(packet, 16), password...)
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(limit))
	send := func(packet []byte) {
		t.Helper()
		if _, err := c.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...)); err != nil {
			t.Fatal(err)
		}
	}
	send(packet)
	answer := make([]byte, 20) // length, protocol, timeout, session
	if _, err := io.ReadFull(c, answer); err != nil || binary.BigEndian.Uint64(answer[12:]) != id {
		t.Fatalf("the session is not taken over: %v, %x", err, answer)
	}
	const closing = -11
	send(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 1), uint32(0x100000000+closing)))
	_, _ = io.Copy(io.Discard, c) // until the server ends it
}
