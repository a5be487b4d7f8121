package supervise

import (
	"bytes"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// process is a line of the process table.
type process struct {
	pid, parent, group int
	zombie             bool
}

// processes reads the process table.
func processes() []process {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	list := make([]process, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid pgrp …, and the name may hold anything.
		at := bytes.LastIndexByte(text, ')')
		fields := strings.Fields(string(text[at+1:]))
		if at < 0 || len(fields) < 3 {
			continue
		}
		var p process
		p.pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		p.zombie = (fields[0] == "Z" || fields[0] == "X") && threads(p.pid) <= 1
		p.parent, _ = strconv.Atoi(fields[1])
		p.group, _ = strconv.Atoi(fields[2])
		list = append(list, p)
	}
	return list
}

// threads counts a process's threads: the first may have ended while others run on.
func threads(pid int) int {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return 0 // it has ended
	}
	return len(entries)
}

// killTree kills what is left of a child that has ended, all that this process has below it and
// all of the child's process group, and returns how many there were. It is called until there
// are none: what one of them starts meanwhile is below this process, too.
func killTree(child int) (left int) {
	list := processes()
	below := map[int]bool{os.Getpid(): true}
	for grown := true; grown; { // parents may stand after their children
		grown = false
		for _, p := range list {
			if below[p.parent] && !below[p.pid] {
				below[p.pid], grown = true, true
			}
		}
	}
	delete(below, os.Getpid())
	for _, p := range list {
		if p.zombie || p.pid == child || p.pid == os.Getpid() || !below[p.pid] && p.group != child {
			continue
		}
		left++
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	return left
}

// reap waits for orphans that this process has adopted, until stop is closed.
func reap(stop <-chan struct{}, isChild func(pid int) bool) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for {
		for _, p := range processes() {
			if p.zombie && p.parent == os.Getpid() && !isChild(p.pid) {
				_, _ = syscall.Wait4(p.pid, nil, syscall.WNOHANG, nil)
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
