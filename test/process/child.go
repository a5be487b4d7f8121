//go:build unix

package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Log keeps what a process writes, and may be read meanwhile. The zero value is ready.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write takes in more.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns all of it.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Tail returns its last lines.
func (l *Log) Tail(lines int) string {
	all := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// Child is a process that a test has started. Its methods may be called from any goroutine.
type Child struct {
	Cmd  *exec.Cmd
	Log  *Log // what it writes to where its command does not say otherwise
	done chan struct{}
}

// outputDelay bounds the wait for the output of a process that has ended: one that it has started, and that lives on, keeps
// the pipe open.
const outputDelay = 10 * time.Second

// Begin starts a command in a process group of its own, which keeps a Ctrl-C at the test from reaching it first. It ends
// by itself, by Kill, or, on Linux, with the test's process: also one that panics or takes too long, and so cleans up
// nothing, leaves none behind.
func Begin(cmd *exec.Cmd) (*Child, error) {
	c := &Child{Cmd: cmd, Log: &Log{}, done: make(chan struct{})}
	if cmd.Stdout == nil {
		cmd.Stdout = c.Log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = c.Log
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = outputDelay
	}
	cmd.SysProcAttr.Setpgid = true
	tie(cmd.SysProcAttr)
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks it: the thread is there for as long as the process is
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // whose result is in the process state
		close(c.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// PID returns its process id.
func (c *Child) PID() int { return c.Cmd.Process.Pid }

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Ended reports whether the process has ended.
func (c *Child) Ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Wait waits for the end, for a time at most, and returns the exit code; -1 if a signal has ended it.
func (c *Child) Wait(limit time.Duration) (code int, err error) {
	select {
	case <-c.done:
		return c.Cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("%q does not end within %v", c.Cmd.Args, limit)
	}
}

// Kill kills the process, and those that it has started, which may be paused and not notice; and waits for its end.
func (c *Child) Kill() {
	if c.Ended() {
		return
	}
	_ = c.Cmd.Process.Signal(syscall.SIGSTOP) // so that it starts no more
	for _, pid := range ChildrenOf(c.PID()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = c.Cmd.Process.Kill()
	<-c.done
}

// ChildrenOf returns the children of a process, where the system has /proc.
func ChildrenOf(pid int) (children []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files { // a child belongs to the thread that started it
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}
