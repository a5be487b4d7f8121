//go:build unix

package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/process"
)

// Dev is a cluster that `xconsumer dev` runs, as people begin with.
type Dev struct {
	*process.Child
	Bin    string // the program
	Server string // URL of its first node
	Etcd   string // URL of the service inside it
}

const (
	ready = "Ctrl-C ends all of it"
	taken = "address is taken"
	tries = 5
)

var (
	address = regexp.MustCompile(`n1 +(http://127\.0\.0\.1:\d+)`)
	etcd    = regexp.MustCompile(`etcd +(http://127\.0\.0\.1:\d+)`)
)

// StartDev starts the program as it is shipped, with a cluster in it, which ends with the test.
func StartDev(tb testing.TB, dir string, nodes int, env ...string) *Dev {
	tb.Helper()
	d, err := RunDev(Shipped(tb), dir, nodes, env, tb.Cleanup)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("log of dev:\n%s", d.Log.Tail(80))
		}
	})
	return d
}

// RunDev starts a cluster in a directory, whose app.toml it takes if there is one. The function that it hands to cleanup
// ends it. A port that somebody else takes between its choice, which is the program's, and its use is not a failure: it
// is tried again.
func RunDev(bin, dir string, nodes int, env []string, cleanup func(func())) (*Dev, error) {
	for try := 1; ; try++ {
		child, err := beginDev(bin, dir, nodes, env, cleanup)
		if err != nil {
			return nil, err
		}
		switch out := child.Log.String(); {
		case strings.Contains(out, ready):
			return &Dev{child, bin, address.FindStringSubmatch(out)[1], etcd.FindStringSubmatch(out)[1]}, nil
		case try == tries || !strings.Contains(out, taken):
			return nil, fmt.Errorf("the cluster does not come up: %s", out)
		}
	}
}

// beginDev starts a cluster, and waits until it is ready or has ended.
func beginDev(bin, dir string, nodes int, env []string, cleanup func(func())) (*process.Child, error) {
	cmd := exec.Command(bin, "dev", "--nodes", fmt.Sprint(nodes), "--http", "127.0.0.1:0")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	child, err := process.Begin(cmd)
	if err != nil {
		return nil, err
	}
	cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if _, err := child.Wait(time.Minute); err != nil {
			child.Kill()
		}
	})
	for end := time.Now().Add(Limit); !strings.Contains(child.Log.String(), ready) && time.Now().Before(end) && !child.Ended(); {
		time.Sleep(20 * time.Millisecond)
	}
	return child, nil
}
