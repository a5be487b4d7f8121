package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// nodePID returns the process of a node as the cluster knows it, which is its parent's child.
func nodePID(t *testing.T, s cluster.State, node string) int {
	t.Helper()
	for _, n := range s.Nodes {
		if n.Name == node {
			return n.PID
		}
	}
	t.Fatalf("no node %s in %+v", node, s.Nodes)
	return 0
}

// gone reports whether a process has ended.
func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// longTimeout is a session timeout that a test of quick failover would notice.
const longTimeout = 20 * time.Second

func newSupervised(t *testing.T, b backend) *fleet {
	t.Helper()
	timeout := longTimeout
	if b.name == "zookeeper" {
		timeout = 4 * time.Second // the most that the servers' ticks allow
	}
	f := newFleet(t, b, b.start(t, 1).Hosts(), timeout)
	f.supervised = true
	return f
}

// moved returns how long after a moment each of a node's slots ran again, wherever that was.
func (f *fleet) moved(mark int, since time.Duration, slots []string) map[string]time.Duration {
	f.Helper()
	took := map[string]time.Duration{}
	f.Await("the slots run again", func() bool {
		for _, n := range f.notes(mark, "start", "") {
			if _, ok := took[n.Slot]; !ok {
				took[n.Slot] = n.At - since
			}
		}
		for _, s := range slots {
			if _, ok := took[s]; !ok {
				return false
			}
		}
		return true
	})
	return took
}

// slotsOf returns the names of the slots that a node runs.
func slotsOf(s cluster.State, node string) (slots []string) {
	for _, w := range s.Workers {
		if w.Node == node {
			slots = append(slots, cluster.Slot{Task: w.Task, Index: w.Index}.String())
		}
	}
	return slots
}

func TestCrashHealsAtOnce(t *testing.T) { onBoth(t, testCrashHealsAtOnce) }

func testCrashHealsAtOnce(t *testing.T, b backend) {
	f := newSupervised(t, b)
	n1 := f.start("n1")
	state := n1.awaitSpread("n1")

	t.Log("the only node's process is killed: its parent starts it again")
	mark, pid, member := len(f.journal()), nodePID(t, state, "n1"), memberOf(state, "n1")
	if pid == n1.PID() {
		t.Fatal("the node is not a child process")
	}
	killed := f.session.Now()
	f.kill(pid, syscall.SIGKILL)
	for slot, took := range f.moved(mark, killed, slotsOf(state, "n1")) {
		t.Logf("%s ran again after %v", slot, took)
		if took >= f.timeout {
			t.Errorf("%s ran again after %v, a session timeout", slot, took)
		}
	}
	state = n1.awaitSpread("n1")
	if memberOf(state, "n1") == member {
		t.Error("it is the same member")
	}

	t.Log("with others, and the one that is killed leads: they take over")
	n2 := f.start("n2")
	n2.awaitSpread("n1", "n2")
	n3 := f.start("n3")
	state = n2.awaitSpread("n1", "n2", "n3")
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGSEGV} {
		mark, killed = len(f.journal()), f.session.Now()
		leader, member := state.Leader, memberOf(state, state.Leader)
		slots := slotsOf(state, leader)
		f.kill(nodePID(t, state, leader), sig)
		for slot, took := range f.moved(mark, killed, slots) {
			t.Logf("%s of leader %s ran again after %v", slot, leader, took)
			if took >= f.timeout {
				t.Errorf("%s ran again after %v, a session timeout", slot, took)
			}
		}
		f.Await("n3 sees that the killed node is back as a new member", func() bool {
			s := n3.State()
			return s != nil && !slices.Contains([]string{"", member}, memberOf(*s, leader))
		})
		state = n3.awaitSpread("n1", "n2", "n3")
		if state.Leader == leader {
			t.Errorf("%s still leads", leader)
		}
	}

	t.Log("a node leaves: parent and child end, with code 0")
	pid = nodePID(t, state, "n2")
	n2.leave()
	if !gone(pid) {
		t.Error("the child lives on")
	}
	n1.awaitSpread("n1", "n3")

	t.Log("a parent is killed: its node notices and leaves")
	pid = nodePID(t, state, "n3")
	mark, killed = len(f.journal()), f.session.Now()
	slots := slotsOf(*n1.State(), "n3")
	n3.Signal(syscall.SIGKILL)
	for slot, took := range f.moved(mark, killed, slots) {
		t.Logf("%s ran elsewhere %v after the parent was killed", slot, took)
		if took >= f.timeout {
			t.Errorf("%s ran elsewhere after %v, a session timeout", slot, took)
		}
	}
	f.Await("the child ends", func() bool { return gone(pid) })
	n1.awaitSpread("n1")
}

func (f *fleet) kill(pid int, sig syscall.Signal) {
	f.Helper()
	if err := syscall.Kill(pid, sig); err != nil {
		f.Fatalf("%v to %d: %v", sig, pid, err)
	}
}

// A child that hangs is killed by its parent before its lease ends, so that nothing overlaps
// although it is never resumed.
func TestHungNodeIsKilled(t *testing.T) { onBoth(t, testHungNodeIsKilled) }

func testHungNodeIsKilled(t *testing.T, b backend) {
	f := newFleet(t, b, b.start(t, 1).Hosts(), 3*time.Second)
	f.supervised = true
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	n2 := f.start("n2")
	state := n1.awaitSpread("n1", "n2")
	pid, member := nodePID(t, state, "n2"), memberOf(state, "n2")
	f.kill(pid, syscall.SIGSTOP)
	f.Await("the hung process is killed", func() bool { return gone(pid) })
	if !strings.Contains(n2.Log.String(), "the node's process hung") {
		t.Error("the parent does not say so")
	}
	f.Await("it is a new member", func() bool {
		s := n1.State()
		return s != nil && memberOf(*s, "n2") != member
	})
	state = n1.awaitSpread("n1", "n2")
	for _, w := range state.Workers {
		if w.State == cluster.WorkerWithheld || w.State == cluster.WorkerGivenUp {
			t.Errorf("%+v is blamed for a hang", w)
		}
	}
}

// What a node's process has started, in whatever way it hides, is gone before its slots move.
func TestTreeOfDeadNodeIsKilled(t *testing.T) {
	t.Parallel()
	f := newSupervised(t, zookeeper)
	f.Env = append(f.Env, strayVariable+"=1")
	n1 := f.start("n1")
	state := n1.awaitSpread("n1")
	strays := map[string]int{}
	f.Await("the strays run", func() bool {
		for _, name := range []string{"child", "session", "orphan"} {
			if text, err := os.ReadFile(filepath.Join(f.dir, "stray-"+name)); err == nil {
				if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
					strays[name] = pid
				}
			}
		}
		return len(strays) == 3
	})
	mark := len(f.journal())
	f.kill(nodePID(t, state, "n1"), syscall.SIGKILL)
	f.Await("the node runs again", func() bool { return len(f.notes(mark, "start", "n1")) == 4 })
	for name, pid := range strays {
		if !gone(pid) {
			t.Errorf("the stray %q lives on as %d", name, pid)
		}
	}
	n1.leave()
}

// The parent ends with a child that starting again would not mend, and starts again what crashes.
func TestExitCodesOfChildren(t *testing.T) {
	t.Parallel()
	f := newSupervised(t, etcdBackend)
	bare, _, _ := strings.Cut(f.config(), "[[task]]")
	if err := os.WriteFile(f.path("bare.toml"), []byte(bare), 0o644); err != nil {
		t.Fatal(err)
	}
	for code, want := range map[int]int{0: 0, 64: 64, 69: 69, 71: 71, 78: 78} {
		p := f.start(fmt.Sprintf("exit%d", code), "--config", f.path("bare.toml"))
		if got := p.exit(); got != want {
			t.Errorf("a child that exits with %d: the parent exits with %d; want %d", code, got, want)
		}
	}
	for _, code := range []int{1, 2, 63, 70, 79, 255} {
		name := fmt.Sprintf("exit%d", code)
		p := f.start(name, "--config", f.path("bare.toml"))
		f.Await(name+" is started again", func() bool {
			return strings.Count(p.Log.String(), `"msg":"joined"`) >= 2
		})
		if !strings.Contains(p.Log.String(), "closed the dead node's member") {
			t.Errorf("%s: the member was not closed", name)
		}
		p.Signal(syscall.SIGTERM)
		p.exit() // with whatever its last child ended with
	}
	f.start("n1").awaitSpread("n1") // for the checker: something ran
}

// Two signals end everything at once, and the work moves all the same.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	f := newSupervised(t, zookeeper)
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.Env = append(f.Env, stubbornVariable+"=8s")
	n2 := f.start("n2")
	state := n1.awaitSpread("n1", "n2")
	pid := nodePID(t, state, "n2")
	n2.Signal(syscall.SIGTERM)
	f.Await("n2 is leaving", func() bool { return strings.Contains(n2.Log.String(), "stubborn") })
	n2.Signal(syscall.SIGINT)
	if code := n2.exit(); code != 130 {
		t.Errorf("exit code %d; want 130", code)
	}
	if !gone(pid) {
		t.Error("the child lives on")
	}
	n1.awaitSpread("n1")
}

// A service manager tells every process of a service to end. That is one request: the workers get
// the time that they need.
func TestEverybodyIsTold(t *testing.T) {
	t.Parallel()
	f := newSupervised(t, etcdBackend)
	f.Env = append(f.Env, stubbornVariable+"=2s")
	n1 := f.start("n1")
	pid := nodePID(t, n1.awaitSpread("n1"), "n1")
	mark := len(f.journal())
	n1.Signal(syscall.SIGTERM)
	f.kill(pid, syscall.SIGTERM)
	time.Sleep(time.Second) // and once more, late
	f.kill(pid, syscall.SIGTERM)
	if code := n1.exit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if stops := f.notes(mark, "stop", "n1"); len(stops) != 4 {
		t.Errorf("%d workers stopped in order", len(stops))
	}
}

// While the service is away a parent does nothing to a child that has stopped its workers.
func TestOutageIsNoHang(t *testing.T) {
	t.Parallel()
	server := etcdBackend.start(t, 1)
	f := newFleet(t, etcdBackend, server.Hosts(), 3*time.Second)
	f.supervised = true
	n1 := f.start("n1")
	before := n1.awaitSpread("n1")
	mark := len(f.journal())
	server.Kill(0)
	f.Await("the workers stop", func() bool { return len(f.notes(mark, "stop", "n1")) == 4 })
	time.Sleep(2 * f.timeout) // a parent that took it for a hang would have time to act
	server.Restart(0)
	after := n1.awaitSpread("n1")
	if nodePID(t, before, "n1") != nodePID(t, after, "n1") {
		t.Error("the node's process was replaced")
	}
	if memberOf(before, "n1") != memberOf(after, "n1") {
		t.Error("the member was lost")
	}
}

// A slot that kills the process that runs it is withheld and then fails, instead of going through
// the fleet for ever; the others go on, and nobody else is blamed.
func TestPoisonIsHeldBack(t *testing.T) {
	t.Parallel()
	f := newSupervised(t, etcdBackend)
	config := f.config() + "[[task]]\nname = \"poison\"\nworkName = \"poison\"\nworkerNum = 1\n"
	n1 := f.start("n1")
	n1.awaitSpread("n1")
	f.start("n2")
	n1.awaitSpread("n1", "n2")
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n3 := f.start("n3")
	look := func() (poison cluster.WorkerInfo, running int) {
		s := n3.State()
		if s == nil {
			return poison, 0
		}
		for _, w := range s.Workers {
			switch {
			case w.Task == "poison":
				poison = w
			case w.State == cluster.WorkerRunning:
				running++
			case w.State == cluster.WorkerWithheld, w.State == cluster.WorkerGivenUp:
				t.Errorf("%s#%d is blamed: %s", w.Task, w.Index, w.Error)
			}
		}
		return poison, running
	}
	for _, want := range []struct {
		state   cluster.WorkerState
		crashes int
	}{{cluster.WorkerWithheld, 3}, {cluster.WorkerGivenUp, 4}} {
		f.Await("the poison is "+string(want.state)+" and everybody else runs", func() bool {
			poison, running := look()
			return poison.State == want.state && running == 4
		})
		poison, _ := look()
		t.Logf("%s: %s", poison.State, poison.Error)
		if n := strings.Count(poison.Error, ",") + 1; !strings.HasPrefix(poison.Error, "took down n") || n != want.crashes {
			t.Errorf("%s: %s; want %d crashes", poison.State, poison.Error, want.crashes)
		}
	}
}

// As process 1 of a PID namespace, as in a container, a parent reaps what others leave to it. Where
// /proc is not the namespace's own it touches nothing but its child's group: the numbers there are
// other processes'.
func TestParentIsProcessOne(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("PID namespaces need root")
		}
		t.Skip("PID namespaces need root; CI requires this test")
	}
	for name, c := range map[string]struct {
		args []string
		sees bool
	}{
		"with its own /proc":    {[]string{"--mount-proc"}, true},
		"with the host's /proc": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newSupervised(t, etcdBackend)
			bystander := exec.Command("sleep", "1000")
			if err := bystander.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = bystander.Process.Kill(); _ = bystander.Wait() }()
			f.Program = append(append([]string{"unshare", "--pid", "--fork", "--kill-child"}, c.args...), f.Program...)
			f.Env = append(f.Env, strayVariable+"=1")
			n1 := f.start("n1")
			state := n1.awaitSpread("n1")
			inside := nodePID(t, state, "n1") // as the namespace counts
			parent := childOf(t, n1.PID())
			child := childOf(t, parent)
			if inside == child {
				t.Fatalf("the node is process %d inside and outside", child)
			}
			mark := len(f.journal())
			f.kill(child, syscall.SIGKILL)
			f.Await("the node runs again", func() bool { return len(f.notes(mark, "start", "n1")) == 4 })
			if blind := strings.Contains(n1.Log.String(), "cannot see every process that its node starts"); blind == c.sees {
				t.Errorf("it says that it cannot see: %v", blind)
			}
			if closed := strings.Contains(n1.Log.String(), "closed the dead node's member"); closed != c.sees {
				t.Errorf("it closed the member: %v", closed)
			}
			if gone(bystander.Process.Pid) {
				t.Error("a process of somebody else was killed")
			}
			if c.sees { // the strays of the first node are dead and reaped
				f.Await("no zombie is left", func() bool { return len(process.ChildrenOf(parent)) <= 1+3 })
				for _, pid := range process.ChildrenOf(parent) {
					if text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); strings.Contains(string(text), ") Z ") {
						t.Errorf("process %d is a zombie", pid)
					}
				}
			}
			if err := syscall.Kill(parent, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if code := n1.exit(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// childOf returns a process's child that is a node or its parent.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	for _, child := range process.ChildrenOf(pid) {
		if args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child)); strings.Contains(string(args), "\x00run\x00") {
			return child
		}
	}
	t.Fatalf("process %d has no such child: %v", pid, process.ChildrenOf(pid))
	return 0
}
