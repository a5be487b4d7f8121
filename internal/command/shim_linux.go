package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/proc"
)

// Supported reports whether programs can be run as works here.
const Supported = true

// IsShim reports whether this process was started as a shim; it is to call Shim then, and nothing else.
func IsShim() bool { return os.Getenv(Variable) != "" }

// Shim runs one program for a node and returns the exit code of this process.
func Shim() int {
	// The program dies with this thread, should this process be killed.
	runtime.LockOSThread()
	_ = os.Unsetenv(Variable)
	// Signals are for the program: a signal to a whole service must not end the guardian first. They
	// are caught, not ignored, since ignoring is inherited.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT,
		syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM, syscall.SIGTTOU, syscall.SIGTTIN, syscall.SIGTSTP)
	s := &shim{clock: coord.LeaseClock(), pidfd: -1, timer: -1}
	if err := s.prepare(); err != nil {
		s.report(report{Error: err.Error()})
		return 1
	}
	return s.run()
}

// shim is the state of a shim, of its one thread.
type shim struct {
	clock  coord.Clock
	timer  int // fires when the deadline has come
	pidfd  int // of the program, -1 once it has ended
	pid    int // 0 once it has ended
	group  cgroup
	rest   []byte // of an order that has not arrived completely
	stopBy time.Duration
	end    report
	closed bool // the node has gone
}

// prepare makes this process a guardian: it adopts orphans, and has a timer.
func (s *shim) prepare() (err error) {
	for _, fd := range []int{fdOrders, fdReports} {
		unix.CloseOnExec(fd)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("shim: no right to adopt orphans: %w", err)
	}
	s.timer, err = unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return fmt.Errorf("shim: no timer: %w", err)
	}
	return unix.SetNonblock(fdOrders, true)
}

// run enforces the deadline until no process is left. It handles events in the order of their
// importance: after a pause of the process, it checks the deadline before anything else.
func (s *shim) run() int {
	for {
		signals, kill := s.orders()
		switch {
		case s.closed:
			kill = true
		case s.lapsed():
			s.end.Lapsed, kill = s.end.Lapsed || s.pid != 0, true
		}
		if kill {
			s.killAll()
		} else {
			for _, sig := range signals {
				s.signal(sig)
			}
		}
		s.reap()
		if s.pid == 0 && s.end.Ended {
			s.killAll() // the processes that it has left behind
			s.group.remove()
			s.report(s.end)
			return 0
		}
		if s.end.Error != "" || s.closed && s.pid == 0 {
			s.group.remove()
			return 1
		}
		s.wait()
	}
}

func (s *shim) lapsed() bool { return s.stopBy != 0 && s.clock() >= s.stopBy }

// wait waits for an order, the deadline or the end of the program.
func (s *shim) wait() {
	var at unix.ItimerSpec
	if s.stopBy != 0 {
		at.Value = unix.NsecToTimespec(int64(max(s.stopBy, 1)))
	}
	_ = unix.TimerfdSettime(s.timer, unix.TFD_TIMER_ABSTIME, &at, nil)
	fds := []unix.PollFd{{Fd: fdOrders, Events: unix.POLLIN}, {Fd: int32(s.timer), Events: unix.POLLIN}}
	if s.closed {
		fds = fds[1:]
	}
	limit := -1
	if s.pidfd >= 0 {
		fds = append(fds, unix.PollFd{Fd: int32(s.pidfd), Events: unix.POLLIN})
	} else if s.pid != 0 {
		limit = 20 // an old kernel: the shim must poll for its end
	}
	_, _ = unix.Poll(fds, limit)
}

// orders reads the node's orders. It returns the signals to send, and whether to kill.
func (s *shim) orders() (signals []syscall.Signal, kill bool) {
	var buffer [4096]byte
	for !s.closed {
		n, err := unix.Read(fdOrders, buffer[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return signals, kill
		case n <= 0:
			s.closed = true
			return signals, kill
		}
		s.rest = append(s.rest, buffer[:n]...)
		for {
			line, rest, whole := bytes.Cut(s.rest, []byte("\n"))
			if !whole {
				break
			}
			s.rest = rest
			var o order
			if json.Unmarshal(line, &o) != nil {
				continue
			}
			if o.StopBy != nil {
				s.stopBy = *o.StopBy
			}
			if o.Signal != 0 {
				signals = append(signals, syscall.Signal(o.Signal))
			}
			kill = kill || o.Kill
			if o.Start != nil {
				s.start(o.Start)
			}
		}
	}
	return signals, kill
}

// start starts the program, unless its time is over already.
func (s *shim) start(o *startOrder) {
	if s.lapsed() {
		s.end = report{Ended: true, Lapsed: true}
		return
	}
	if err := s.execute(o); err != nil {
		s.end = report{Error: err.Error()}
		s.group.remove()
		s.report(s.end)
		return
	}
	s.report(report{PID: s.pid, Group: s.group.dir})
}

func (s *shim) execute(o *startOrder) error {
	if info, err := os.Stat(o.Dir); err != nil {
		return fmt.Errorf("dir: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("dir: %s is not a directory", o.Dir)
	}
	file, err := find(o.Argv[0], o.Dir, o.Path)
	if err != nil {
		return err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer func() { _ = null.Close() }()
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, PidFD: &s.pidfd}
	s.group = newCgroup()
	if s.group.fd > 0 {
		attr.UseCgroupFD, attr.CgroupFD = true, s.group.fd
	}
	if o.As != nil {
		if os.Geteuid() == 0 {
			attr.Credential = &syscall.Credential{Uid: o.As.UID, Gid: o.As.GID, Groups: o.As.Groups}
		}
		// A program with fewer rights must not get others back.
		_ = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	s.pid, err = syscall.ForkExec(file, o.Argv, &syscall.ProcAttr{
		Dir: o.Dir, Env: o.Env, Files: []uintptr{null.Fd(), 1, 2}, Sys: attr,
	})
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("cannot start %s: no such file, or its first line names an interpreter that does not exist", file)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("cannot start %s: permission denied: it is not executable for this user, or lies where this user may not go", file)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("cannot start %s: it is not a program for this machine, and has no first line that names an interpreter", file)
	case err != nil:
		return fmt.Errorf("cannot start %s: %w", file, err)
	}
	return nil
}

func (s *shim) signal(sig syscall.Signal) {
	if s.pid != 0 {
		_ = syscall.Kill(-s.pid, sig)
		_ = syscall.Kill(-s.pid, syscall.SIGCONT) // a stopped process receives no other signal
	}
}

// reap collects the children that have ended. It reports whether there are children left.
func (s *shim) reap() (left bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return false // no children
		case pid == 0:
			return true
		case pid == s.pid:
			s.pid, s.end.Ended = 0, true
			s.end.Exit = status.ExitStatus()
			if status.Signaled() {
				s.end.Exit, s.end.Signal = 0, int(status.Signal())
			}
			if s.pidfd >= 0 {
				_ = unix.Close(s.pidfd)
				s.pidfd = -1
			}
		}
	}
}

// killAll kills all processes that the program has started, and returns when none is left. All of them
// are descendants of this process, which adopts them.
func (s *shim) killAll() {
	for looks := 1; ; looks++ {
		if s.pid != 0 {
			_ = syscall.Kill(-s.pid, syscall.SIGKILL)
		}
		s.group.kill()
		if !s.reap() {
			return
		}
		proc.KillBelow(os.Getpid())
		time.Sleep(sweepPauses.Pause(looks))
	}
}

// report sends a report to the node, which may have ended.
func (s *shim) report(r report) {
	line, err := json.Marshal(r)
	if err == nil {
		_, _ = unix.Write(fdReports, append(line, '\n'))
	}
}
