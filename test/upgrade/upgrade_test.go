//go:build unix

// Package upgrade_test rolls a cluster from an earlier program to this one and back.
package upgrade_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/devcluster"
	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// former is the program to come from, by the subject of its last commit, which a rebase leaves as it is: the one before
// metrics and traces. Name the tag of the last release that speaks the protocol instead when there is one.
const former = "operation: tests read the one task that they have"

const (
	slots    = 9
	patience = 2 * time.Minute
)

func TestMain(m *testing.M) {
	etcdserver.Serve()
	os.Exit(m.Run())
}

// build builds the program as it was at the commit with a subject, "" for as it is.
func build(t *testing.T, subject string) string {
	t.Helper()
	if subject == "" {
		return devcluster.Build(t)
	}
	do := func(dir, name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v: %s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	commit := do("../..", "git", "log", "-1", "--format=%H", "--grep", "^"+subject+"$")
	if commit == "" {
		t.Fatalf("the history has no commit %q: it has to be whole", subject)
	}
	bin, dir := filepath.Join(t.TempDir(), "xconsumer"), filepath.Join(t.TempDir(), "former")
	do("../..", "git", "worktree", "add", "--detach", "--force", dir, commit)
	t.Cleanup(func() { _ = exec.Command("git", "-C", "../..", "worktree", "remove", "--force", dir).Run() }) // it is in a folder that goes
	do(dir, "go", "build", "-o", bin, "./cmd/xconsumer")
	return bin
}

// fleet is a cluster whose workers hold a lock each, and write down when they start and when somebody else holds it.
type fleet struct {
	*testing.T
	dir   string
	etcd  string
	addrs map[string]string
	nodes map[string]*exec.Cmd
}

const work = `exec 9>locks/$XCONSUMER_INDEX
flock -n 9 || echo overlap $XCONSUMER_INDEX >>journal
echo start $XCONSUMER_INDEX $XCONSUMER_NODE >>journal
exec sleep 1000`

func (f *fleet) start(bin, name string) {
	f.Helper()
	cmd := exec.Command(bin, "run", "--etcd", f.etcd, "--name", name, "--http", f.addrs[name])
	cmd.Dir = f.dir
	log, err := os.OpenFile(filepath.Join(f.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.nodes[name] = cmd
}

func (f *fleet) stop(name string) {
	f.Helper()
	cmd := f.nodes[name]
	delete(f.nodes, name)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		f.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		f.Errorf("%s leaves with %v", name, err)
	}
}

// journal returns the lines that workers have written.
func (f *fleet) journal() []string {
	f.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, "journal"))
	if err != nil && !os.IsNotExist(err) {
		f.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// written tells whether the workers have written down that they started where they are.
func (f *fleet) written(places map[string][]int) bool {
	f.Helper()
	last := map[string]string{}
	for _, line := range f.journal() {
		if words := strings.Fields(line); words[0] == "start" && len(words) == 3 {
			last[words[1]] = words[2]
		}
	}
	for node, list := range places {
		for _, index := range list {
			if last[fmt.Sprint(index)] != node {
				return false
			}
		}
	}
	return true
}

// settled waits until all slots run, evenly, on exactly the nodes that there are, and returns where.
func (f *fleet) settled() map[string][]int {
	f.Helper()
	var seen string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for name := range f.nodes {
			client, err := httpapi.NewClient("http://"+f.addrs[name], httpapi.ClientOptions{})
			if err != nil {
				f.Fatal(err)
			}
			state, _, err := client.State(f.Context())
			if err != nil {
				seen = err.Error()
				break
			}
			places := map[string][]int{}
			for _, w := range state.Workers {
				if w.State == cluster.WorkerRunning {
					places[w.Node] = append(places[w.Node], w.Index)
				}
			}
			if seen = fmt.Sprint(places); len(places) != len(f.nodes) {
				break
			}
			even := true
			for node, list := range places {
				if f.nodes[node] == nil || len(list) < slots/len(f.nodes) || len(list) > (slots+len(f.nodes)-1)/len(f.nodes) {
					even = false
				}
			}
			if even && f.written(places) {
				return places
			}
			break
		}
	}
	for name := range f.addrs {
		log, _ := os.ReadFile(filepath.Join(f.dir, name+".log"))
		f.Logf("%s: %s", name, log[max(0, len(log)-2000):])
	}
	f.Fatalf("it does not settle: %s", seen)
	return nil
}

// A cluster goes from one program to another and back, node by node: at no time does a slot run twice, and nothing
// moves but what the node that is exchanged had, and what comes back to it.
func TestRolling(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a former program, for `make verify`")
	}
	old, now := build(t, former), build(t, "")
	f := &fleet{T: t, dir: t.TempDir(), etcd: etcdserver.Start(t, 1).Hosts(), addrs: map[string]string{}, nodes: map[string]*exec.Cmd{}}
	config := fmt.Sprintf("cluster = \"roll\"\n[[work]]\nname = \"holder\"\ncommand = [\"sh\", \"-c\", %q]\n[[task]]\nname = \"hold\"\nworkName = \"holder\"\nworkerNum = %d\n", work, slots)
	if err := os.WriteFile(filepath.Join(f.dir, "app.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(f.dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for name := range f.nodes {
			f.stop(name)
		}
	})
	names := []string{"n1", "n2", "n3"}
	for i, addr := range process.FreeAddrs(t, len(names)) {
		f.addrs[names[i]] = addr
		f.start(old, names[i])
	}
	f.settled()
	for _, roll := range []struct {
		what string
		bin  string
	}{{"to this program", now}, {"and back", old}} {
		for _, name := range names {
			before, mark := f.settled(), len(f.journal())
			f.stop(name)
			f.settled()
			f.start(roll.bin, name)
			after := f.settled()
			started := f.journal()[mark:]
			// What it had starts elsewhere, and as much as its share comes to it.
			if most := len(before[name]) + len(after[name]); len(started) > most {
				t.Errorf("%s, %s: %d workers started, %d had to: %v", roll.what, name, len(started), most, started)
			}
			t.Logf("%s: %s, %d workers started", roll.what, name, len(started))
		}
	}
	if all := f.journal(); slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, "overlap") }) {
		t.Errorf("a slot ran twice: %v", all)
	}
}
