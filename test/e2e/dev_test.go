package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	fleets "gitee.com/ken.yang/xconsumer/test/fleet"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// shippedDir is where the shipped program was built, "" if it was not.
var shippedDir string

// shipped builds the program as it is shipped, once.
var shipped = sync.OnceValues(func() (string, error) {
	var err error
	if os.Getenv(fleets.Built) == "" {
		shippedDir, err = os.MkdirTemp("", "xconsumer-e2e-")
	}
	if err != nil {
		return "", err
	}
	return fleets.Build(shippedDir)
})

// program is a running program, with a directory and a temporary directory of its own.
type program struct {
	*fleets.Program
	tmp string
}

// launch starts the program in a directory; "" for a new one.
func launch(t *testing.T, dir string, args ...string) *program {
	t.Helper()
	bin, err := shipped()
	if err != nil {
		t.Fatal(err)
	}
	if dir == "" {
		dir = t.TempDir()
	}
	p := &program{tmp: t.TempDir()}
	cmd := exec.Command(bin, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+p.tmp)
	p.Program = fleets.Run(t, cmd)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if _, err := p.Wait(limit); err != nil {
			t.Error(err)
		}
	})
	return p
}

// firstLine reads a worker's log by a node.
func firstLine(t *testing.T, addr string, slot cluster.Slot) error {
	t.Helper()
	api, err := client.New(addr, client.Options{})
	if err != nil {
		return err
	}
	lines := 0
	err = api.Log(t.Context(), slot, client.LogQuery{Lines: 5}, func(cluster.LogLine) error { lines++; return nil })
	if err == nil && lines == 0 {
		err = errors.New("it is empty")
	}
	return err
}

// healthy reports whether so many nodes run all workers, none of them on a member that is gone.
func healthy(s *cluster.State, nodes int, without string) bool {
	if s == nil || len(s.Nodes) != nodes || s.Leader == "" || len(s.Workers) == 0 {
		return false
	}
	for _, w := range s.Workers {
		if w.State != cluster.WorkerRunning || w.Member == without {
			return false
		}
	}
	return true
}

// working reports whether all workers run, whatever nodes there are, none on the member given.
func working(s *cluster.State, without string) bool {
	return s != nil && healthy(s, len(s.Nodes), without)
}

var prefixed = regexp.MustCompile(`^(dev|n\d+) +\| `)

// The first README command, with nothing but the program: three nodes at work within seconds, and
// any process that is killed is healed in less than a second.
func TestDev(t *testing.T) {
	t.Parallel()
	first := process.FreeAddrs(t, 1)[0]
	began := time.Now()
	d := launch(t, "", "dev", "--http", first)
	d.Find(`Ctrl-C ends all of it`)
	t.Logf("at work after %v:\n%s", time.Since(began), d.Out.String())
	var s *cluster.State
	fleets.Await(t, "all workers run", func() bool { // one may be on its way to the node that came last
		s = fleets.StateOf(t, first)
		return healthy(s, 3, "") && len(s.Tasks) == 2 && s.Tasks[0].Running == 2 && s.Tasks[1].Running == 2
	})
	for _, want := range []string{"http://" + first, "leader " + s.Leader, "run --join http://127.0.0.1:", "kill -9 "} {
		if !strings.Contains(d.Out.String(), want) {
			t.Errorf("%q is not in what it says", want)
		}
	}

	t.Log("any of its processes is killed, one after the other")
	var took []time.Duration
	for round := range 20 {
		fleets.Await(t, "all three nodes are there", func() bool { s = fleets.StateOf(t, first); return healthy(s, 3, "") })
		victim := s.Nodes[round%3]
		observer := s.Nodes[(round+1)%3].Address
		pid := victim.PID
		if round%4 == 3 { // the node's parent, which is the child of dev
			pid = parentOf(t, pid)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed := time.Now()
		for !working(fleets.StateOf(t, observer), victim.Member) {
			if time.Since(killed) > limit {
				t.Fatalf("not healed within %v: %+v", limit, fleets.StateOf(t, observer))
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(killed))
	}
	slices.Sort(took)
	t.Logf("healed: median %v, p99 %v of %d", took[len(took)/2], took[len(took)-1], len(took))
	if median := took[len(took)/2]; median >= time.Second {
		t.Errorf("the median is %v, not less than a second", median)
	}
	fleets.Await(t, "all three nodes are there", func() bool { s = fleets.StateOf(t, first); return healthy(s, 3, "") })

	t.Log("a node of another terminal joins and leaves")
	joinsAndLeaves(t, first, d.Find(`run --join (http://\S+)`))
	fleets.Await(t, "it has left", func() bool { s = fleets.StateOf(t, first); return healthy(s, 3, "") })

	t.Log("Ctrl-C ends all of it")
	pids := processesOf(t, s)
	if err := d.Cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := d.Exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d lives on", pid)
		}
	}
	if left, _ := os.ReadDir(d.tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	for line := range strings.Lines(d.Log.String()) {
		if !prefixed.MatchString(line) || strings.Contains(line, "etcdserver/") || strings.Contains(line, `"level":`) {
			t.Errorf("on the terminal: %q", line)
		}
	}
}

// joinsAndLeaves has a node of another terminal join the cluster of a dev, show every worker's log, and leave.
func joinsAndLeaves(t *testing.T, first, etcd string) {
	t.Helper()
	elsewhere := t.TempDir()
	if err := os.WriteFile(filepath.Join(elsewhere, "app.toml"), []byte("cluster = \"other\"\n[zookeeper]\nhost = \"nowhere\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	joined := launch(t, elsewhere, "run", "--join", etcd, "--name", "guest", "--http", "127.0.0.1:0")
	joined.Find(`ignored because of --join.*\[zookeeper\], cluster`)
	fleets.Await(t, "it is one of four", func() bool { return healthy(fleets.StateOf(t, first), 4, "") })
	guest := joined.Find(`"msg":"starting".*"address":"([^"]+)"`)
	s := fleets.StateOf(t, first)
	for _, asked := range []string{first, guest} {
		for _, w := range s.Workers {
			if err := firstLine(t, asked, w.Slot()); err != nil {
				t.Errorf("%s does not show the log of %v on %s: %v", asked, w.Slot(), w.Node, err)
			}
		}
	}
	if err := joined.Cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if code := joined.Exit(); code != 0 {
		t.Errorf("the guest left with code %d", code)
	}
}

// parentOf returns the parent of a process.
func parentOf(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		t.Fatal(err)
	}
	return parent
}

// processesOf returns the processes of all nodes and their parents.
func processesOf(t *testing.T, s *cluster.State) (pids []int) {
	t.Helper()
	for _, n := range s.Nodes {
		pids = append(pids, n.PID, parentOf(t, n.PID))
	}
	return pids
}

// When dev itself is killed its children leave and nothing stays; a node from elsewhere fences and
// waits, and goes on as the member that it was when the data are back.
func TestDevIsKilled(t *testing.T) {
	t.Parallel()
	first, data := process.FreeAddrs(t, 1)[0], filepath.Join(t.TempDir(), "data")
	d := launch(t, "", "dev", "--nodes", "2", "--http", first, "--data", data)
	etcd := d.Find(`run --join (http://\S+)`)
	guestAddr := process.FreeAddrs(t, 1)[0]
	guest := launch(t, "", "run", "--join", etcd, "--name", "guest", "--http", guestAddr)
	var s *cluster.State
	fleets.Await(t, "the guest is one of three", func() bool { s = fleets.StateOf(t, first); return healthy(s, 3, "") })
	member := memberOf(*s, "guest")
	var pids []int
	for _, n := range s.Nodes {
		if n.Name != "guest" {
			pids = append(pids, n.PID, parentOf(t, n.PID))
		}
	}
	killed := time.Now()
	if err := d.Cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	d.Exit()
	fleets.Await(t, "its children have left", func() bool {
		return !slices.ContainsFunc(pids, func(pid int) bool { return !gone(pid) })
	})
	t.Logf("its children had left after %v", time.Since(killed))
	fleets.Await(t, "its temporary files are gone", func() bool {
		left, err := os.ReadDir(d.tmp)
		return err == nil && len(left) == 0
	})
	fleets.Await(t, "the guest has fenced itself", func() bool {
		resp, err := http.Get("http://" + guestAddr + "/readyz")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode == http.StatusServiceUnavailable && strings.Count(guest.Log.String(), " begins") == strings.Count(guest.Log.String(), " stops")
	})
	again := launch(t, "", "dev", "--nodes", "2", "--http", first, "--data", data)
	if url := again.Find(`run --join (http://\S+)`); url != etcd {
		t.Errorf("etcd is at %s now; it was at %s", url, etcd)
	}
	fleets.Await(t, "all three are back", func() bool { s = fleets.StateOf(t, guestAddr); return healthy(s, 3, "") })
	if memberOf(*s, "guest") != member {
		t.Log("the guest is another member: its session was over before the data were back")
	}
}

func TestDevBadInput(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer server.Close()
	data := filepath.Join(t.TempDir(), "data")
	first := process.FreeAddrs(t, 1)[0]
	running := launch(t, "", "dev", "--nodes", "1", "--http", first, "--data", data)
	running.Find(`Ctrl-C ends`)
	newer, foreign := t.TempDir(), t.TempDir()
	for file, content := range map[string]string{
		filepath.Join(newer, "xconsumer.json"): `{"v":1,"etcd":"99.0.0"}`,
		filepath.Join(foreign, "thesis.txt"):   "x",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	free := process.FreeAddrs(t, 1)[0] // the default address may be somebody else's, of which dev says a line
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"port taken", []string{"dev", "--http", taken.Addr().String()}, 69, "address already in use; choose another address with --http"},
		{"directory in use", []string{"dev", "--http", free, "--data", data}, 73, data + ": another process uses it"},
		{"newer directory", []string{"dev", "--http", free, "--data", newer}, 73, "it was written by a newer version (etcd 99.0.0"},
		{"somebody's directory", []string{"dev", "--http", free, "--data", foreign}, 73, "it holds thesis.txt"},
		{"unwritable directory", []string{"dev", "--http", free, "--data", "/proc/nowhere"}, 73, "data directory cannot be used: /proc/nowhere: mkdir: no such file or directory"},
		{"other machines", []string{"dev", "--http", "0.0.0.0:0"}, 78, "can be reached from other machines"},
		{"no HTTP", []string{"dev", "--http", "off"}, 2, "the nodes of xconsumer dev need one"},
		{"no nodes", []string{"dev", "--nodes", "0"}, 2, "--nodes: 0 is not between 1 and 50"},
		{"no such file", []string{"dev", "--config", "none.toml"}, 78, "open none.toml: no such file"},
		{"join nobody", []string{"run", "--join", "http://127.0.0.1:1"}, 69, "nothing answers at http://127.0.0.1:1"},
		{"join a node", []string{"run", "--join", first}, 76, "is not etcd, but the HTTP address of a node"},
		{"join a web server", []string{"run", "--join", server.URL}, 76, "is not etcd: --join takes the etcd address that `xconsumer dev` prints"},
		{"join nonsense", []string{"run", "--join", "ftp://x"}, 78, `--join: endpoint "ftp://x": want a URL`},
		{"nothing chosen", []string{"run"}, 78, "which `xconsumer run` needs and `xconsumer dev` brings"},
		{"cleanup", []string{"dev-cleanup", "/"}, 2, "is for xconsumer dev alone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := launch(t, "", c.args...)
			code := p.Exit()
			lines := strings.Split(strings.TrimSpace(p.Log.String()), "\n")
			last := lines[len(lines)-1]
			if code != c.code || !strings.Contains(last, c.want) || !strings.HasPrefix(last, "xconsumer: ") {
				t.Errorf("exit code %d, %q; want %d, %q", code, last, c.code, c.want)
			}
			if len(lines) > 1 {
				t.Errorf("more than one line: %q", lines)
			}
			if left, _ := os.ReadDir(p.tmp); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// Tasks come from app.toml, and what dev brings itself is ignored there, with a word.
func TestDevTakesTasksFromTheFile(t *testing.T) {
	t.Parallel()
	dir, first := t.TempDir(), process.FreeAddrs(t, 1)[0]
	config := "cluster = \"mine\"\n[zookeeper]\nhost = \"nowhere\"\n[http]\nlisten = \"127.0.0.1:1\"\n[[task]]\nname = \"only\"\nworkName = \"test02\"\nworkerNum = 5\n"
	if err := os.WriteFile(filepath.Join(dir, "app.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := launch(t, dir, "dev", "--nodes", "2", "--http", first)
	d.Find(`Ctrl-C ends`)
	s := fleets.StateOf(t, first)
	if !healthy(s, 2, "") || s.Cluster != "mine" || len(s.Tasks) != 1 || s.Tasks[0].Running != 5 {
		t.Errorf("state %+v", s)
	}
	d.Find(`ignored: dev brings its own.*\[zookeeper\], \[http\]`)
}

// A second signal ends dev at once, whatever its workers are doing, and nothing stays.
func TestDevSecondSignal(t *testing.T) {
	t.Parallel()
	f := emptyFleet(t)
	config := "[[task]]\nname = \"test01\"\nworkName = \"test01\"\nworkerNum = 2\n"
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	f.Env = append(f.Env, stubbornVariable+"=1h", "TMPDIR="+tmp)
	first := process.FreeAddrs(t, 1)[0]
	d := f.Launch("dev", first, "dev", "--nodes", "1", "--http", first, "--config", f.path("app.toml"))
	var s *cluster.State
	f.Await("all workers run", func() bool { s = fleets.StateOf(t, first); return healthy(s, 1, "") })
	pids := processesOf(t, s)
	d.Signal(syscall.SIGINT)
	f.Await("the workers are asked to stop", func() bool { return strings.Count(d.Log.String(), "stubborn") == 2 })
	d.Signal(syscall.SIGINT)
	if code := d.Exit(); code != 130 {
		t.Errorf("exit code %d; want 130", code)
	}
	for _, pid := range pids {
		if !gone(pid) {
			t.Errorf("process %d lives on", pid)
		}
	}
	if stops := f.notes(0, "stop", ""); len(stops) != 0 {
		t.Errorf("workers stopped in order: %v", stops)
	}
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// While a worker does not stop, dev says what it waits for, and where it never does, dev ends as its node does: with exit
// code 70, and without a word about an API that has ended with it.
func TestDevStuckWorker(t *testing.T) {
	t.Parallel()
	f := emptyFleet(t)
	config := "[[task]]\nname = \"test01\"\nworkName = \"test01\"\nworkerNum = 1\nstopTimeout = \"4s\"\n"
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Env = append(f.Env, stubbornVariable+"=1h", "TMPDIR="+t.TempDir())
	first := process.FreeAddrs(t, 1)[0]
	d := f.Launch("dev", first, "dev", "--nodes", "1", "--http", first, "--config", f.path("app.toml"))
	f.Await("all workers run", func() bool { return healthy(fleets.StateOf(t, first), 1, "") })
	d.Signal(syscall.SIGINT)
	if code := d.Exit(); code != 70 {
		t.Errorf("exit code %d; want 70", code)
	}
	log := d.Log.String()
	for _, want := range []string{"waiting for workers to stop before leaving", "slots=test01#0", "a node did not shut down cleanly"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	if strings.Contains(log, "HTTP API has failed") {
		t.Error("the end of the API is reported as a fault")
	}
	if t.Failed() {
		t.Log(log)
	}
}
