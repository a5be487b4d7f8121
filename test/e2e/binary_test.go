package e2e_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
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
	f := fleets.New(t, config, bin)
	f.Env = []string{"XCONSUMER_ZOOKEEPER_HOST=" + server.Hosts(), "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME=" + zkserver.Tick.String()}
	for _, name := range []string{"one", "another"} {
		n := f.Launch(name, "", "run", "--config", config)
		f.Await("it says where it listens", func() bool {
			for line := range strings.Lines(n.Log.String()) {
				var entry struct{ Msg, Address string }
				if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == "starting" {
					n.Addr = entry.Address
				}
			}
			return n.Addr != ""
		})
	}
	if f.Nodes[0].Addr == f.Nodes[1].Addr {
		t.Fatalf("both nodes listen on %s", f.Nodes[0].Addr)
	}
	var out []byte
	for end := time.Now().Add(limit); !bytes.Contains(out, []byte("4 of 4 workers running")) || bytes.Count(out, []byte("127.0.0.1:")) != 2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("status:\n%s", out)
		}
		out, _ = exec.Command(bin, "status", "--server", f.Nodes[1].Addr).CombinedOutput()
	}
	t.Logf("status:\n%s", out)
	for _, n := range f.Nodes {
		n.Signal(syscall.SIGTERM)
	}
	for _, n := range f.Nodes {
		if code := n.Exit(); code != 0 {
			t.Errorf("a node that was told to leave: exit code %d", code)
		}
	}
}
