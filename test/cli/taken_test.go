package cli_test

import (
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/process"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// The doctor reports which process has the node's address and name, and what run would do. A node that runs with the same
// configuration is not a failure. The doctor does not wait for a service that cannot be reached.
func TestDoctorSaysWhatIsTaken(t *testing.T) {
	server := zkserver.Start(t, 1)
	bin, dir := fleet.Shipped(t), t.TempDir()
	free := process.FreeAddrs(t, 1)[0]
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Close() }()
	env := append(os.Environ(), "XCONSUMER_ZOOKEEPER_HOST="+server.Addresses[0], "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT=4s", "XCONSUMER_ZOOKEEPER_TICK_TIME=200ms",
		"XCONSUMER_HTTP_LISTEN="+free, "XCONSUMER_NODE_NAME=n1", "XCONSUMER_SERVER=http://127.0.0.1:1")
	do := func(wantCode int, want string, args ...string) string {
		t.Helper()
		cmd := exec.Command(bin, append([]string{"doctor"}, args...)...)
		cmd.Dir, cmd.Env = dir, env
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != wantCode || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%v: exit %d; want %d and %q:\n%s", args, code, wantCode, want, out)
		}
		return string(out)
	}
	do(0, `ok +address +\S+ is free\n`)
	do(1, `wrong +address +\S+ is taken by another program; .xconsumer run. would wait 10s for it, and then end\n`, "--http", stranger.Addr().String())

	node := exec.Command(bin, "run")
	node.Dir, node.Env = dir, env
	n1 := fleet.Run(t, node)
	fleet.Await(t, "the node is ready", func() bool { return exec.Command(bin, "healthcheck", "--ready", "--server", free).Run() == nil })
	if out := do(0, `ok +node +node n1 of this configuration runs here: pid \d+, since `); strings.Contains(out, "taken") {
		t.Errorf("its own node is in its way:\n%s", out)
	}
	do(1, `wrong +address +\S+ is taken by node n1 of this cluster, pid \d+`, "--name", "n2")
	do(1, `wrong +address +\S+ is taken by a node named n1 of another cluster`, "--cluster", "else")
	do(1, `wrong +name +node name "n1" is taken by host \S+, pid \d+, since \S+; .xconsumer run. would wait until that node leaves, or for \S+ at most if it has died\n +→ stop that node, or`, "--http", "127.0.0.1:0")

	began := time.Now()
	do(1, `(?s)waiting for ZooKeeper .*wrong +session`, "--zookeeper", strings.Repeat(stranger.Addr().String()+",", 3)+stranger.Addr().String())
	if took := time.Since(began); took > 12*time.Second { // 15 s for the session alone before
		t.Errorf("a service that hangs keeps it for %v", took)
	}
	n1.Signal(syscall.SIGINT)
	if code := n1.Exit(); code != 0 {
		t.Errorf("the node left with exit code %d", code)
	}
}
