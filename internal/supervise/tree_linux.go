package supervise

import (
	"errors"
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

// adopt makes orphans below this process its children, so that none gets lost. It reports whether that worked and the
// process table is the one that this process is in, so that an empty tree can be seen.
func adopt() bool {
	err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	return (err == nil || os.Getpid() == 1) && proc.OwnTable()
}

// awaitExit waits until a child has ended, and leaves it to be waited for: until then no other process gets its
// number. It reports whether that worked.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// killTree kills the descendants of this process, once its child has ended and was waited for. It returns how many
// may be left, and is called until there are none. 0 is reliable: the kernel reports that this process has no
// children, and a subreaper without children has no descendants. The process table is not: a process that forks and
// ends while it is read hides its child. Other code must not wait for processes that this one has started meanwhile.
func killTree(int) (left int) {
	left = proc.KillBelow(os.Getpid())
	for {
		switch pid, err := unix.Wait4(-1, nil, unix.WNOHANG|unix.WALL, nil); {
		case errors.Is(err, unix.ECHILD):
			return 0
		case pid == 0 && err == nil:
			return max(left, 1)
		}
	}
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

// oomKills returns how often the kernel has killed a process of this machine for memory; 0 if that is not shown.
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
