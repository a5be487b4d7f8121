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
}

// Table reads the process table.
func Table() []Process {
	list, _ := table()
	return list
}

// table returns the processes that it has read, and how many of those it has listed had gone by then.
func table() (list []Process, gone int) {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	list = make([]Process, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			gone++ // it has ended
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if p, ok := parse(pid, text); ok {
			list = append(list, p)
		}
	}
	return list, gone
}

// parse reads a line of the table.
func parse(pid int, text []byte) (p Process, ok bool) {
	// pid (name) state ppid pgrp session …, and the name may hold anything.
	at := bytes.LastIndexByte(text, ')')
	fields := strings.Fields(string(text[at+1:]))
	if at < 0 || len(fields) < 4 {
		return p, false
	}
	p.PID = pid
	p.Zombie = (fields[0] == "Z" || fields[0] == "X") && threads(pid) <= 1
	p.Parent, _ = strconv.Atoi(fields[1])
	p.Group, _ = strconv.Atoi(fields[2])
	p.Session, _ = strconv.Atoi(fields[3])
	return p, true
}

// Lookout looks at the process table again and again, and knows whether it can have missed something.
// The zero value has not looked yet.
type Lookout struct{ dead map[int]bool }

// Look reads the process table. It reports whether the look is whole: every process that was there when
// it began is in the list, alive if it was alive. A process that ended during the look, or may have,
// makes it less than whole, since it may have left a child that is not in the list.
func (l *Lookout) Look() (list []Process, whole bool) {
	list, gone := table()
	dead := map[int]bool{}
	whole = gone == 0
	for _, p := range list {
		if p.Zombie {
			dead[p.PID] = true
			whole = whole && l.dead[p.PID]
		}
	}
	l.dead = dead
	return list, whole
}

// KillBelow kills what descends from a process, which lives, and returns how many it saw alive; none is no
// proof that there are none. Whole groups are killed at once, those of the dead too, so that none can
// fork its way out between two looks.
func KillBelow(pid int) (left int) {
	table := Table()
	below := Below(table, pid)
	groups := map[int]bool{}
	for _, p := range table {
		if p.PID == pid || !below[p.PID] {
			groups[p.Group] = false // somebody else is in it, too
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

// threads counts a process's threads: the first may have ended while others run on.
func threads(pid int) int {
	entries, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return 0 // it has ended
	}
	return len(entries)
}

// Below returns which processes descend from another, that one left out.
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

// Environ reports whether a process was started with a variable, as "NAME=value". Where it had ended by the
// time it was asked, that is not known.
func Environ(pid int, variable string) (has, ended bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if errors.Is(err, fs.ErrPermission) {
		return false, false // of another user
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if string(entry) == variable {
			return true, false
		}
	}
	return false, len(text) == 0 && !alive(pid) // the dead have none
}

// StatusOf returns what the kernel tells of a process, by name, as in /proc/PID/status: State, Threads, VmRSS and more.
// It is empty for one that has gone.
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

// WaitsIn returns the function of the kernel that a process waits in, "" if it waits in none or that is not told.
func WaitsIn(pid int) string {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/wchan")
	if where := string(text); err == nil && where != "0" {
		return where
	}
	return ""
}

// alive reports whether a thread of a process has not ended.
func alive(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return false
	}
	p, ok := parse(pid, text)
	return ok && !p.Zombie
}
