package supervise

import (
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gitee.com/ken.yang/xconsumer/internal/proc"
)

// clocksCompare: the boot clock is one for all processes of the machine.
const clocksCompare = true

// adopt makes orphans below this process its children, so that none gets lost. It tells whether
// that worked and the process table is the one that this process is in, so that an empty tree can
// be seen: in a PID namespace of its own, /proc may still be another's, where the same numbers
// mean other processes.
func adopt() bool {
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	self, _ := os.Readlink("/proc/self")
	return (err == nil || os.Getpid() == 1) && self == strconv.Itoa(os.Getpid())
}

// killTree kills what is left of a child that has ended, all that this process has below it and
// all of the child's process group, and returns how many there were. It is called until there
// are none: what one of them starts meanwhile is below this process, too.
func killTree(child int) (left int) {
	table := proc.Table()
	below := proc.Below(table, os.Getpid())
	for _, p := range table {
		if p.Zombie || p.PID == child || p.PID == os.Getpid() || !below[p.PID] && p.Group != child {
			continue
		}
		left++
		_ = syscall.Kill(p.PID, syscall.SIGKILL)
	}
	return left
}

// reap waits for orphans that this process has adopted, until stop is closed.
func reap(stop <-chan struct{}, isChild func(pid int) bool) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		for _, p := range proc.Table() {
			if p.Zombie && p.Parent == os.Getpid() && !isChild(p.PID) {
				_, _ = syscall.Wait4(p.PID, nil, syscall.WNOHANG, nil)
			}
		}
		select {
		case <-stop:
			return
		case <-ended:
			time.Sleep(time.Millisecond) // several often end together
		}
	}
}

// oomKills counts how often the kernel has killed a process of this machine for memory, 0 if it
// does not tell.
func oomKills() int {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if count, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(count))
			return n
		}
	}
	return 0
}
