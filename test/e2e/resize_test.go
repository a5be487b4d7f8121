package e2e_test

import (
	"context"
	"fmt"
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
		_ = f.Close()
	}
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
	if text, told := os.LookupEnv("XCONSUMER_COUNT"); told && n.Count == 0 {
		fmt.Fprintf(os.Stderr, "it is told a count of %q\n", text)
		os.Exit(1)
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

func TestResize(t *testing.T) { onBoth(t, testResize) }

// A task is resized again and again, and nodes are killed and paused meanwhile, as is whoever leads. No key of a
// Go work or of a program has two owners at any time, says the kernel, and in the end each has one.
func testResize(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 3).Hosts(), 3*time.Second)
	f.env = []string{effectsVariable + "=1"}
	config := strings.ReplaceAll(f.config(), `workName = "test02"`, `workName = "keeper"`)
	config += fmt.Sprintf("[[work]]\nname = \"keeper\"\ncommand = [%q]\nenv = {%s = %q}\n", os.Args[0], asKeeper, f.dir)
	config += "[[task]]\nname = \"live\"\nworkName = \"keeper\"\nworkerNum = 3\nresize = \"live\"\n"
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	nodes := map[string]*proc{}
	for _, name := range []string{"n1", "n2", "n3"} {
		nodes[name] = f.start(name)
	}
	resize := func(by string, count int) {
		t.Helper()
		for _, task := range []string{"test01", "test02"} {
			f.await("the change is accepted", func() bool { // whoever is asked may join again just now
				return nodes[by].post("tasks/"+task+"/scale", fmt.Sprintf(`{"workers": %d}`, count), nil) == 202
			})
		}
	}
	settled := func(by string, count int) {
		t.Helper()
		f.await(fmt.Sprintf("all %d of both run, and each key has an owner", count), func() bool {
			s := nodes[by].state()
			if s == nil {
				return false
			}
			told := map[string]int{}
			for _, w := range s.Workers {
				if w.State == cluster.WorkerRunning && (w.Count == count || w.Task == "live" && w.Count == 0) {
					told[w.Task]++
				} else {
					return false
				}
			}
			return told["test01"] == count && told["test02"] == count && f.keyless("test01")+f.keyless("test02") == 0
		})
	}
	tokens := func() map[int]int64 {
		list := map[int]int64{}
		for _, w := range nodes["n1"].state().Workers {
			if w.Task == "live" {
				list[w.Index] = w.Token
			}
		}
		return list
	}
	settled("n1", 2)

	t.Log("4 → 5 → 3; what is live runs on, and is told no count")
	resize("n1", 4)
	settled("n1", 4)
	resize("n2", 5)
	settled("n1", 5)
	resize("n3", 3)
	settled("n1", 3)
	before := tokens()
	nodes["n1"].accepted("tasks/live/scale", `{"workers": 5}`)
	f.await("5 of live run", func() bool { return len(tokens()) == 5 })
	settled("n1", 3)
	for i, token := range tokens() {
		if old, was := before[i]; was && old != token {
			t.Errorf("live#%d was restarted", i)
		}
	}
	for _, n := range f.notes(0, invariant.Start, "") {
		if live := strings.HasPrefix(n.Slot, "live#"); live != (n.Count == 0) {
			t.Errorf("%s was told a count of %d", n.Slot, n.Count)
		}
	}

	t.Log("a node is paused meanwhile")
	nodes["n3"].pause()
	resize("n1", 6)
	f.await("n3 is gone", func() bool { s := nodes["n1"].state(); return s != nil && len(s.Nodes) == 2 })
	nodes["n3"].resume()
	settled("n1", 6)

	t.Log("a node is killed in the middle")
	resize("n1", 4)
	nodes["n2"].signal(syscall.SIGKILL)
	nodes["n2"].exit()
	settled("n1", 4)
	nodes["n2"] = f.start("n2")

	t.Log("the leader is killed in the middle")
	leader := ""
	f.await("somebody leads", func() bool {
		if s := nodes["n2"].state(); s != nil {
			leader = s.Leader
		}
		return leader != ""
	})
	by := map[string]string{"n1": "n3", "n2": "n1", "n3": "n1"}[leader]
	resize(by, 7)
	nodes[leader].signal(syscall.SIGKILL)
	nodes[leader].exit()
	settled(by, 7)
	nodes[leader] = f.start(leader)

	t.Log("back before it is done")
	resize(by, 5)
	resize(by, 7)
	settled(by, 7)
	for _, p := range nodes {
		p.leave()
	}
}
