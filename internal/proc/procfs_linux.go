package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// OwnTable reports whether /proc shows the PID namespace that this process is in. In another namespace the same numbers
// mean other processes: the caller must neither take them for its own nor kill them.
func OwnTable() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// procfs is the machine's own kernel.
type procfs struct {
	turns  time.Duration // the least time in which the numbers come round
	began  time.Time
	looked time.Time // when the last number was read
}

// fastest is the least time between two processes that a machine starts. A machine with more processors starts more of
// them, and has more numbers.
const fastest = 5 * time.Microsecond

func newProcfs() *procfs {
	numbers, err := strconv.Atoi(firstLine("/proc/sys/kernel/pid_max"))
	if err != nil {
		numbers = 1 << 15
	}
	now := time.Now()
	return &procfs{turns: time.Duration(numbers) * fastest, began: now, looked: now}
}

func (k *procfs) now() time.Duration  { return time.Since(k.began) }
func (k *procfs) turn() time.Duration { return k.turns }

// listAtOnce is how many bytes of a list are read at once. A sandbox that takes a picture of its processes for each call
// shows all of them in one.
const listAtOnce = 256 << 10

func (*procfs) list() (pids []int, ok bool) {
	dir, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer func() { _ = unix.Close(dir) }()
	buffer := make([]byte, listAtOnce)
	for {
		n, err := unix.ReadDirent(dir, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return pids, err == nil
		}
		_, _, names := unix.ParseDirent(buffer[:n], -1, nil)
		for _, name := range names {
			if pid, err := strconv.Atoi(name); err == nil {
				pids = append(pids, pid)
			}
		}
	}
}

func (k *procfs) last() int {
	before := k.looked
	pid := lastPID()
	k.looked = time.Now()
	if k.looked.Sub(before) >= k.turns {
		return 0
	}
	return pid
}

// lastPID returns the process number that was given out last; 0 if it is unknown. It prefers the file that no container
// runtime replaces by one of its own making. A kernel without support for checkpoints lacks it.
func lastPID() int {
	text := firstLine("/proc/sys/kernel/ns_last_pid")
	if text == "" {
		var fs syscall.Statfs_t
		if syscall.Statfs("/proc/loadavg", &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC {
			return 0
		}
		load := firstLine("/proc/loadavg") // 0.20 0.18 0.12 1/80 11206
		text = load[strings.LastIndexByte(load, ' ')+1:]
	}
	pid, _ := strconv.Atoi(text)
	return pid
}

func (*procfs) read(pid int) (Process, error) {
	p, err := read(pid)
	if p.Zombie { // a thread that executes a program takes its dead leader's place, maybe between two reads
		p, err = read(pid)
	}
	return p, err
}

// read returns the line of a process or of a thread. The error matches fs.ErrNotExist if there is none with that number.
func read(pid int) (Process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, syscall.ESRCH) { // it has ended since the file was opened
		return Process{}, fs.ErrNotExist
	}
	if err != nil {
		return Process{}, err
	}
	return parse(pid, text)
}

// firstLine returns the first line of a file, "" if it cannot be read.
func firstLine(file string) string {
	text, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
