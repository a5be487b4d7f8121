package supervise

import (
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// chain is a script that holds a kernel lock for as long as any process of it lives, none of which lives long. It ends
// with the test's process, named by TEST, even if that is killed: a chain that runs on costs the machine a core.
const chain = `#!/bin/sh
kill -0 $TEST 2>/dev/null || exit 0
if [ -z "$LOCKED" ]; then
	exec 9>>"$1"
	flock -n 9 || { echo taken > "$1.double"; exit 1; }
	export LOCKED=1
	echo up > "$1.up"
fi
setsid "$0" "$1" &
`

// lockIsFree reports whether nothing holds the kernel lock of a file.
func lockIsFree(t *testing.T, file string) bool {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// A member is closed only when its tree is empty, even if no reading of the process table shows the remaining
// processes: a program that forks and ends is gone by the time that it is read.
func TestTreeIsEmptyWhenTheKernelSaysSo(t *testing.T) {
	if !adopt() {
		t.Fatal("this process cannot adopt orphans")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "lock")
	if err := os.WriteFile(filepath.Join(dir, "chain"), []byte(chain), 0o700); err != nil {
		t.Fatal(err)
	}
	p := &parent{killTree: killTree, Config: Config{
		Args: []string{os.Args[0]}, Env: append(os.Environ(), chainVariable+"="+file, "TEST="+strconv.Itoa(os.Getpid())), Out: os.Stdout, Err: os.Stderr,
		Clock: func() time.Duration { return 0 }, Log: slog.New(slog.DiscardHandler),
	}}
	var reaping sync.WaitGroup
	stop := make(chan struct{})
	reaping.Go(func() { reap(stop, p.isChild) })
	defer reaping.Wait()
	defer close(stop)
	closed, held := 0, 0
	for range 30 {
		_ = os.Remove(file + ".up")
		kills := make(chan struct{})
		p.Alive = func(v cluster.SupervisorReport) { // with the child's report, once it is up
			if v.Member != "" {
				select {
				case <-kills:
				default:
					close(kills)
					p.mu.Lock()
					_ = syscall.Kill(p.pid, syscall.SIGKILL)
					p.mu.Unlock()
				}
			}
		}
		d, err := p.live(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !d.member() {
			continue // not seen empty in time: its slots wait for the session timeout
		}
		closed++
		if !lockIsFree(t, file) {
			held++
			for !lockIsFree(t, file) { // not into the next round
				_ = killTree(0)
			}
		}
	}
	if held > 0 || closed < 15 {
		t.Errorf("of 30 dead nodes %d were closed, and in %d of these a program still held its lock", closed, held)
	}
	if _, err := os.Stat(file + ".double"); err == nil {
		t.Error("a program found the lock taken")
	}
}

// A parent that was stopped alone finds that the lease of its child has lapsed according to the last report, and newer
// reports of the child in the pipe.
func TestWhatThePipeHoldsIsHeardBeforeAJudgement(t *testing.T) {
	reports, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = reports.Close(), theirs.Close() }()
	c := &child{reports: reports, report: cluster.SupervisorReport{Member: "m", StopBy: 10}, heard: time.Now()}
	if !c.lapsed(20) {
		t.Fatal("a lease that lapsed without news is not noticed")
	}
	for stopBy := time.Duration(15); stopBy <= 30; stopBy += 5 {
		line, err := json.Marshal(cluster.SupervisorReport{Member: "m", StopBy: stopBy})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.Write(append(line, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	if c.lapsed(20) {
		t.Error("judged by an outdated report")
	}
}

// The group of a child that was waited for is not killed: its number may belong to another process.
func TestTheGroupOfAnEndedChildIsNotKilled(t *testing.T) {
	other := exec.Command("sleep", "1000")
	other.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: ended, pid: other.Process.Pid} // which has its number by now
	c.end()
	c.kill()
	_ = other.Process.Signal(syscall.SIGTERM) // comes after what was sent before
	_ = other.Wait()
	if status, ok := other.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process group of another process was killed: %v", other.ProcessState)
	}
}
