package e2e_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// The program as it is shipped, with the repository's app.toml and the sample works, and two of
// it on one machine that nobody told which port to take.
func TestShippedProgram(t *testing.T) {
	t.Parallel()
	bin, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	config, err := filepath.Abs(filepath.Join("..", "..", "app.toml"))
	if err != nil {
		t.Fatal(err)
	}
	server := zkserver.Start(t, 1)
	type node struct {
		cmd  *exec.Cmd
		log  *syncBuffer
		addr string
	}
	var nodes []*node
	for range 2 {
		n := &node{log: &syncBuffer{}}
		n.cmd = exec.Command(bin, "run", "--config", config)
		n.cmd.Env = append(os.Environ(), "XCONSUMER_ZOOKEEPER_HOST="+server.Hosts(), "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME="+zkserver.Tick.String())
		n.cmd.Stderr = n.log
		if err := n.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = n.cmd.Process.Kill()
			if t.Failed() {
				t.Logf("log:\n%s", n.log.tail(40))
			}
		})
		for end := time.Now().Add(limit); n.addr == ""; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the node does not start")
			}
			for line := range strings.Lines(n.log.String()) {
				var entry struct{ Msg, HTTP string }
				if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "starting" {
					n.addr = entry.HTTP
				}
			}
		}
		nodes = append(nodes, n)
	}
	if nodes[0].addr == nodes[1].addr {
		t.Fatalf("both nodes listen on %s", nodes[0].addr)
	}
	var out []byte
	for end := time.Now().Add(limit); !bytes.Contains(out, []byte("4 of 4 workers running")) || bytes.Count(out, []byte("127.0.0.1:")) != 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("status:\n%s", out)
		}
		out, _ = exec.Command(bin, "status", "--server", nodes[1].addr).CombinedOutput()
	}
	t.Logf("status:\n%s", out)
	for _, n := range nodes {
		if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range nodes {
		if err := n.cmd.Wait(); err != nil {
			t.Errorf("a node that was told to leave: %v", err)
		}
	}
}
