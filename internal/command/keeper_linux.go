package command

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/proc"
)

// Run executes a program once and returns when nothing of it runs any longer: nil if it ended with exit
// code 0, else what is known of its end. When ctx ends it is asked to end by SIGTERM, and killed with all
// that it has started a moment before its time is over; then the error matches cluster.ErrKilled.
func (k *Keeper) Run(ctx context.Context, spec Spec, job Job) error {
	known := k.began(ctx, job.Slot, spec.Argv[0])
	e, err := k.start(spec, job)
	if err == nil {
		e.known = known
		err = e.watch(ctx)
	}
	k.over(ctx, job.Slot, known)
	return err
}

// execution is the node's side of a shim.
type execution struct {
	*Keeper
	job     Job
	known   *program
	cmd     *exec.Cmd
	orders  *os.File
	reports chan report // closed when the shim has closed its end
	mark    string
	last    tail
	asked   time.Time // when it was to end
	killed  time.Time // when it was to be killed, for it had not
	pid     int       // of the program, as reported
	group   cgroup
	end     report
}

// start starts a shim, and by it the program.
func (k *Keeper) start(spec Spec, job Job) (*execution, error) {
	as, err := spec.credential()
	if err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	read, orders, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	reports, theirs, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, read.Close(), orders.Close())
	}
	e := &execution{Keeper: k, job: job, orders: orders, reports: make(chan report, 4), mark: mark + "=" + rand.Text()}
	e.cmd = exec.Command("/proc/self/exe") //nolint:noctx // it is asked to end, and seen to have ended
	e.cmd.Args[0] = "xconsumer-shim " + job.Title
	e.cmd.Env = []string{Variable + "=1", "GOMAXPROCS=1", "GOTRACEBACK=none"}
	e.cmd.Dir = "/"
	e.cmd.Stdout, e.cmd.Stderr = job.Out, &e.last
	e.last.to = job.Err
	e.cmd.ExtraFiles = []*os.File{read, theirs}
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	e.cmd.WaitDelay = 2 * time.Second // for output of what a killed shim has left behind
	err = e.cmd.Start()
	_ = read.Close()
	_ = theirs.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shim: %w", err), orders.Close(), reports.Close())
	}
	go e.read(reports)
	start := &startOrder{Argv: spec.Argv, Dir: spec.Dir, As: as}
	start.Env, start.Path = spec.environ(append(job.Vars, e.mark), as)
	stopBy, _ := e.deadline()
	e.order(5*time.Second, order{StopBy: &stopBy, Start: start})
	return e, nil
}

// deadline is when the shim has to kill by itself, 0 for never, until what it returns besides is closed.
func (e *execution) deadline() (time.Duration, <-chan struct{}) {
	stopBy, changed := e.Keeper.deadline()
	if e.job.Unleashed != nil && e.job.Unleashed() {
		return 0, changed
	}
	return stopBy, changed
}

// order sends an order to the shim. One that does not read is not waited for.
func (e *execution) order(patience time.Duration, o order) {
	line, err := json.Marshal(o)
	if err != nil {
		return
	}
	_ = e.orders.SetWriteDeadline(time.Now().Add(patience))
	_, _ = e.orders.Write(append(line, '\n'))
}

// brief is how long an order may take to be written: short ones fit into a pipe as a whole or not at all.
const brief = 10 * time.Millisecond

func (e *execution) read(reports *os.File) {
	defer close(e.reports)
	defer func() { _ = reports.Close() }()
	for lines := bufio.NewScanner(reports); lines.Scan(); {
		var r report
		if json.Unmarshal(lines.Bytes(), &r) == nil {
			e.reports <- r
		}
	}
}

// watch sees the execution to its end.
func (e *execution) watch(ctx context.Context) error {
	defer func() { _ = e.orders.Close() }()
	stopBy, changed := e.deadline()
	e.order(brief, order{StopBy: &stopBy}) // it may have moved since the start
	asked := ctx.Done()
	var tick <-chan time.Time
	for open := true; open; {
		select {
		case r, ok := <-e.reports:
			open = ok
			if r.PID != 0 {
				e.pid, e.group.dir = r.PID, r.Group
				e.update(func() { e.known.pid, e.known.shim = r.PID, e.cmd.Process.Pid })
			} else if ok {
				e.end = r
			}
		case <-changed:
			was := stopBy
			stopBy, changed = e.deadline()
			if stopBy != was {
				e.order(brief, order{StopBy: &stopBy})
			}
		case <-asked:
			asked, e.asked = nil, time.Now()
			e.update(func() { e.known.asked = e.asked })
			e.order(brief, order{Signal: int(syscall.SIGTERM)})
			poll := time.NewTicker(20 * time.Millisecond) // its time may be cut short
			defer poll.Stop()
			tick = poll.C
		case now := <-tick:
			switch {
			case !e.killed.IsZero() && now.Sub(e.killed) > answer:
				e.force()
			case e.killed.IsZero() && e.due(now):
				e.killed = now
				e.order(brief, order{Kill: true})
			}
		}
	}
	return e.ended(ctx)
}

// due reports whether a program that was asked to end has had its time.
func (e *execution) due(now time.Time) bool {
	at, _ := e.job.StopBy()
	return !now.Before(at.Add(-min(killEarly, at.Sub(e.asked)/5)))
}

// force does the shim's work when that does not answer, and ends it. What it does not see the sweep does.
func (e *execution) force() {
	pid := e.cmd.Process.Pid
	e.group.kill()
	if proc.KillBelow(pid) == 0 { // else it is looked at again
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// ended returns what became of the program, when nothing of it is left.
func (e *execution) ended(ctx context.Context) error {
	shimKilled := !e.end.Ended && e.end.Error == ""
	if shimKilled {
		e.sweep() // before the wait, which reads the output of what is left
	}
	_ = e.cmd.Wait()
	if !e.killed.IsZero() && (shimKilled || syscall.Signal(e.end.Signal) == syscall.SIGKILL) {
		return fmt.Errorf(
			"%w with all that it had started (pid %d), %v after it was asked to end",
			cluster.ErrKilled,
			e.pid,
			e.killed.Sub(e.asked).Round(100*time.Millisecond),
		)
	}
	if shimKilled {
		if ctx.Err() == nil {
			return fmt.Errorf("its shim was killed: %v", e.cmd.ProcessState)
		}
		return nil
	}
	switch {
	case e.end.Error != "":
		return errors.New(e.end.Error)
	case e.end.Lapsed:
		return errors.New("killed: the node's lease was over without news")
	case e.end.Signal != 0:
		sig := syscall.Signal(e.end.Signal)
		return e.last.explain(fmt.Sprintf("killed by signal %d (%s)", e.end.Signal, sig))
	case e.end.Exit != 0:
		return e.last.explain(fmt.Sprintf("exit code %d", e.end.Exit))
	}
	return nil
}

// lookAgain are the pauses between looks for what is left of a program that was killed.
var lookAgain = backoff.Policy{First: time.Millisecond, Max: 50 * time.Millisecond}

// sweep kills what a dead shim has left: what is in the program's control group, session or process group, or
// has kept its mark. It returns when there is nothing of that: the kernel says so of the control group, and
// of the rest a search that can have missed none.
func (e *execution) sweep() {
	defer e.group.remove()
	for looks := 1; e.mayLive(); looks++ {
		time.Sleep(lookAgain.Pause(looks))
	}
}

// mayLive kills what it finds, and reports whether there may be more. Where the process table is another namespace's, there is
// the control group's word alone. It is enough: the kernel puts each process into the group of its parent, and only
// the machine's administrator moves a process out of it.
func (e *execution) mayLive() bool {
	e.group.kill()
	if e.group.dir != "" && !proc.OwnTable() {
		return e.group.populated()
	}
	return e.sweepOnce() || e.group.populated()
}

// sweepOnce kills what it finds, whole process groups at once, and reports whether there may be more. A process that is
// in the session of the program or has its mark was started by another one of these.
func (e *execution) sweepOnce() (more bool) {
	return !proc.Search(func(p proc.Process) proc.Verdict {
		own, known := e.owns(p)
		switch {
		case own:
			_ = syscall.Kill(victims(p), syscall.SIGKILL)
			return proc.Own
		case known:
			return proc.Other
		}
		return proc.Unknown
	})
}

// victims returns whom to kill with a process of the program, as kill takes it: its process group, which the program shares only
// with its descendants. A group whose number is not known here would be taken for this process's own, or for everybody.
func victims(p proc.Process) int {
	if p.Group <= 1 {
		return p.PID
	}
	return -p.Group
}

// owns reports whether a process belongs to the execution, and whether that is known.
func (e *execution) owns(p proc.Process) (own, known bool) {
	switch {
	case e.pid != 0 && (p.Session == e.pid || p.Group == e.pid):
		return true, true
	case p.Kernel:
		return false, true
	}
	return proc.Environ(p.PID, e.mark)
}

// tail passes on what a program writes as errors, and remembers the last line of it.
type tail struct {
	to interface{ Write([]byte) (int, error) }

	mu   sync.Mutex
	line []byte // that has not ended
	last string
}

// maxTail bounds the line that is remembered.
const maxTail = 300

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	for line := range bytes.Lines(p) {
		t.line = append(t.line, line[:min(len(line), maxTail)]...)
		t.line = t.line[:min(len(t.line), maxTail)]
		if bytes.HasSuffix(line, []byte("\n")) {
			if text := strings.TrimSpace(string(t.line)); text != "" {
				t.last = text
			}
			t.line = t.line[:0]
		}
	}
	t.mu.Unlock()
	return t.to.Write(p)
}

// explain adds the last words of the program to what is known of its end.
func (t *tail) explain(end string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last
	if text := strings.TrimSpace(string(t.line)); text != "" {
		last = text
	}
	if last == "" {
		return errors.New(end)
	}
	return fmt.Errorf("%s: %s", end, last)
}

// mostProcesses bounds how many of a program's processes are listed.
const mostProcesses = 50

// states are the states of a process, in words.
var states = map[string]string{
	"R": "running", "S": "sleeping", "D": "waiting for a disk or a file system, and cannot be killed meanwhile", "T": "stopped by a signal",
	"t": "stopped by a debugger", "Z": "dead, and not waited for", "I": "idle",
}

// processes describes what is below a shim.
func processes(shim int) string {
	table := proc.Table()
	below := proc.Below(table, shim)
	delete(below, shim)
	var b strings.Builder
	fmt.Fprintf(&b, "\n%-10s %-10s %-16s %-8s %-10s %s\n", "PID", "PARENT", "NAME", "THREADS", "RESIDENT", "STATE")
	listed := 0
	for _, p := range table {
		if !below[p.PID] {
			continue
		}
		listed++
		if listed > mostProcesses {
			fmt.Fprintf(&b, "and %d more\n", len(below)-mostProcesses)
			break
		}
		s := proc.StatusOf(p.PID)
		letter, _, _ := strings.Cut(s["State"], " ")
		state := cmp.Or(states[letter], s["State"], "gone")
		if where := proc.WaitsIn(p.PID); where != "" {
			state += ", in " + where
		}
		fmt.Fprintf(&b, "%-10d %-10d %-16s %-8s %-10s %s\n", p.PID, p.Parent, s["Name"], s["Threads"], s["VmRSS"], state)
	}
	return b.String()
}
