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

// cgroup is a control group of version 2 for one program. The zero value stands for none.
type cgroup struct {
	dir string
	fd  int // open directory, 0 for none; set only in the shim
}

// groupTries is how many names for a group are tried after the first one.
const groupTries = 10

// newCgroup makes a group below that of this process. It returns the zero value if it may not.
func newCgroup() cgroup {
	own := ownCgroup()
	if own == "" {
		return cgroup{}
	}
	dir := filepath.Join(own, fmt.Sprintf("%s%d", groupName, os.Getpid()))
	err := os.Mkdir(dir, 0o755)
	for try := 1; errors.Is(err, os.ErrExist) && try <= groupTries; try++ {
		// An earlier process with this number was killed, together with every process that would have removed its group. An
		// empty group can be removed. The processes in any other group do not belong to this program.
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

// removeStale removes the empty groups below that of this process: those whose shims were killed before they could remove
// them.
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
			_ = os.Remove(dir) // it fails while a process is in the group
		}
	}
}

// MayGroup reports whether programs of this process can have control groups of their own.
func MayGroup() bool {
	g := newCgroup()
	defer g.remove()
	return g.dir != ""
}

// kill kills all processes in the group, even if they have changed their session or lost their parents.
func (g *cgroup) kill() {
	if g.dir != "" {
		_ = os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	}
}

// populated reports whether a process that has not ended is in the group, or may be.
func (g *cgroup) populated() bool {
	if g.dir == "" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(g.dir, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return false // a group that does not exist is empty
	}
	return !strings.Contains(string(text), "populated 0\n")
}

// remove removes the group once it is empty. It gives up after a tenth of a second.
func (g *cgroup) remove() {
	if g.dir == "" {
		return
	}
	if g.fd > 0 {
		_ = unix.Close(g.fd)
		g.fd = 0
	}
	for range 100 { // removal may fail for a moment after the last process was waited for
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
