//go:build unix

// Package upgrade_test rolls a cluster from an earlier program to this one and back.
package upgrade_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/test/etcdserver"
	"gitee.com/ken.yang/xconsumer/test/fleet"
)

// former is the program to come from, by the subject of its last commit, which a rebase leaves as it is: the first whose
// assignments name specs. Name the tag of the last release that speaks the protocol instead when there is one.
const former = "schema, reconcile, follower: specs leave the assignments"

const slots = 9

func TestMain(m *testing.M) {
	etcdserver.Serve()
	os.Exit(m.Run())
}

// build builds the program as it was at the commit with a subject, "" for as it is.
func build(t *testing.T, subject string) string {
	t.Helper()
	if subject == "" {
		return fleet.Shipped(t)
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

// roll is a cluster whose workers hold a lock each, and write down when they start and when somebody else holds it.
type roll struct {
	*testing.T
	fleet *fleet.Fleet
	dir   string
	etcd  string
	nodes map[string]*fleet.Node // that are there
}

const work = `exec 9>locks/$XCONSUMER_INDEX
flock -n 9 || echo overlap $XCONSUMER_INDEX >>journal
echo start $XCONSUMER_INDEX $XCONSUMER_NODE >>journal
exec sleep 1000`

func (r *roll) start(bin, name string) {
	r.Helper()
	r.fleet.Program = []string{bin}
	r.nodes[name] = r.fleet.Start(name, "--etcd", r.etcd)
}

func (r *roll) stop(name string) {
	r.Helper()
	r.nodes[name].Leave()
	delete(r.nodes, name)
}

// journal returns the lines that workers have written.
func (r *roll) journal() []string {
	r.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, "journal"))
	if err != nil && !os.IsNotExist(err) {
		r.Fatal(err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// written reports whether the workers have written down that they started where they are.
func (r *roll) written(places map[string][]int) bool {
	r.Helper()
	last := map[string]string{}
	for _, line := range r.journal() {
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
func (r *roll) settled() (places map[string][]int) {
	r.Helper()
	names := slices.Collect(maps.Keys(r.nodes))
	r.fleet.Await("it settles", func() bool {
		state := r.nodes[names[0]].State()
		if state == nil || len(state.Workers) != slots || !fleet.Spread(state, names) {
			return false
		}
		places = map[string][]int{}
		for _, w := range state.Workers {
			places[w.Node] = append(places[w.Node], w.Index)
		}
		return r.written(places)
	})
	return places
}

// A cluster goes from one program to another and back, node by node: at no time does a slot run twice, and nothing
// moves but what the node that is exchanged had, and what comes back to it.
func TestRolling(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a former program, for `make verify`")
	}
	old, now := build(t, former), build(t, "")
	dir := t.TempDir()
	r := &roll{T: t, fleet: fleet.New(t, filepath.Join(dir, "app.toml")), dir: dir, etcd: etcdserver.Start(t, 1).Hosts(), nodes: map[string]*fleet.Node{}}
	r.fleet.Dir = dir
	config := fmt.Sprintf("cluster = \"roll\"\n[[work]]\nname = \"holder\"\ncommand = [\"sh\", \"-c\", %q]\n[[task]]\nname = \"hold\"\nworkName = \"holder\"\nworkerNum = %d\n", work, slots)
	if err := os.WriteFile(r.fleet.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "locks"), 0o700); err != nil {
		t.Fatal(err)
	}
	names := []string{"n1", "n2", "n3"}
	for _, name := range names {
		r.start(old, name)
	}
	r.settled()
	for _, step := range []struct {
		what string
		bin  string
	}{{"to this program", now}, {"and back", old}} {
		for _, name := range names {
			before, mark := r.settled(), len(r.journal())
			r.stop(name)
			r.settled()
			r.start(step.bin, name)
			after := r.settled()
			started := r.journal()[mark:]
			// What it had starts elsewhere, and as much as its share comes to it.
			if most := len(before[name]) + len(after[name]); len(started) > most {
				t.Errorf("%s, %s: %d workers started, %d had to: %v", step.what, name, len(started), most, started)
			}
			t.Logf("%s: %s, %d workers started", step.what, name, len(started))
		}
	}
	for _, name := range names {
		r.stop(name)
	}
	if all := r.journal(); slices.ContainsFunc(all, func(line string) bool { return strings.HasPrefix(line, "overlap") }) {
		t.Errorf("a slot ran twice: %v", all)
	}
}
