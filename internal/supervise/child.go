//go:build unix

package supervise

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Supported reports whether this system can supervise.
const Supported = true

// Variable is the environment variable that makes a process a child. It is not inherited
// further: NewChild removes it.
const Variable = "XCONSUMER_PARENT"

// What a child is started with: the value of Variable.
const (
	kindLifeline = "lifeline" // by a foreman: it has parents and children of its own
	kindNode     = "node"
	kindListener = "node,listener"
)

// The descriptors that a child is started with, the lifeline always.
const (
	fdLifeline = 3 + iota
	fdReports
	fdListener
)

// child is the parent's side of a process.
type child struct {
	cmd      *exec.Cmd
	pid      int
	lifeline *os.File // closed when the parent ends, by the kernel if need be
	done     chan struct{}
	news     chan struct{}
	reading  sync.WaitGroup

	mu      sync.Mutex
	reports *os.File // what the child says; nil in tests
	part    []byte   // of a line that has not come whole
	report  cluster.SupervisorReport
	heard   time.Time
	ended   bool // its number may be another's by now
}

// start starts a child.
func start(cfg Config) (*child, error) {
	reports, theirs, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	held, hold, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, reports.Close(), theirs.Close())
	}
	path, err := self()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, cfg.Args[1:]...) //nolint:noctx // it is asked to leave, not killed, when ctx ends
	cmd.Args[0] = cfg.Args[0]
	cmd.Stdout, cmd.Stderr = cfg.Out, cfg.Err
	cmd.ExtraFiles = []*os.File{held, theirs}
	kind := kindNode
	if cfg.Listener != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, cfg.Listener)
		kind = kindListener
	}
	cmd.Env = slices.Concat(cfg.Env, []string{Variable + "=" + kind})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = cmd.Start()
	_ = theirs.Close()
	_ = held.Close()
	if err != nil {
		return nil, errors.Join(err, reports.Close(), hold.Close())
	}
	c := &child{
		cmd:      cmd,
		pid:      cmd.Process.Pid,
		lifeline: hold,
		done:     make(chan struct{}),
		news:     make(chan struct{}, 1),
		reports:  reports,
		heard:    time.Now(),
	}
	c.reading.Go(c.read)
	go func() {
		if awaitExit(c.pid) {
			c.kill() // its group, as long as the number is its own
			c.end()
		}
		_ = cmd.Wait() // the state says how it ended
		c.end()
		// A process that inherited the pipe may live on; what the child itself reported is in it by now.
		_ = reports.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		close(c.done)
	}()
	return c, nil
}

// read takes in the child's reports.
func (c *child) read() {
	defer func() { _ = c.reports.Close() }()
	raw, err := c.reports.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(func(fd uintptr) (end bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.drain(fd)
	})
}

// drain takes in what the pipe holds and reports whether nothing more will come. The caller holds mu, so that
// nothing is out of the pipe and not yet in the report.
func (c *child) drain(fd uintptr) (end bool) {
	var buffer [4096]byte
	for {
		n, err := syscall.Read(int(fd), buffer[:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return false
		case n <= 0:
			return true
		}
		c.part = append(c.part, buffer[:n]...)
		for {
			line, rest, whole := bytes.Cut(c.part, []byte("\n"))
			if !whole {
				break
			}
			c.hear(line)
			c.part = rest
		}
		if len(c.part) > len(buffer) {
			c.part = nil // not a report: something else wrote to the descriptor
		}
	}
}

func (c *child) hear(line []byte) {
	var v cluster.SupervisorReport
	if json.Unmarshal(line, &v) != nil {
		return // not ours
	}
	c.report, c.heard = v, time.Now()
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// gone ends what belongs to a child that has died.
func (c *child) gone() {
	c.reading.Wait()
	_ = c.lifeline.Close()
}

func (c *child) last() cluster.SupervisorReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report
}

// lapsed reports whether a child has to be killed: something of its member runs past the time, or
// it says nothing any longer. A parent that was stopped alone has not read what the child said meanwhile,
// so the pipe is read to its end before a judgement.
func (c *child) lapsed(now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reports != nil {
		if raw, err := c.reports.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { c.drain(fd) })
		}
	}
	v := c.report
	if !clocksCompare || v.Member == "" || v.Closed || now < v.StopBy {
		return false
	}
	return !v.Idle || time.Since(c.heard) >= silence
}

// check is how long to wait until lapsed may have become true. The boot clock may jump.
func (c *child) check(now time.Duration) time.Duration {
	const poll = 250 * time.Millisecond
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.report.StopBy > now {
		return min(c.report.StopBy-now, poll)
	}
	return poll
}

// end notes that its number may be another's from now on.
func (c *child) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// kill kills the child and its process group; its tree follows once it has ended. Once the child was
// waited for there is nothing to kill: the number of the group may be another's.
func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL)
		c.signal(syscall.SIGKILL)
	}
}

// Child is the child's side.
type Child struct {
	lifeline *os.File
	reports  *os.File // nil below a foreman
	listener bool
}

// NewChild returns the child's side if this process was started as one, nil if not. It may be
// called once.
func NewChild() *Child {
	kind := os.Getenv(Variable)
	if kind == "" {
		return nil
	}
	_ = os.Unsetenv(Variable) // not for what this process starts
	syscall.CloseOnExec(fdLifeline)
	c := &Child{lifeline: os.NewFile(fdLifeline, "lifeline"), listener: kind == kindListener}
	if kind != kindLifeline {
		syscall.CloseOnExec(fdReports)
		_ = syscall.SetNonblock(fdReports, true) // so that it can have a deadline
		c.reports = os.NewFile(fdReports, "reports")
	}
	if c.listener {
		syscall.CloseOnExec(fdListener)
	}
	return c
}

// IsNode reports whether the process is a node that a parent looks after; else it has a lifeline at most.
func (c *Child) IsNode() bool { return c.reports != nil }

// Report sends a report to the parent. It does not wait for a parent that hangs: that misses it.
func (c *Child) Report(v cluster.SupervisorReport) {
	line, err := json.Marshal(v)
	if err != nil {
		return
	}
	_ = c.reports.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.reports.Write(append(line, '\n')) // shorter than what a pipe takes as a whole
}

// Orphaned returns when the parent has died.
func (c *Child) Orphaned() {
	_, _ = c.lifeline.Read(make([]byte, 1)) // nothing is ever written
}

// Listener returns the listener that the parent has handed down, nil if there is none.
func (c *Child) Listener() (net.Listener, error) {
	if !c.listener {
		return nil, nil
	}
	f := os.NewFile(fdListener, "listener")
	defer func() { _ = f.Close() }()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listener of the parent: %w", err)
	}
	return l, nil
}
