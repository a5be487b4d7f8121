//go:build !unix

package supervise

import (
	"io"
	"os"
	"os/exec"
	"syscall"
)

// Process is this program, started again by a foreman. There is no lifeline on this system: the
// process outlives a foreman that is killed.
type Process struct{ cmd *exec.Cmd }

// Spawn starts this program with other arguments.
func Spawn(args, env []string, out, err io.Writer) (*Process, error) {
	path, serr := os.Executable()
	if serr != nil {
		return nil, serr
	}
	cmd := exec.Command(path, args...) //nolint:noctx // it is asked to leave, not killed
	cmd.Stdout, cmd.Stderr, cmd.Env = out, err, env
	return &Process{cmd}, cmd.Start()
}

// PID returns the process's ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal kills the process: this system has no signals.
func (p *Process) Signal(syscall.Signal) { _ = p.cmd.Process.Kill() }

// Release does nothing.
func (p *Process) Release() {}

// Wait waits for the end of the process and describes it.
func (p *Process) Wait() Death {
	_ = p.cmd.Wait() // the state contains how it ended
	return death(p.cmd.ProcessState, false)
}
