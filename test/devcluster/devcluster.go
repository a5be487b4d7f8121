//go:build unix

// Package devcluster starts `xconsumer dev` as people do, for tests that look at it from outside.
package devcluster

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// Build returns the path of the program as it is shipped, built for this test unless it was built before.
func Build(t testing.TB) string {
	t.Helper()
	bin, err := fleet.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// Cluster is a cluster that runs.
type Cluster struct {
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

// Start starts a cluster in a directory, whose app.toml it takes if there is one. The function that it hands to
// cleanup ends it. A port that somebody else takes between its choice and its use is no failure: it is tried again.
func Start(bin, dir string, nodes int, env []string, cleanup func(func())) (Cluster, error) {
	for try := 1; ; try++ {
		out, err := launch(bin, dir, nodes, env, cleanup)
		switch {
		case err != nil:
			return Cluster{}, err
		case strings.Contains(out, ready):
			return Cluster{address.FindStringSubmatch(out)[1], etcd.FindStringSubmatch(out)[1]}, nil
		case try == tries || !strings.Contains(out, taken):
			return Cluster{}, fmt.Errorf("the cluster does not come up: %s", out)
		}
	}
}

// launch starts a cluster and returns what it has written when it is ready, or has ended.
func launch(bin, dir string, nodes int, env []string, cleanup func(func())) (string, error) {
	cmd := exec.Command(bin, "dev", "--nodes", fmt.Sprint(nodes), "--http", "127.0.0.1:0")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	child, err := process.Begin(cmd)
	if err != nil {
		return "", err
	}
	cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if _, err := child.Wait(time.Minute); err != nil {
			child.Kill()
		}
	})
	for end := time.Now().Add(2 * time.Minute); !strings.Contains(child.Log.String(), ready) && time.Now().Before(end) && !child.Ended(); {
		time.Sleep(20 * time.Millisecond)
	}
	return child.Log.String(), nil
}
