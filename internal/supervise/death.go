package supervise

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// exitStuck is the exit code of a node whose worker does not stop.
const exitStuck = 70

// exitPanic is the exit code of Go programs that panic, and by custom of wrong usage.
const exitPanic = 2

// Death describes how a child died.
type Death struct {
	// Cause describes it in words.
	Cause string
	// Blame means that the child's own work may have killed it: a panic, memory, a crash; not a
	// signal from outside, a lease that lapsed or a regular end.
	Blame bool

	exit   int            // -1 if a signal ended it
	signal syscall.Signal // that did
	forced os.Signal      // the second signal to the parent, if that was the reason
	report cluster.SupervisorReport
	late   bool // its tree was not seen empty in time: the session timeout rules
}

// death reads a process's state; oom reports that the kernel has killed for memory meanwhile.
func death(state *os.ProcessState, oom bool) Death {
	d := Death{exit: state.ExitCode()}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		d.signal = status.Signal()
		d.Cause = fmt.Sprintf("killed by signal %d (%s)", int(d.signal), d.signal)
		switch d.signal {
		case syscall.SIGKILL:
			d.Blame = oom
			if oom {
				d.Cause += ", out of memory"
			}
		case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT:
		default:
			d.Blame = true
		}
		return d
	}
	switch d.exit {
	case 0:
		d.Cause = "ended by itself"
	case exitStuck:
		d.Cause = "exit code 70: a worker did not stop"
	case exitPanic:
		d.Cause, d.Blame = "exit code 2: panic", true
	default:
		d.Cause, d.Blame = fmt.Sprintf("exit code %d", d.exit), true
	}
	return d
}

// member reports whether there is a member to close.
func (d *Death) member() bool {
	return !d.late && d.report.Member != "" && !d.report.Closed
}

// Final reports whether a foreman should not start the process again: it has ended regularly, or for
// a reason that would last. Code is then the exit code.
func (d *Death) Final() (code int, final bool) { return d.code(false), d.final(false) }

// Left returns the exit code of a process that ended after it had been asked to leave.
func (d *Death) Left() int { return d.code(true) }

// final reports whether the parent ends with the child: it was to leave, or starting it again
// would not help. A child that had not joined ends with 2 for wrong usage; later it is a panic.
func (d *Death) final(leaving bool) bool {
	switch {
	case leaving || d.forced != nil:
		return true
	case d.exit == exitPanic:
		return d.report.Member == ""
	}
	return d.exit == 0 || d.exit >= 64 && d.exit <= 78 && d.exit != exitStuck
}

// code is the exit code of a parent that ends after this death. A child that dies of the request to
// leave had not yet installed its signal handler, and had not joined.
func (d *Death) code(leaving bool) int {
	if s, ok := d.forced.(syscall.Signal); ok {
		return 128 + int(s)
	}
	if leaving && d.signal == syscall.SIGTERM && d.report.Member == "" {
		return 0
	}
	if d.exit < 0 {
		return 128 + int(d.signal)
	}
	return d.exit
}

// tally watches a counter of the whole machine, and reports whether it rose just now: an earlier
// rise, caused by another process, explains no death.
type tally struct {
	read         func() int
	older, newer int
	at           time.Time // of newer
}

// tallySpacing is how far apart the samples are: a rise is noticed for one to two of these.
const tallySpacing = time.Second

func newTally(read func() int) *tally {
	n := read()
	return &tally{read: read, older: n, newer: n, at: time.Now()}
}

func (t *tally) sample(now time.Time) {
	if now.Sub(t.at) >= tallySpacing {
		t.older, t.newer, t.at = t.newer, t.read(), now
	}
}

func (t *tally) rose() bool { return t.read() > t.older }
