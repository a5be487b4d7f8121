package command

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cgroup is a control group of version 2 that one program has for itself. The zero value is none.
type cgroup struct {
	dir string
	fd  int // open directory, 0 for none: of the shim only
}

// groupTries is how many names for a group are tried beside the first one.
const groupTries = 10

// newCgroup makes a group below that of this process, where it may.
func newCgroup() cgroup {
	own := ownCgroup()
	if own == "" {
		return cgroup{}
	}
	dir := filepath.Join(own, fmt.Sprintf("%s%d", groupName, os.Getpid()))
	err := os.Mkdir(dir, 0o755)
	for try := 1; errors.Is(err, os.ErrExist) && try <= groupTries; try++ {
		// A process that had this number before was killed with all that would have removed its group. An empty one is gone then,
		// and what is in another one is none of this program's.
		if os.Remove(dir) != nil {
			dir = filepath.Join(own, fmt.Sprintf("%s%d-%d", groupName, os.Getpid(), try))
		}
		err = os.Mkdir(dir, 0o755)
	}
	if err != nil {
		return cgroup{}
	}
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		_ = os.Remove(dir)
		return cgroup{}
	}
	return cgroup{dir, fd}
}

// groupName begins the names of groups; the number of the shim follows.
const groupName = "xconsumer-"

// removeStale removes the groups below that of this process whose shims were killed before they could, and in which
// nothing runs.
func removeStale() {
	own := ownCgroup()
	dirs, err := filepath.Glob(filepath.Join(own, groupName+"*"))
	if err != nil || own == "" {
		return
	}
	for _, dir := range dirs {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupName), "-")
		pid, err := strconv.Atoi(number)
		if err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.Remove(dir) // it fails while something is in it
		}
	}
}

// MayGroup reports whether programs of this process can have control groups of their own.
func MayGroup() bool {
	g := newCgroup()
	defer g.remove()
	return g.dir != ""
}

// kill kills all that is in it, whatever that has done to its session and parents.
func (g *cgroup) kill() {
	if g.dir != "" {
		_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	}
}

// populated reports whether something that has not ended is in it, or may be.
func (g *cgroup) populated() bool {
	if g.dir == "" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(g.dir, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return false // one that is not there holds nothing
	}
	return !strings.Contains(string(text), "populated 0\n")
}

// remove removes it, once it is empty.
func (g *cgroup) remove() {
	if g.dir == "" {
		return
	}
	if g.fd > 0 {
		_ = unix.Close(g.fd)
		g.fd = 0
	}
	for range 100 { // it may take a moment after its last process was waited for
		if os.Remove(g.dir) == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
}

// ownCgroup returns the directory of this process's group, "" if it cannot be seen.
func ownCgroup() string {
	path := ""
	text, err := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "0::"); ok && err == nil {
			path = strings.TrimSpace(rest)
		}
	}
	if path == "" || strings.HasPrefix(path, "/..") { // of another namespace
		return ""
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = mounts.Close() }()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		// id parent major:minor root point options … - type source options
		mount, kind, _ := strings.Cut(lines.Text(), " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		if below, err := filepath.Rel(fields[3], path); err == nil && !strings.HasPrefix(below, "..") {
			return filepath.Join(fields[4], below)
		}
	}
	return ""
}
