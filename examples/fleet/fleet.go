//go:build unix

// Package fleet runs an example as its reader would: by `dev`, in a directory with a copy of its files.
// Every node is a process that can be killed.
package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
)

// patience is for slow machines: what is waited for takes a second or two.
const patience = 2 * time.Minute

// Fleet is a cluster of three nodes.
type Fleet struct {
	*testing.T
	Dir string

	bin   string
	first string // URL of the node that the commands ask
	known []string
	out   output
}

// Dir makes a directory with copies of some files of the example.
func Dir(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Build builds a program.
func Build(t *testing.T, pkg string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "program")
	if out, err := exec.Command("go", "build", "-o", bin, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return bin
}

// Start starts the program in the directory and waits for its nodes. All of them end with the test.
func Start(t *testing.T, bin, dir string, env ...string) *Fleet {
	t.Helper()
	f := &Fleet{T: t, Dir: dir, bin: bin, first: "http://" + freeAddr(t)}
	f.known = []string{f.first}
	cmd := exec.Command(bin, "dev", "--http", strings.TrimPrefix(f.first, "http://"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &f.out, &f.out
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("dev ended with %v", err)
		}
		if t.Failed() {
			t.Log(f.out.String())
		}
	})
	f.Await("three nodes", func(s cluster.State) bool { return len(s.Nodes) == 3 })
	return f
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Client returns a client of a node that answers.
func (f *Fleet) Client() (*client.Client, cluster.State) {
	f.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for _, server := range f.known {
			api, err := client.New(server, client.Options{})
			if err != nil {
				f.Fatal(err)
			}
			if state, _, err := api.State(f.Context()); err == nil {
				f.known = []string{f.first}
				for _, n := range state.Nodes {
					f.known = append(f.known, "http://"+n.Address)
				}
				return api, state
			}
		}
	}
	f.Fatal("no node answers")
	return nil, cluster.State{}
}

// Await waits until the cluster is in a state.
func (f *Fleet) Await(what string, condition func(cluster.State) bool) cluster.State {
	f.Helper()
	var last cluster.State
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		_, last = f.Client()
		if condition(last) {
			return last
		}
	}
	text, _ := json.MarshalIndent(last, "", "  ")
	f.Fatalf("not within %v: %s: %s", patience, what, text)
	return last
}

// Running reports whether all workers of a task run.
func Running(s cluster.State, task string) bool {
	for _, t := range s.Tasks {
		if t.Name == task {
			return t.WorkerNum > 0 && t.Running == t.WorkerNum
		}
	}
	return false
}

// Kill kills the process of a node that has work.
func (f *Fleet) Kill() {
	f.Helper()
	s := f.Await("a node has work", func(s cluster.State) bool { return busiest(s).Slots > 0 })
	n := busiest(s)
	f.Logf("kills %s, which has %d workers", n.Name, n.Slots)
	_ = syscall.Kill(n.PID, syscall.SIGKILL)
}

func busiest(s cluster.State) (busy cluster.NodeInfo) {
	for _, n := range s.Nodes {
		if n.Slots >= busy.Slots && n.PID != 0 {
			busy = n
		}
	}
	return busy
}

// Command runs a command of the program against the fleet.
func (f *Fleet) Command(args ...string) string {
	f.Helper()
	cmd := exec.CommandContext(f.Context(), f.bin, args...)
	cmd.Dir = f.Dir
	cmd.Env = append(os.Environ(), "XCONSUMER_SERVER="+f.first)
	out, err := cmd.CombinedOutput()
	if err != nil {
		f.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// Runs returns the runs of a task.
func (f *Fleet) Runs(task string) []cluster.RunInfo {
	f.Helper()
	f.Client()
	for _, server := range f.known {
		resp, err := http.Get(server + "/api/v1/tasks/" + task + "/runs")
		if err != nil {
			continue
		}
		var answer struct{ Runs []cluster.RunInfo }
		err = json.NewDecoder(resp.Body).Decode(&answer)
		_ = resp.Body.Close()
		if err == nil && resp.StatusCode == http.StatusOK {
			return answer.Runs
		}
		f.Logf("%s: %s, %v", server, resp.Status, err)
	}
	return nil
}

// Log returns the last lines that a worker has written.
func (f *Fleet) Log(task string, index int) string {
	f.Helper()
	api, _ := f.Client()
	var text strings.Builder
	slot := cluster.Slot{Task: task, Index: index}
	err := api.Log(f.Context(), slot, client.LogQuery{Lines: 100}, func(line cluster.LogLine) error {
		_, err := fmt.Fprintln(&text, line.Text)
		return err
	})
	if err != nil {
		f.Logf("log of %s: %v", slot, err)
	}
	return text.String()
}

// output is what a program has printed.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
