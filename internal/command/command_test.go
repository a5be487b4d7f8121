//go:build linux

package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/proc"

	"golang.org/x/sys/unix"

	"go.uber.org/goleak"
)

// asNode makes the test binary run a script as a node does, in the directory that it names, with a lease
// of some length that is prolonged all the time.
const (
	asNode    = "COMMAND_TEST_NODE"
	withLease = "COMMAND_TEST_LEASE"
)

func TestMain(m *testing.M) {
	if IsShim() {
		os.Exit(Shim())
	}
	if dir := os.Getenv(asNode); dir != "" {
		k := NewKeeper()
		clock := coord.LeaseClock()
		length, err := time.ParseDuration(os.Getenv(withLease))
		if err != nil {
			os.Exit(2)
		}
		k.SetStopBy(clock() + length)
		go func() {
			for range time.Tick(length / 10) {
				k.SetStopBy(clock() + length)
			}
		}()
		_ = k.Run(context.Background(), script(dir, stubborn), newJob())
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// skip skips a test that lacks rights; CI has them.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why + "; CI requires this test")
}

// limit bounds every wait.
const limit = 60 * time.Second

// stubborn is a program that does everything to live on: it ignores signals, and the processes that it starts leave its
// session, its process group and its parents. Each of its processes records its PID.
const stubborn = `
trap '' TERM HUP INT
echo $$ >> pids
sh -c 'trap "" TERM HUP; echo $$ >> pids; sleep 1000' &
setsid sh -c 'trap "" TERM HUP; echo $$ >> pids; sleep 1000; sleep 1000' &
(setsid sh -c 'trap "" TERM HUP; echo $$ >> pids; (setsid sh -c "echo \$\$ >> pids; sleep 1000; sleep 1000" &); exit 0' &)
while [ $(wc -l < pids) -lt 5 ]; do sleep 0.01; done
echo up
while :; do sleep 1000; done
`

// chain is a program that holds a kernel lock for as long as any process of it lives. All but the first one live only
// briefly: each starts the next one, in a session of its own, and ends. The chain ends with the test's process, TEST, even
// if that is killed: a chain that runs on costs the machine a core.
const chain = `
exec 9>>lock
flock -n 9 || { echo taken; exit 1; }
export LOCKED=1
printf '#!/bin/sh\nkill -0 $TEST || exit 0\nsetsid ./chain.sh &\n' > chain.sh
chmod +x chain.sh
./chain.sh
echo $$ > pids
echo up
sleep 1000 9>&-
`

// lockIsFree reports whether nothing holds the kernel lock of a file.
func lockIsFree(t *testing.T, file string) bool {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

func script(dir, text string) Spec {
	return Spec{Name: "script", Argv: []string{"sh", "-c", text}, Dir: dir}
}

// testJob is a job with its output.
type testJob struct {
	mu       sync.Mutex
	out, err bytes.Buffer
	within   time.Duration
	asked    time.Time
}

func (j *testJob) writer(b *bytes.Buffer) writer {
	return func(p []byte) (int, error) {
		j.mu.Lock()
		defer j.mu.Unlock()
		return b.Write(p)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func (j *testJob) text(b *bytes.Buffer) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return b.String()
}

func (j *testJob) job() Job {
	return Job{
		Slot: cluster.Slot{Task: "test"}, Title: "test#0", Vars: []string{"XCONSUMER_TASK=test"}, Out: j.writer(&j.out), Err: j.writer(&j.err),
		StopBy: func() (time.Time, bool) {
			j.mu.Lock()
			defer j.mu.Unlock()
			return j.asked.Add(j.within), !j.asked.IsZero()
		},
	}
}

func newJob() Job { return new(testJob).job() }

// keeper returns a Keeper whose lease lasts.
func keeper() *Keeper {
	k := NewKeeper()
	k.SetStopBy(coord.LeaseClock()() + time.Hour)
	return k
}

// started runs a program until it reports that it is up; stop asks it to end and returns its outcome.
func started(t *testing.T, k *Keeper, spec Spec, within time.Duration) (j *testJob, stop func() error, ended <-chan error) {
	t.Helper()
	j = &testJob{within: within}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx, spec, j.job()) }()
	await(t, "the program is up", func() bool { return strings.Contains(j.text(&j.out), "up") })
	stop = func() error {
		j.mu.Lock()
		j.asked = time.Now()
		j.mu.Unlock()
		cancel()
		return over(t, done)
	}
	t.Cleanup(cancel)
	return j, stop, done
}

// over waits for the end of an execution.
func over(t *testing.T, ended <-chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		t.Fatal("the execution does not end")
		return nil
	}
}

func await(t *testing.T, what string, ready func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ready(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// alive returns the live processes among those that have recorded their PIDs.
func alive(t *testing.T, dir string) (list []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	table := proc.Table()
	for field := range strings.FieldsSeq(string(text)) {
		pid, _ := strconv.Atoi(field)
		for _, p := range table {
			if p.PID == pid && !p.Zombie {
				list = append(list, pid)
			}
		}
	}
	return list
}

// shimOf returns the process of the shim above the programs of a directory.
func shimOf(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "pids"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(first)
	for _, p := range proc.Table() {
		if p.PID == pid {
			return p.Parent
		}
	}
	t.Fatal("the program does not run")
	return 0
}

func TestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   string // "" for none
	}{
		"in order":             {"echo hello", ""},
		"exit code":            {"exit 3", "exit code 3"},
		"last words":           {"echo 'Traceback' >&2; echo 'ValueError: no such queue' >&2; exit 1", "exit code 1: ValueError: no such queue"},
		"last words, no end":   {"printf 'boom' >&2; exit 1", "exit code 1: boom"},
		"signal":               {"kill -SEGV $$", "killed by signal 11"},
		"leaves others behind": {"sleep 1000 & exit 4", "exit code 4"},
		"not UTF-8":            {`printf '\377\376 broken\n' >&2; exit 1`, "exit code 1: \xff\xfe broken"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &testJob{}
			err := keeper().Run(t.Context(), script(t.TempDir(), c.script), j.job())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("ended with %v; want %q", err, c.want)
			}
			if name == "in order" && j.text(&j.out) != "hello\n" {
				t.Errorf("it wrote %q", j.text(&j.out))
			}
		})
	}
}

// The error of a program that cannot be started contains the reason and the fix.
func TestCannotStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for file, content := range map[string]string{"plain": "#!/bin/sh\n", "shebang": "#!/no/such/interpreter\n", "text": "hello\n"} {
		mode := os.FileMode(0o755)
		if file == "plain" {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"no program":     {Spec{Argv: []string{"no-such-program"}}, `"no-such-program": not found in PATH`},
		"no file":        {Spec{Argv: []string{"./missing"}}, "cannot start ./missing: no such file"},
		"no interpreter": {Spec{Argv: []string{"./shebang"}}, "interpreter that does not exist"},
		"not executable": {Spec{Argv: []string{"./plain"}}, "permission denied"},
		"no program for": {Spec{Argv: []string{"./text"}}, "it is not a program for this machine"},
		"no directory":   {Spec{Argv: []string{"true"}, Dir: "/no/such/dir"}, "dir: stat /no/such/dir"},
		"no user":        {Spec{Argv: []string{"true"}, User: "no-such-user"}, `there is no user "no-such-user"`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.spec.Dir == "" {
				c.spec.Dir = dir
			}
			err := keeper().Run(t.Context(), c.spec, newJob())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v; want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), os.Getenv("PATH")) { // it stands in tables and in every line of a log
				t.Errorf("with the whole PATH: %v", err)
			}
		})
	}
}

// A program receives the variables of its slot, and none of the node's secrets.
func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET", "s")
	t.Setenv("XCONSUMER_ZOOKEEPER_PASSWORD", "p")
	t.Setenv("LC_TEST", "de")
	j := &testJob{}
	spec := script(t.TempDir(), "env")
	spec.Env = map[string]string{"OWN": "value"}
	if err := keeper().Run(t.Context(), spec, j.job()); err != nil {
		t.Fatal(err)
	}
	out := j.text(&j.out)
	for _, want := range []string{"XCONSUMER_TASK=test\n", "OWN=value\n", "LC_TEST=de\n", "PATH="} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in:\n%s", want, out)
		}
	}
	for _, secret := range []string{"SECRET", "PASSWORD", Variable + "=", asNode} {
		if strings.Contains(out, secret) {
			t.Errorf("%s is given to programs:\n%s", secret, out)
		}
	}
}

// A program that is asked to end may use all of its time.
func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("obeys", func(t *testing.T) {
		t.Parallel()
		j, stop, _ := started(t, keeper(), script(t.TempDir(), `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done`), limit)
		began := time.Now()
		if err := stop(); err != nil || !strings.Contains(j.text(&j.out), "bye") {
			t.Errorf("ended with %v, having written %q", err, j.text(&j.out))
		}
		if took := time.Since(began); took > limit/2 {
			t.Errorf("it was waited for, %v", took)
		}
	})
	t.Run("does not", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, stop, _ := started(t, keeper(), script(dir, stubborn), 2*time.Second)
		began := time.Now()
		if err := stop(); !errors.Is(err, cluster.ErrKilled) || !strings.Contains(err.Error(), "after it was asked to end") {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took < time.Second {
			t.Errorf("it had only %v of 2s", took)
		}
		if left := alive(t, dir); len(left) > 0 {
			t.Errorf("processes %v live on", left)
		}
	})
	t.Run("paused", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, stop, _ := started(t, keeper(), script(dir, stubborn), 500*time.Millisecond)
		for _, pid := range alive(t, dir) {
			_ = syscall.Kill(pid, syscall.SIGSTOP)
		}
		_ = stop()
		if left := alive(t, dir); len(left) > 0 {
			t.Errorf("processes %v live on", left)
		}
	})
}

// A program that starts others as fast as it can, each in a session of its own, is caught.
func TestForksWithoutEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stop, _ := started(t, keeper(), script(dir, `
trap '' TERM
echo $$ > pids
echo up
spawn() { setsid sh -c 'echo $$ >> pids; trap "" TERM; i=0; while [ $i -lt 50 ]; do (setsid sleep 1000 &); i=$((i+1)); done; sleep 1000' & }
while :; do spawn; sleep 0.02; done`), 500*time.Millisecond)
	time.Sleep(300 * time.Millisecond)
	_ = stop()
	if left := alive(t, dir); len(left) > 0 {
		t.Errorf("processes %v live on", left)
	}
}

// When the lease is over without news, the shim does what its node should have done.
func TestLapses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k := NewKeeper()
	clock := coord.LeaseClock()
	k.SetStopBy(clock() + time.Hour)
	_, _, ended := started(t, k, script(dir, stubborn), limit)
	stopBy := clock() + 300*time.Millisecond
	k.SetStopBy(stopBy)
	err := over(t, ended)
	late := clock() - stopBy
	if err == nil || !strings.Contains(err.Error(), "lease was over") {
		t.Errorf("ended with %v", err)
	}
	if left := alive(t, dir); len(left) > 0 || late < 0 {
		t.Errorf("processes %v live on; ended %v after the deadline", left, late)
	}
	t.Logf("ended %v after the deadline", late)
	if err := k.Run(t.Context(), script(dir, "echo ran > ran"), newJob()); err == nil {
		t.Error("a program was started without a lease")
	}
	if _, err := os.Stat(filepath.Join(dir, "ran")); !errors.Is(err, os.ErrNotExist) {
		t.Error("it ran")
	}
}

// A program that may run on without a lease does.
func TestUnleashed(t *testing.T) {
	t.Parallel()
	k := NewKeeper()
	job := newJob()
	job.Unleashed = func() bool { return true }
	if err := k.Run(t.Context(), script(t.TempDir(), "sleep 0.1"), job); err != nil {
		t.Error(err)
	}
}

// If a change of its task forbids a program to run on without a lease, it has the node's deadline from then on.
func TestLeashed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, clock := NewKeeper(), coord.LeaseClock()
	k.SetStopBy(clock() + time.Hour)
	var unleashed atomic.Bool
	unleashed.Store(true)
	j := &testJob{}
	job := j.job()
	job.Unleashed = unleashed.Load
	ended := make(chan error, 1)
	go func() { ended <- k.Run(t.Context(), script(dir, stubborn), job) }()
	await(t, "the program is up", func() bool { return strings.Contains(j.text(&j.out), "up") })
	unleashed.Store(false)
	stopBy := clock() + 500*time.Millisecond
	k.SetStopBy(stopBy) // and no word after that
	err := over(t, ended)
	if err == nil || !strings.Contains(err.Error(), "lease was over") || clock() < stopBy {
		t.Errorf("ended %v after the deadline with %v", clock()-stopBy, err)
	}
	if left := alive(t, dir); len(left) > 0 {
		t.Errorf("processes %v live on", left)
	}
}

// The node does the work of a shim that hangs or is killed.
func TestShimFails(t *testing.T) {
	t.Parallel()
	t.Run("killed", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, _, ended := started(t, keeper(), script(dir, stubborn), limit)
		_ = syscall.Kill(shimOf(t, dir), syscall.SIGKILL)
		if err := over(t, ended); err == nil || !strings.Contains(err.Error(), "shim was killed") {
			t.Errorf("ended with %v", err)
		}
		if left := alive(t, dir); len(left) > 0 {
			t.Errorf("processes %v live on", left)
		}
	})
	t.Run("killed, and nothing of the program lives long", func(t *testing.T) {
		t.Parallel()
		held, dir := 0, t.TempDir()
		for range 15 {
			_ = os.Remove(filepath.Join(dir, "pids"))
			_, _, ended := started(t, keeper(), script(dir, fmt.Sprintf("export TEST=%d", os.Getpid())+chain), limit)
			_ = syscall.Kill(shimOf(t, dir), syscall.SIGKILL)
			if err := over(t, ended); err == nil || !strings.Contains(err.Error(), "shim was killed") {
				t.Errorf("ended with %v", err)
			}
			if !lockIsFree(t, filepath.Join(dir, "lock")) {
				held++
				await(t, "the lock is free", func() bool { // not into the next round
					(&execution{mark: "LOCKED=1"}).sweepOnce()
					return lockIsFree(t, filepath.Join(dir, "lock"))
				})
			}
		}
		if held > 0 {
			t.Errorf("after %d of 15 sweeps something of the program still held its lock", held)
		}
	})
	t.Run("killed, while others start processes all the time", func(t *testing.T) {
		t.Parallel()
		storm := exec.Command("sh", "-c", fmt.Sprintf("while kill -0 %d 2>/dev/null; do for i in 1 2 3 4 5 6; do (sleep 0.00$i; sleep 0.00$i) & done; wait $!; done", os.Getpid()))
		storm.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		if err := storm.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = storm.Wait() }()
		defer func() { _ = syscall.Kill(-storm.Process.Pid, syscall.SIGKILL) }()
		dir := t.TempDir()
		_, _, ended := started(t, keeper(), script(dir, stubborn), limit)
		_ = syscall.Kill(shimOf(t, dir), syscall.SIGKILL)
		began := time.Now()
		if err := over(t, ended); err == nil || !strings.Contains(err.Error(), "shim was killed") {
			t.Errorf("ended with %v", err)
		}
		if left := alive(t, dir); len(left) > 0 {
			t.Errorf("processes %v live on", left)
		}
		t.Logf("ended %v after the shim was killed", time.Since(began))
	})
	t.Run("paused", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, stop, _ := started(t, keeper(), script(dir, stubborn), 500*time.Millisecond)
		_ = syscall.Kill(shimOf(t, dir), syscall.SIGSTOP)
		_ = stop()
		if left := alive(t, dir); len(left) > 0 {
			t.Errorf("processes %v live on", left)
		}
	})
	t.Run("asked to end", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, stop, ended := started(t, keeper(), script(dir, stubborn), 500*time.Millisecond)
		for range 3 {
			_ = syscall.Kill(shimOf(t, dir), syscall.SIGTERM)
		}
		select {
		case err := <-ended:
			t.Errorf("it ended: %v", err)
		case <-time.After(200 * time.Millisecond):
		}
		_ = stop()
	})
}

// asStranger makes the test binary a process of a PID namespace whose /proc is of another one.
const asStranger = "COMMAND_TEST_STRANGER"

// Where the process table is another namespace's, the processes of a killed shim have ended when the control group is
// empty. Without a group, or if it cannot be read, they may run on.
func TestWithoutAProcessTable(t *testing.T) {
	t.Parallel()
	if os.Getenv(asStranger) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestWithoutAProcessTable$", "-test.v")
		cmd.Env = append(os.Environ(), asStranger+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		text, err := cmd.CombinedOutput()
		if errors.Is(err, os.ErrPermission) {
			skip(t, "no right to a PID namespace")
		}
		if err != nil || !strings.Contains(string(text), "--- PASS") {
			t.Errorf("%v: %s", err, text)
		}
		return
	}
	for name, c := range map[string]struct {
		events  string
		mayLive bool
	}{
		"empty":     {"populated 0\nfrozen 0\n", false},
		"populated": {"populated 1\nfrozen 0\n", true},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "cgroup.events"), []byte(c.events), 0o600); err != nil {
			t.Fatal(err)
		}
		if mayLive := (&execution{group: cgroup{dir: dir}, mark: "A=b"}).mayLive(); mayLive != c.mayLive {
			t.Errorf("a group that is %s: may live %t", name, mayLive)
		}
	}
	if (&execution{group: cgroup{dir: filepath.Join(t.TempDir(), "gone")}, mark: "A=b"}).mayLive() {
		t.Error("a group that is gone: may live")
	}
	unreadable := t.TempDir()
	if err := os.Mkdir(filepath.Join(unreadable, "cgroup.events"), 0o700); err != nil {
		t.Fatal(err)
	}
	if !(&execution{group: cgroup{dir: unreadable}, mark: "A=b"}).mayLive() {
		t.Error("a group that cannot be read: has ended")
	}
	if !(&execution{mark: "A=b"}).mayLive() {
		t.Error("no group: has ended")
	}
}

// A node that is killed or paused takes its programs with it.
func TestNodeFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sig   syscall.Signal
		lease string
	}{
		"killed": {syscall.SIGKILL, "1h"}, // its shims do not wait for that
		"paused": {syscall.SIGSTOP, "1s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			node := exec.Command("/proc/self/exe")
			node.Env = append(os.Environ(), asNode+"="+dir, withLease+"="+c.lease)
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = node.Process.Kill()
				_ = node.Wait()
			}()
			await(t, "five processes run", func() bool {
				text, _ := os.ReadFile(filepath.Join(dir, "pids"))
				return bytes.Count(text, []byte("\n")) == 5
			})
			time.Sleep(1200 * time.Millisecond) // longer than one lease: it is being prolonged
			if n := len(alive(t, dir)); n == 0 {
				t.Fatal("nothing runs")
			}
			_ = node.Process.Signal(c.sig)
			began := time.Now()
			await(t, "nothing runs", func() bool { return len(alive(t, dir)) == 0 })
			t.Logf("nothing runs %v after the signal", time.Since(began))
		})
	}
}

// needsGroups ensures that control groups can be made, or skips the test.
func needsGroups(t *testing.T) {
	t.Helper()
	if ownCgroup() == "" {
		if os.Geteuid() != 0 {
			skip(t, "there is no control group of version 2, and no right to mount one")
		}
		dir := t.TempDir()
		if err := unix.Mount("none", dir, "cgroup2", 0, ""); err != nil {
			t.Fatalf("mount cgroup2: %v", err)
		}
		t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	}
	if g := newCgroup(); g.fd == 0 {
		skip(t, "no control group can be made below "+ownCgroup())
	} else {
		g.remove()
	}
}

// A control group also holds a process that has removed every other trace by which it could be found.
func TestControlGroup(t *testing.T) {
	needsGroups(t)
	dir := t.TempDir()
	_, _, ended := started(t, keeper(), script(dir, `
echo $$ > pids
(env -i PATH="$PATH" setsid sh -c '(setsid sh -c "echo \$\$ >> pids; sleep 1000; sleep 1000" &)')
while [ $(wc -l < pids) -lt 2 ]; do sleep 0.01; done
echo up; sleep 1000`), limit)
	shim := shimOf(t, dir)
	_ = syscall.Kill(shim, syscall.SIGKILL)
	if err := over(t, ended); err == nil {
		t.Error("it ended in order")
	}
	if left := alive(t, dir); len(left) > 0 {
		t.Errorf("processes %v live on", left)
	}
	if left, _ := filepath.Glob(fmt.Sprintf("%s/%s%d", ownCgroup(), groupName, shim)); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// A node removes the groups of shims that were killed with it, unless a process runs in them or their shim lives.
func TestStaleGroupsAreRemoved(t *testing.T) {
	needsGroups(t)
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	sleep := exec.Command("sleep", "1000")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Wait() }()
	defer func() { _ = sleep.Process.Kill() }()
	path := func(pid int, end string) string {
		dir := fmt.Sprintf("%s/%s%d%s", ownCgroup(), groupName, pid, end)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	stale, second, live := path(ended.Process.Pid, ""), path(ended.Process.Pid, "-1"), path(sleep.Process.Pid, "")
	defer func() { _ = os.Remove(live) }()
	NewKeeper()
	for dir, want := range map[string]bool{stale: false, second: false, live: true} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s is there: %t; want %t", dir, err == nil, want)
			_ = os.Remove(dir)
		}
	}
}

// The group of an earlier process with the same number does not keep a program from having a group, whether it is empty or
// not.
func TestGroupOfAnEarlierProcess(t *testing.T) {
	needsGroups(t)
	first := newCgroup()
	if err := unix.Close(first.fd); err != nil { // it is left as it is
		t.Fatal(err)
	}
	second := newCgroup()
	defer second.remove()
	if second.dir != first.dir {
		t.Fatalf("next to an empty one: %q; want %q", second.dir, first.dir)
	}
	sleep := exec.Command("sleep", "1000")
	sleep.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: second.fd}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sleep.Wait() }()
	defer func() { _ = sleep.Process.Kill() }()
	third := newCgroup()
	defer third.remove()
	if third.dir == "" || third.dir == second.dir || third.populated() || !second.populated() {
		t.Errorf("next to one in which a process runs: %+v", third)
	}
}

// A process is killed together with its group, but if its group is unknown, neither with that of the node nor with every process.
func TestVictims(t *testing.T) {
	for _, c := range []struct{ group, want int }{{5, -5}, {2, -2}, {1, 7}, {0, 7}, {-1, 7}} {
		if got := victims(proc.Process{PID: 7, Group: c.group}); got != c.want {
			t.Errorf("of group %d: %d; want %d", c.group, got, c.want)
		}
	}
}

// Programs run as the configured user.
func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		skip(t, "only root can become another user")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	j := &testJob{}
	spec := Spec{Name: "who", Argv: []string{"sh", "-c", `id -un; echo "$USER"; grep NoNewPrivs /proc/self/status`}, Dir: "/", User: "nobody"}
	if err := keeper().Run(t.Context(), spec, j.job()); err != nil {
		t.Fatal(err, j.text(&j.err))
	}
	if got := strings.Fields(j.text(&j.out)); fmt.Sprint(got) != "[nobody nobody NoNewPrivs: 1]" {
		t.Errorf("it prints %q", got)
	}
}

func TestValidate(t *testing.T) {
	good := Spec{Name: "resize", Argv: []string{"python3", "resize.py"}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for want, spec := range map[string]Spec{
		"name: ":                    {Argv: good.Argv},
		"command: name the program": {Name: "x"},
		"are xconsumer's own":       {Name: "x", Argv: good.Argv, Env: map[string]string{"XCONSUMER_TOKEN": "1"}},
		"is not a variable":         {Name: "x", Argv: good.Argv, Env: map[string]string{"A=B": "1"}},
		"is not an argument":        {Name: "x", Argv: []string{"a\x00b"}},
		"there is no user":          {Name: "x", Argv: good.Argv, User: "no-such-user"},
	} {
		if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

// The description of a program is accurate: its processes, including those that have left their parents, and how long ago
// it was asked to end; nothing of the node, and nothing once its worker has ended.
func TestDescribe(t *testing.T) {
	k, dir := keeper(), t.TempDir()
	slot := cluster.Slot{Task: "test"}
	if got := k.Describe(slot); got != "" {
		t.Errorf("before it runs: %q", got)
	}
	_, stop, _ := started(t, k, script(dir, stubborn), 3*time.Second)
	pids, got := alive(t, dir), ""
	await(t, "all its processes sleep", func() bool { // some of them have just begun
		got = k.Describe(slot)
		return !slices.ContainsFunc(pids, func(pid int) bool {
			return !regexp.MustCompile(fmt.Sprintf(`(?m)^%d +\d+ +(sh|sleep) +1 +\d+ kB +sleeping`, pid)).MatchString(got)
		})
	})
	for _, want := range []string{"test#0 is the program sh, which has no goroutines", "It has run for "} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "goroutine ") || strings.Contains(got, "1000") {
		t.Errorf("it shows goroutines, or arguments, which may be secret:\n%s", got)
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	await(t, "it reports that it does not end", func() bool {
		return strings.Contains(k.Describe(slot), "It was asked to end (SIGTERM) ")
	})
	<-ended //nolint:errcheck // "killed", unless the shim was faster
	if got := k.Describe(slot); got != "" {
		t.Errorf("after its worker has gone: %q", got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := k.Run(ctx, script(dir, "exit 3"), newJob()); err == nil {
		t.Error("it does not fail")
	}
	if got := k.Describe(slot); !strings.Contains(got, "between two executions") {
		t.Errorf("after it has failed: %q", got)
	}
	cancel()
	await(t, "it is forgotten", func() bool { return k.Describe(slot) == "" })
}
