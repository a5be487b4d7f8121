package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// asKeeper makes the test binary run as a program that keeps the locks of its keys, in the directory it names.
const asKeeper = "E2E_KEEPER_DIR"

// keyLocks are the kernel's locks of the keys of a worker.
type keyLocks []*os.File

func (l keyLocks) unlock() {
	for _, f := range l {
		release(f)
	}
}

// release gives a lock back. To close the file would not do: a program that the node starts at this moment has it
// open, too, until it is executed.
func release(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	_ = f.Close()
}

// lockKeys locks the keys that a worker owns by its index and count. It fails with the name of one that another
// process has.
func lockKeys(dir, slot string, index, count int) (locks keyLocks, taken string, err error) {
	task, _, _ := strings.Cut(slot, "#")
	for _, key := range invariant.KeysOf(task, index, count) {
		f, err := os.OpenFile(keyFile(dir, key), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return locks, key, err
		}
		locks = append(locks, f)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return locks, key, fmt.Errorf("key %s has another owner: %w", key, err)
		}
	}
	return locks, "", nil
}

func keyFile(dir, key string) string {
	return filepath.Join(dir, "key-"+strings.ReplaceAll(key, "/", "-"))
}

// keepKeys is a program that learns its count when it starts, as programs do, and goes by that until it is told
// to stop.
func keepKeys(dir string) {
	number := func(name string) int {
		n, _ := strconv.Atoi(os.Getenv("XCONSUMER_" + name))
		return n
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	slot := cluster.Slot{Task: os.Getenv("XCONSUMER_TASK"), Index: number("INDEX")}.String()
	n := note{Node: os.Getenv("XCONSUMER_NODE"), Slot: slot, Token: int64(number("TOKEN")), Count: number("COUNT")}
	write := func(what string) {
		n.At, n.What = coord.LeaseClock()(), what
		writeNote(dir, n)
	}
	if text, set := os.LookupEnv("XCONSUMER_COUNT"); set && n.Count == 0 {
		fmt.Fprintf(os.Stderr, "it has a count of %q\n", text)
		stop()
		os.Exit(1) //nolint:gocritic // what is deferred is done
	}
	locks, taken, err := lockKeys(dir, slot, number("INDEX"), n.Count)
	defer locks.unlock()
	if err != nil {
		n.Key = taken
		write(invariant.Overlap)
		os.Exit(1)
	}
	write(invariant.Start)
	<-ctx.Done()
	write(invariant.Stop)
}

// keyless returns how many keys of a task nobody owns, says the kernel. Nothing is locked to find out: a worker
// that is about to start would be refused.
func (f *fleet) keyless(task string) (n int) {
	f.Helper()
	table, err := os.ReadFile("/proc/locks")
	if err != nil {
		f.Fatal(err)
	}
	locked := map[string]bool{} // by inode
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 5 && fields[1] == "FLOCK" {
			locked[fields[5][strings.LastIndexByte(fields[5], ':')+1:]] = true
		}
	}
	for _, key := range invariant.KeysOf(task, 0, 1) {
		var stat syscall.Stat_t
		if err := syscall.Stat(keyFile(f.dir, key), &stat); err != nil || !locked[strconv.FormatUint(stat.Ino, 10)] {
			n++
		}
	}
	return n
}

// resizer is a fleet whose tasks are resized: test01 is a Go work, test02 a program, and live is one that is told
// no count.
type resizer struct {
	*fleet
	nodes map[string]*proc
}

func newResizer(t *testing.T, b backend) *resizer {
	t.Helper()
	r := &resizer{newFleet(t, b, b.start(t, 3).Hosts(), 3*time.Second), map[string]*proc{}}
	r.Env = append(r.Env, effectsVariable+"=1")
	config := strings.ReplaceAll(r.config(), `workName = "test02"`, `workName = "keeper"`)
	config += fmt.Sprintf("[[work]]\nname = \"keeper\"\ncommand = [%q]\nenv = {%s = %q}\n", os.Args[0], asKeeper, r.dir)
	config += "[[task]]\nname = \"live\"\nworkName = \"keeper\"\nworkerNum = 3\nresize = \"live\"\n"
	if err := os.WriteFile(r.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"n1", "n2", "n3"} {
		r.nodes[name] = r.start(name)
	}
	return r
}

// resize resizes the Go work and the program, asking a node for it, which may join again just now.
func (r *resizer) resize(by string, count int) {
	r.Helper()
	for _, task := range []string{"test01", "test02"} {
		r.Await("the change is accepted", func() bool {
			return r.nodes[by].post("tasks/"+task+"/scale", fmt.Sprintf(`{"workers": %d}`, count), nil) == http.StatusAccepted
		})
	}
}

// settled waits until all workers run, as a node sees it, are told what they should be, and every key has an owner.
func (r *resizer) settled(by string, count int) {
	r.Helper()
	r.Await(fmt.Sprintf("all %d of both run, and each key has an owner", count), func() bool {
		s := r.nodes[by].State()
		if s == nil {
			return false
		}
		counts := map[string]int{}
		for _, w := range s.Workers {
			if w.State != cluster.WorkerRunning || w.Count != count && (w.Task != "live" || w.Count != 0) {
				return false
			}
			counts[w.Task]++
		}
		return counts["test01"] == count && counts["test02"] == count && r.keyless("test01")+r.keyless("test02") == 0
	})
}

// live returns the tokens of the task whose workers run on.
func (r *resizer) live() map[int]int64 {
	list := map[int]int64{}
	if s := r.nodes["n1"].State(); s != nil {
		for _, w := range s.Workers {
			if w.Task == "live" && w.Node != "" {
				list[w.Index] = w.Token
			}
		}
	}
	return list
}

// kill kills a node at once.
func (r *resizer) kill(name string) {
	r.Helper()
	r.nodes[name].Signal(syscall.SIGKILL)
	r.nodes[name].exit()
}

func TestResize(t *testing.T) { onBoth(t, testResize) }

// A task is resized again and again, and nodes are killed and paused meanwhile, as is whoever leads. No key of a
// Go work or of a program has two owners at any time, says the kernel, and in the end each has one.
func testResize(t *testing.T, b backend) {
	r := newResizer(t, b)
	r.settled("n1", 2)
	for i, count := range []int{4, 5, 3} {
		t.Logf("to %d", count)
		r.resize([]string{"n1", "n2", "n3"}[i], count)
		r.settled("n1", count)
	}

	t.Log("what is live runs on, and has no count")
	before := r.live()
	r.nodes["n1"].accepted("tasks/live/scale", `{"workers": 5}`)
	r.Await("5 of live run", func() bool { return len(r.live()) == 5 })
	r.settled("n1", 3)
	for i, token := range r.live() {
		if old, was := before[i]; was && old != token {
			t.Errorf("live#%d was restarted", i)
		}
	}
	for _, n := range r.notes(0, invariant.Start, "") {
		if live := strings.HasPrefix(n.Slot, "live#"); live != (n.Count == 0) {
			t.Errorf("%s has a count of %d", n.Slot, n.Count)
		}
	}

	t.Log("a node is paused meanwhile")
	r.nodes["n3"].pause()
	r.resize("n1", 6)
	r.Await("n3 is gone", func() bool { s := r.nodes["n1"].State(); return s != nil && len(s.Nodes) == 2 })
	r.nodes["n3"].resume()
	r.Await("n3 is back", func() bool {
		select {
		case <-r.nodes["n3"].Done(): // on a busy machine its programs are not gone in time when it wakes: exit code 70
			r.nodes["n3"] = r.start("n3")
		default:
		}
		s := r.nodes["n1"].State()
		return s != nil && len(s.Nodes) == 3
	})
	r.settled("n1", 6)

	t.Log("a node is killed in the middle")
	r.resize("n1", 4)
	r.kill("n2")
	r.settled("n1", 4)
	r.nodes["n2"] = r.start("n2")

	t.Log("the leader is killed in the middle")
	leader := ""
	r.Await("somebody leads", func() bool {
		if s := r.nodes["n2"].State(); s != nil {
			leader = s.Leader
		}
		return leader != ""
	})
	by := map[string]string{"n1": "n3", "n2": "n1", "n3": "n1"}[leader]
	r.resize(by, 7)
	r.kill(leader)
	r.settled(by, 7)
	r.nodes[leader] = r.start(leader)

	t.Log("back before it is done")
	r.resize(by, 5)
	r.resize(by, 7)
	r.settled(by, 7)
	for _, p := range r.nodes {
		p.leave()
	}
}
