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

// Run executes a program once and returns when nothing of it runs any longer: nil if it ended with exit code 0, else an
// error that describes its end. When ctx ends, the program is asked to end by SIGTERM. A moment before its time is over, it
// is killed with all processes that it has started; the error then matches cluster.ErrKilled.
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
	asked   time.Time // when it was asked to end
	killed  time.Time // when its kill was ordered, since it had not ended
	pid     int       // of the program, as reported
	group   cgroup
	end     report
}

// start starts a shim, which starts the program.
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
	e.cmd = exec.Command("/proc/self/exe") //nolint:noctx // it is asked to end, and its end is awaited
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

// deadline returns the time at which the shim must kill by itself, 0 for never. It holds until the channel is closed.
func (e *execution) deadline() (time.Duration, <-chan struct{}) {
	stopBy, changed := e.Keeper.deadline()
	if e.job.Unleashed != nil && e.job.Unleashed() {
		return 0, changed
	}
	return stopBy, changed
}

// order sends an order to the shim. It waits at most for limit if the shim does not read.
func (e *execution) order(limit time.Duration, o order) {
	line, err := json.Marshal(o)
	if err != nil {
		return
	}
	_ = e.orders.SetWriteDeadline(time.Now().Add(limit))
	_, _ = e.orders.Write(append(line, '\n'))
}

// orderTimeout is how long an order may take to be written: short ones fit into a pipe as a whole or not at all.
const orderTimeout = 10 * time.Millisecond

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
	e.order(orderTimeout, order{StopBy: &stopBy}) // it may have moved since the start
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
				e.order(orderTimeout, order{StopBy: &stopBy})
			}
		case <-asked:
			asked, e.asked = nil, time.Now()
			e.update(func() { e.known.asked = e.asked })
			e.order(orderTimeout, order{Signal: int(syscall.SIGTERM)})
			poll := time.NewTicker(20 * time.Millisecond) // its time may be cut short
			defer poll.Stop()
			tick = poll.C
		case now := <-tick:
			switch {
			case !e.killed.IsZero() && now.Sub(e.killed) > answer:
				e.force()
			case e.killed.IsZero() && e.due(now):
				e.killed = now
				e.order(orderTimeout, order{Kill: true})
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

// force does the shim's work if the shim does not answer, and ends the shim. The sweep kills the processes that it misses.
func (e *execution) force() {
	pid := e.cmd.Process.Pid
	e.group.kill()
	if proc.KillBelow(pid) == 0 { // else the caller tries again
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// ended returns the outcome of the program once all its processes have ended.
func (e *execution) ended(ctx context.Context) error {
	shimKilled := !e.end.Ended && e.end.Error == ""
	if shimKilled {
		e.sweep() // before the wait, which reads the output of the remaining processes
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

// sweepPauses are the pauses between searches for the remaining processes of a killed program.
var sweepPauses = backoff.Policy{First: time.Millisecond, Max: 50 * time.Millisecond}

// sweep kills the processes that a dead shim has left: those in the program's control group, session or process group, and
// those that have kept its mark. It returns when none is left: the kernel confirms it for the control group, and for the
// others a search that can have missed none.
func (e *execution) sweep() {
	defer e.group.remove()
	for looks := 1; e.mayLive(); looks++ {
		time.Sleep(sweepPauses.Pause(looks))
	}
}

// mayLive kills the processes that it finds, and reports whether there may be more. If the process table is that of another
// namespace, only the control group counts. It is enough: the kernel puts each process into the group of its parent, and
// only the machine's administrator moves a process out of it.
func (e *execution) mayLive() bool {
	e.group.kill()
	if e.group.dir != "" && !proc.OwnTable() {
		return e.group.populated()
	}
	return e.sweepOnce() || e.group.populated()
}

// sweepOnce kills the processes that it finds, whole process groups at once, and reports whether there may be more. A
// process that is in the session of the program, or has its mark, was started by another such process.
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

// victims returns the target with which to kill a process of the program, as kill(2) takes it: its process group, which the
// program shares only with its descendants. If the number of the group is unknown here, it is the process alone: kill would
// take that number for the group of this process, or for all processes.
func victims(p proc.Process) int {
	if p.Group <= 1 {
		return p.PID
	}
	return -p.Group
}

// owns reports whether a process belongs to the execution, and whether it was possible to find out.
func (e *execution) owns(p proc.Process) (own, known bool) {
	switch {
	case e.pid != 0 && (p.Session == e.pid || p.Group == e.pid):
		return true, true
	case p.Kernel:
		return false, true
	}
	return proc.Environ(p.PID, e.mark)
}

// tail passes on the error output of a program, and remembers its last line.
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

// explain adds the last line of the program's error output to the description of its end.
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

// processes describes the processes below a shim.
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
