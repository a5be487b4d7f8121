package e2e_test

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// A node that systemd has started says when it is ready, what it is, again and again that it is alive, also while it
// waits to start its child again, and when it leaves.
func TestSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	said := &process.Log{}
	go func() {
		for buffer := make([]byte, 4096); ; {
			n, err := conn.Read(buffer)
			if err != nil {
				return // the test is over
			}
			_, _ = said.Write(append(buffer[:n:n], '\n'))
		}
	}()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "900000")
	f := newSupervised(t, etcdBackend)
	n1 := f.start("n1")
	f.Await("it is ready", func() bool { return strings.Contains(said.String(), "READY=1") })
	f.Await("it says what it is", func() bool { return strings.Contains(said.String(), "STATUS=member of e2e as n1") })
	state := n1.awaitSpread("n1")
	alive := func() int { return strings.Count(said.String(), "WATCHDOG=1") }
	for _, what := range []string{"as it works", "while its child dies"} {
		before := alive()
		f.Await("it says that it is alive "+what, func() bool { return alive() > before+3 })
		f.kill(nodePID(t, state, "n1"), syscall.SIGKILL)
		time.Sleep(50 * time.Millisecond)
		state = n1.awaitSpread("n1")
	}
	if strings.Contains(said.String(), "STOPPING=1") {
		t.Error("it says that it leaves, and does not")
	}
	n1.leave()
	if !strings.Contains(said.String(), "STOPPING=1") {
		t.Errorf("it does not say that it leaves: %s", said)
	}
}

// A node that was emptied before it left comes back and takes work again, if it is told to.
func TestUncordon(t *testing.T) {
	t.Parallel()
	f := newSupervised(t, etcdBackend)
	n1, n2 := f.start("n1"), f.start("n2")
	n1.awaitSpread("n1", "n2")
	api, err := client.New(n1.Addr, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Do(t.Context(), client.Request{Path: "/api/v1/nodes/n2/drain", Wait: limit}); err != nil {
		t.Fatal(err)
	}
	n1.awaitSpread("n1")
	n2.leave()
	f.start("n2", "--uncordon")
	n1.awaitSpread("n1", "n2")
}
