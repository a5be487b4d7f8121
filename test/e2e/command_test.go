package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	table "gitee.com/ken.yang/xconsumer/internal/proc"
	"gitee.com/ken.yang/xconsumer/test/process"
)

// lockedProgram is a work that does not want to end: it takes no notice of SIGTERM, and leaves a process behind
// that has left its session and its parents. Both hold the lock of their slot, so that who of them lives on
// somewhere keeps the next one from starting, which is an overlap.
const lockedProgram = `
slot="$XCONSUMER_TASK#$XCONSUMER_INDEX"
note() {
	at=$(awk '{printf "%.0f", $1 * 1e9}' /proc/uptime)
	printf '{"at":%s,"what":"%s","node":"%s","slot":"%s","token":%s}\n' "$at" "$1" "$XCONSUMER_NODE" "$slot" "$XCONSUMER_TOKEN" >> journal
}
trap '' TERM HUP
exec 9>> "$slot.lock"
if ! flock -n 9; then note overlap; exit 1; fi
note start
(setsid sh -c 'trap "" TERM HUP; sleep 1000; sleep 1000' &)
echo "I am $slot"
while :; do sleep 1000; done
`

// commandFleet is a fleet whose works are programs.
func commandFleet(t *testing.T, b backend, timeout time.Duration) *fleet {
	t.Helper()
	f := newFleet(t, b, b.start(t, 1).Hosts(), timeout)
	f.supervised = true
	config := strings.ReplaceAll(f.config(), `workName = "test01"`, "workName = \"program\"\nstopTimeout = \"1s\"")
	config = strings.ReplaceAll(config, `workName = "test02"`, "workName = \"program\"\nstopTimeout = \"1s\"")
	config += "[[work]]\nname = \"program\"\ncommand = [\"sh\", \"program.sh\"]\n"
	for name, text := range map[string]string{"app.toml": config, "program.sh": lockedProgram} {
		if err := os.WriteFile(f.path(name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// shims returns the shims that a node has.
func (p *proc) shims() (list []int) {
	for _, child := range process.ChildrenOf(p.PID()) {
		list = append(list, process.ChildrenOf(child)...)
	}
	return list
}

// programs returns the processes that were started in the directory of the fleet and are not nodes.
func (f *fleet) programs() (list []int) {
	for _, p := range table.Table() {
		cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(p.PID), "cwd"))
		if err == nil && cwd == f.dir && !p.Zombie {
			list = append(list, p.PID)
		}
	}
	return list
}

func TestPrograms(t *testing.T) { onBoth(t, testPrograms) }

func testPrograms(t *testing.T, b backend) {
	f := commandFleet(t, b, 4*time.Second)
	n1, n2, n3 := f.three()

	t.Log("a node's process is killed: its programs end with it, and run elsewhere")
	_ = syscall.Kill(process.ChildrenOf(n2.PID())[0], syscall.SIGKILL)
	n1.awaitBalance("n1", "n2", "n3")

	t.Log("a node and its parent are paused: its programs end with the lease")
	_ = n3.Cmd.Process.Signal(syscall.SIGSTOP)
	paused := process.ChildrenOf(n3.PID())
	for _, pid := range paused {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	n1.awaitBalance("n1", "n2")
	for _, pid := range paused {
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	_ = n3.Cmd.Process.Signal(syscall.SIGCONT)
	n1.awaitBalance("n1", "n2", "n3")

	t.Log("shims are paused: the node does their work")
	for _, shim := range n2.shims() {
		_ = syscall.Kill(shim, syscall.SIGSTOP)
	}
	n2.accepted("nodes/n2/drain", "")
	n1.awaitBalance("n1", "n3")
	n2.accepted("nodes/n2/uncordon", "")
	n1.awaitBalance("n1", "n2", "n3")

	t.Log("shims are killed: the programs end, and run again")
	before := len(f.journal())
	killed := n1.shims()
	for _, shim := range killed {
		_ = syscall.Kill(shim, syscall.SIGKILL)
	}
	f.Await("they run again", func() bool { return len(f.notes(before, "start", "n1")) >= len(killed) })

	t.Log("programs are paused: they are killed all the same")
	for _, pid := range f.programs() {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	n3.accepted("nodes/n3/drain", "")
	n1.awaitBalance("n1", "n2")
	n3.accepted("nodes/n3/uncordon", "")
	n1.awaitBalance("n1", "n2", "n3")

	t.Log("a node and its parent are killed")
	_ = n2.Cmd.Process.Signal(syscall.SIGSTOP) // the parent, so that it does nothing from now on
	_ = syscall.Kill(process.ChildrenOf(n2.PID())[0], syscall.SIGKILL)
	n2.Signal(syscall.SIGKILL)
	n2.exit()
	n1.awaitBalance("n1", "n3")

	t.Log("all leave: nothing is left")
	for _, p := range []*proc{n1, n3} {
		p.leave()
	}
	if left := f.programs(); len(left) > 0 {
		t.Errorf("processes %v live on", left)
	}
}

// What is wrong with a work is shown on its worker, and tried again ever more slowly.
func TestProgramsThatCannotRun(t *testing.T) {
	t.Parallel()
	f := commandFleet(t, zookeeper, 4*time.Second)
	config := f.config() + "[[work]]\nname = \"missing\"\ncommand = [\"no-such-program\"]\n[[work]]\nname = \"plain\"\ncommand = [\"./program.sh\"]\n" +
		"[[work]]\nname = \"garbage\"\ncommand = [\"sh\", \"-c\", \"printf '\\\\377\\\\376bad\\\\n' >&2; exit 3\"]\n"
	for _, name := range []string{"missing", "plain", "garbage", "unknown"} {
		config += fmt.Sprintf("[[task]]\nname = %q\nworkName = %[1]q\nworkerNum = 1\n", name)
	}
	if err := os.WriteFile(f.path("app.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	n1 := f.start("n1")
	want := map[string]string{
		"missing": `"no-such-program": not found in PATH`,
		"plain":   "permission denied",
		"garbage": "exit code 3: \ufffdbad",
	}
	f.Await("every mistake is shown", func() bool {
		s := n1.State()
		if s == nil {
			return false
		}
		shown := 0
		for _, w := range s.Workers {
			if text := want[w.Task]; text != "" && strings.Contains(w.Error, text) && w.State == cluster.WorkerBackoff {
				shown++
			}
		}
		for _, task := range s.Tasks {
			if task.Name == "unknown" && task.ReasonCode == cluster.WhyNoWork {
				shown++
			}
		}
		return shown == 4
	})
	time.Sleep(3 * time.Second)
	for _, w := range n1.State().Workers {
		if want[w.Task] != "" && w.Restarts > 6 {
			t.Errorf("%s was tried %d times within seconds", w.Task, w.Restarts)
		}
	}
	n1.leave()
}
