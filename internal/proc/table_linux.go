package proc

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Process is a line of the process table.
type Process struct {
	PID, Parent, Group, Session int
	Zombie                      bool // all of its threads have ended
	Kernel                      bool // it is a thread of the kernel

	start   uint64 // when it was started, in ticks since the machine was
	environ int    // length of its environment; -1 if that is unknown, as in the middle of execve
}

// Table reads the process table. It may have missed processes.
func Table() []Process {
	pids, _ := newProcfs().list()
	list := make([]Process, 0, len(pids))
	for _, pid := range pids {
		if p, err := read(pid); err == nil {
			list = append(list, p)
		}
	}
	return list
}

// errShortLine is a line of the table with fewer fields than are read.
var errShortLine = errors.New("short line in the process table")

// parse reads a line of the table.
func parse(pid int, text []byte) (p Process, err error) {
	// pid (name) state ppid pgrp session …, and the name may hold anything.
	at := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[at+1:]))
	if at < 0 || len(fields) <= fieldEnvEnd {
		return p, errShortLine
	}
	p.PID = pid
	p.Zombie = (fields[fieldState] == "Z" || fields[fieldState] == "X") && !hasThreads(pid)
	p.Parent, _ = strconv.Atoi(fields[fieldParent])
	p.Group, _ = strconv.Atoi(fields[fieldGroup])
	p.Session, _ = strconv.Atoi(fields[fieldSession])
	flags, _ := strconv.ParseUint(fields[fieldFlags], 10, 64)
	p.Kernel = flags&flagKernel != 0
	p.start, _ = strconv.ParseUint(fields[fieldStart], 10, 64)
	start, _ := strconv.ParseUint(fields[fieldEnvStart], 10, 64)
	end, _ := strconv.ParseUint(fields[fieldEnvEnd], 10, 64)
	p.environ = -1
	if end > 0 && end >= start {
		p.environ = int(end - start)
	}
	return p, nil
}

// The fields of a line after the name (see proc_pid_stat(5), which counts from 1 and two more), and the flag of a thread of
// the kernel.
const (
	fieldState    = 0
	fieldParent   = 1
	fieldGroup    = 2
	fieldSession  = 3
	fieldFlags    = 6
	fieldStart    = 19
	fieldEnvStart = 47
	fieldEnvEnd   = 48

	flagKernel = 0x00200000
)

// KillBelow kills the descendants of a live process, and returns how many it saw alive. Zero does not prove that there are
// none. It kills whole groups at once, those of dead processes as well, so that none can escape by forking between two
// reads. Where [OwnTable] is false it kills nothing.
func KillBelow(pid int) (left int) {
	if !OwnTable() {
		return 0
	}
	table := Table()
	below := Below(table, pid)
	groups := map[int]bool{}
	for _, p := range table {
		if p.PID == pid || !below[p.PID] {
			groups[p.Group] = false // another process is in it, too
		} else if _, known := groups[p.Group]; !known {
			groups[p.Group] = true
		}
	}
	for group, own := range groups {
		if own && group > 1 {
			_ = syscall.Kill(-group, syscall.SIGKILL)
		}
	}
	for _, p := range table {
		if below[p.PID] && !p.Zombie {
			left++
			_ = syscall.Kill(p.PID, syscall.SIGKILL)
		}
	}
	return left
}

// hasThreads reports whether a process may have threads in addition to its first, which may have ended while others run on.
func hasThreads(pid int) bool {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ESRCH) // else it has ended
	}
	return len(entries) > 1
}

// Below returns the descendants of a process, without the process itself.
func Below(table []Process, root int) map[int]bool {
	below := map[int]bool{root: true}
	for grown := true; grown; { // parents may stand after their children
		grown = false
		for _, p := range table {
			if below[p.Parent] && !below[p.PID] {
				below[p.PID], grown = true, true
			}
		}
	}
	delete(below, root)
	return below
}

// Environ reports whether a process was started with a variable, as "NAME=value". It is unknown for a process that has
// ended, or is just executing another program. A process whose environment this one may not read counts as without the
// variable: it belongs to another user.
func Environ(pid int, variable string) (has, known bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if errors.Is(err, fs.ErrPermission) {
		return false, true
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if string(entry) == variable {
			return true, true
		}
	}
	p, err := read(pid)
	if err != nil {
		return false, false
	}
	return false, isWhole(text, p, func() (Process, error) { return read(os.Getpid()) })
}

// isWhole reports whether a text is the whole environment of a process. While a program is replaced by another, the
// environment of the old one is cut off and that of the new one does not exist yet, so that the text is too short. The
// kernel of a sandbox, which shows no lengths even for this process, replaces the environment at once.
func isWhole(text []byte, p Process, self func() (Process, error)) bool {
	if p.Kernel || p.environ == len(text) {
		return true
	}
	if p.environ >= 0 || len(text) == 0 {
		return false
	}
	own, err := self()
	return err == nil && own.environ < 0
}

// StatusOf returns the fields of /proc/PID/status by name: State, Threads, VmRSS and more. It is empty for a process
// that has gone.
func StatusOf(pid int) map[string]string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return nil
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	return fields
}

// WaitsIn returns the function of the kernel that a process waits in; "" if it waits in none, or that is unknown.
func WaitsIn(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/wchan")
	if where := string(text); err == nil && where != "0" {
		return where
	}
	return ""
}
