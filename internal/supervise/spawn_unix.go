//go:build unix

package supervise

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// self returns the path of the running program, even if its file was replaced meanwhile.
func self() (string, error) {
	if runtime.GOOS == "linux" {
		return "/proc/self/exe", nil
	}
	return os.Executable()
}

// Process is this program, started again by a foreman: with a lifeline and in a process group of
// its own, but without the pipe for reports.
type Process struct {
	cmd      *exec.Cmd
	lifeline *os.File
}

// outputLimit bounds how long the output of processes that a dead process has left behind is
// read.
const outputLimit = 20 * time.Second

// Spawn starts this program with other arguments. Out and err may be the same; they are written
// to until the process and all processes that inherited them have ended, or until some time after
// its end.
func Spawn(args, env []string, out, err io.Writer) (*Process, error) {
	path, serr := self()
	if serr != nil {
		return nil, serr
	}
	held, hold, perr := os.Pipe()
	if perr != nil {
		return nil, perr
	}
	cmd := exec.Command(path, args...) //nolint:noctx // it is asked to leave, not killed
	cmd.Args[0] = os.Args[0]
	cmd.Stdout, cmd.Stderr = out, err
	cmd.ExtraFiles = []*os.File{held}
	cmd.Env = slices.Concat(env, []string{Variable + "=" + kindLifeline})
	cmd.WaitDelay = outputLimit
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	serr = cmd.Start()
	_ = held.Close()
	if serr != nil {
		_ = hold.Close()
		return nil, serr
	}
	return &Process{cmd, hold}, nil
}

// PID returns the process's ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal passes a signal on.
func (p *Process) Signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// Release ends the lifeline: the process is to end by itself.
func (p *Process) Release() { _ = p.lifeline.Close() }

// Wait waits for the end of the process and describes it.
func (p *Process) Wait() Death {
	_ = p.cmd.Wait() // the state contains how it ended
	_ = p.lifeline.Close()
	return death(p.cmd.ProcessState, false)
}
