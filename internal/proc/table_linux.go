package proc

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is a line of the process table.
type Process struct {
	PID, Parent, Group, Session int
	Zombie                      bool // all of its threads have ended
}

// Table reads the process table.
func Table() []Process {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	list := make([]Process, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state ppid pgrp session …, and the name may hold anything.
		at := bytes.LastIndexByte(text, ')')
		fields := strings.Fields(string(text[at+1:]))
		if at < 0 || len(fields) < 4 {
			continue
		}
		var p Process
		p.PID, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
		p.Zombie = (fields[0] == "Z" || fields[0] == "X") && threads(p.PID) <= 1
		p.Parent, _ = strconv.Atoi(fields[1])
		p.Group, _ = strconv.Atoi(fields[2])
		p.Session, _ = strconv.Atoi(fields[3])
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

// Environ tells whether a process was started with a variable, as "NAME=value".
func Environ(pid int, variable string) bool {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return false
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		if string(entry) == variable {
			return true
		}
	}
	return false
}
