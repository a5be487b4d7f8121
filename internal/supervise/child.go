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

// Variable is the environment variable that makes a process a child. It is not inherited further: NewChild
// removes it.
const Variable = "XCONSUMER_PARENT"

// What a child is started with: the value of Variable.
const (
	kindLifeline = "lifeline" // started by a foreman: it has parents and children of its own
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
	reports *os.File // the child's reports; nil in tests
	part    []byte   // of a line that has not arrived completely
	report  cluster.SupervisorReport
	heard   time.Time
	ended   bool // its number may belong to another process by now
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
		_ = cmd.Wait() // the state contains how it ended
		c.end()
		// A process that inherited the pipe may live on; the reports of the child itself are in the pipe by
		// now.
		_ = reports.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		close(c.done)
	}()
	return c, nil
}

// read reads the child's reports.
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

// drain reads the content of the pipe and reports whether nothing more will come. The caller holds mu, so
// that nothing is out of the pipe and not yet in the report.
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

// gone ends the goroutines and pipes of a child that has died.
func (c *child) gone() {
	c.reading.Wait()
	_ = c.lifeline.Close()
}

func (c *child) last() cluster.SupervisorReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.report
}

// lapsed reports whether a child must be killed: its member runs past its time, or it no longer reports. A
// parent that was stopped alone has not read the child's latest reports, so lapsed reads the pipe to its end
// before it decides.
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
	return !v.Idle || time.Since(c.heard) >= maxSilence
}

// check returns how long to wait before the next call of lapsed. It is bounded, since the boot clock may
// jump.
func (c *child) check(now time.Duration) time.Duration {
	const recheck = 250 * time.Millisecond
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.report.StopBy > now {
		return min(c.report.StopBy-now, recheck)
	}
	return recheck
}

// end records that the child's number may belong to another process from now on.
func (c *child) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
}

func (c *child) signal(s syscall.Signal) { _ = c.cmd.Process.Signal(s) }

// kill kills the child and its process group; its tree follows once it has ended. After the child was waited
// for, kill does nothing: the number of the group may belong to another process.
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
	_ = os.Unsetenv(Variable) // not inherited by the children of this process
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

// IsNode reports whether the process is a node that a parent supervises; otherwise it has a lifeline at most.
func (c *Child) IsNode() bool { return c.reports != nil }

// Report sends a report to the parent. It does not wait for a parent that hangs, which misses the report.
func (c *Child) Report(v cluster.SupervisorReport) {
	line, err := json.Marshal(v)
	if err != nil {
		return
	}
	_ = c.reports.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.reports.Write(append(line, '\n')) // short enough for a pipe to take it as a whole
}

// Orphaned returns when the parent has died.
func (c *Child) Orphaned() {
	_, _ = c.lifeline.Read(make([]byte, 1)) // nothing is ever written
}

// Listener returns the listener that the parent has passed to this process; nil if there is none.
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
