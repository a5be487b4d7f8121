// Package devcluster starts `xconsumer dev` as people do, for tests that look at it from outside.
package devcluster

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Built names the variable with the path of the program, where it was built for all packages at once.
const Built = "XCONSUMER_BIN"

// Build builds the program as it is shipped, unless it was built before, and returns its path.
func Build(t testing.TB) string {
	t.Helper()
	if bin := os.Getenv(Built); bin != "" {
		return bin
	}
	bin := filepath.Join(t.TempDir(), "xconsumer")
	if out, err := exec.Command("go", "build", "-o", bin, "gitee.com/ken.yang/xconsumer/cmd/xconsumer").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
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
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // what it has written tells
	}()
	cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for end := time.Now().Add(2 * time.Minute); !strings.Contains(out.String(), ready) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			return out.String(), nil
		default:
		}
	}
	return out.String(), nil
}

// output is what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
