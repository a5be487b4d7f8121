// Package supervise is the parent process of a node: it starts the node's process, cleans up
// when that dies or hangs, and starts it again.
//
// # The model
//
//	parent ──(starts, lifeline)──▶ child: the node's process, and all that it starts
//	  ▲                              │
//	  └───────── reports ────────────┘
//	  └─ child died, or its lease lapsed without news: kill the tree, wait until it is empty,
//	     close the member (Config.Close: the store is the caller's), start a new child
//
// A crash is not a lost machine: the parent still exists and can confirm that nothing of the member runs any longer, so
// that its slots move at once instead of after a session timeout. It does so only when it has seen the process tree empty;
// otherwise the slots wait for the session timeout.
//
// The child sends reports ([cluster.SupervisorReport]) through a pipe, the member's name before it can
// exist. It sees its parent's death as the end of another pipe, the lifeline, and leaves. Each
// layer alone signals the one below: the child has a process group of its own, so that a
// terminal's Ctrl-C reaches only the parent.
//
// On Linux the parent adopts orphans of its tree and reaps them, also as process 1 of a
// container. Elsewhere the tree is the child's process group, and a hung child is not noticed,
// since clocks of processes cannot be compared. Where there are neither (Windows), nothing is
// supervised: see [Supported].
package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
)

// Config configures a parent.
type Config struct {
	// Args and Env are those of the child, which is this program again.
	Args, Env []string
	// Listener, if set, is handed to every child: connections wait while there is none.
	Listener *os.File
	// Close closes a dead child's member. It is called when nothing of it runs any longer.
	Close func(ctx context.Context, v cluster.SupervisorReport, d Death) error
	// Alive, if set, is called again and again while the parent does its work, with the child's last report.
	Alive func(cluster.SupervisorReport)
	// Again receives a second signal, upon which everything ends at once.
	Again <-chan os.Signal
	// Clock is the lease clock.
	Clock func() time.Duration
	// Out and Err are the child's standard output and error.
	Out, Err *os.File
	Log      *slog.Logger
}

// Time limits of the parent.
const (
	emptyLimit = 2 * time.Second  // for a killed tree to be empty; else its member is not closed
	maxSilence = 10 * time.Second // of a child that runs nothing and whose lease has lapsed
	closeWait  = time.Second      // for a close, before the next child is started anyway
	closeLimit = 30 * time.Second // for a close altogether
	lastLimit  = 3 * time.Second  // for a close when the parent itself ends
	killedMax  = 2 * time.Second  // for a child that is killed from outside again and again, before the next
)

// startAgain is for a child that dies by itself again and again. A child that lived for a while has not failed at its
// start.
var startAgain = backoff.Policy{Free: 1, First: 250 * time.Millisecond, Max: 30 * time.Second, Jitter: 0.25, Steady: 10 * time.Second}

// deaths counts the deaths of children of the same kind in a row.
type deaths struct {
	inARow int
	blamed bool
}

// pause returns how long to wait after another death. Of the earlier deaths of the other kind only the last counts: kills from
// outside do not indicate a fault in the child, but a child that dies in both ways by turns must not be restarted each time
// without a pause.
func (d *deaths) pause(blamed bool, lasted time.Duration, who ...any) time.Duration {
	again := startAgain
	if !blamed {
		again.Max = killedMax
	}
	if d.blamed != blamed {
		d.inARow, d.blamed = min(d.inARow, 1), blamed
	}
	d.inARow = again.Failed(d.inARow, lasted)
	return again.Pause(d.inARow, who...)
}

// Run supervises until ctx ends, which is passed to the child as SIGTERM, or the child ends for a reason that a restart
// would not fix. It returns the exit code to end with.
func Run(ctx context.Context, cfg Config) (code int, err error) {
	var reaping, closing sync.WaitGroup
	stopReaping := make(chan struct{})
	p := &parent{Config: cfg, killTree: killTree}
	if !adopt() {
		p.blind = true
		cfg.Log.Warn(
			"this process cannot see every process that its node starts (no /proc, or no right to adopt orphans): " +
				"a dead node's work waits for its session's end",
		)
	}
	if !p.blind {
		reaping.Go(func() { reap(stopReaping, p.isChild) })
	}
	closers, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		defer time.AfterFunc(lastLimit, giveUp).Stop()
		closing.Wait()
		giveUp()
		close(stopReaping)
		reaping.Wait()
	}()
	var deaths deaths
	for started := false; ; {
		began := time.Now()
		d, err := p.live(ctx)
		switch {
		case err != nil && !started:
			return 1, err // it never worked
		case err != nil: // it worked before: no memory or no processes left, for now
			d = Death{Cause: err.Error(), Blame: true, exit: 1}
		}
		started = true
		if d.member() {
			closed := make(chan struct{})
			closing.Go(func() {
				defer close(closed)
				p.close(closers, d)
			})
			select {
			case <-closed:
			case <-time.After(closeWait):
			}
		}
		if leaving := ctx.Err() != nil; d.final(leaving) {
			return d.code(leaving), nil
		}
		delay := deaths.pause(d.Blame, time.Since(began), os.Getpid(), began)
		cfg.Log.Error(
			"the node's process has died; starting it again",
			"cause",
			d.Cause,
			"ran",
			time.Since(began).Round(time.Millisecond),
			"retryIn",
			delay.Round(time.Millisecond),
		)
		if p.wait(ctx, delay) != nil {
			return 0, nil
		}
	}
}

// parent is the state of Run.
type parent struct {
	Config
	blind bool // an empty tree looks like one that cannot be seen
	// killTree kills the remaining processes of a child that has ended, and returns how many there were.
	killTree func(child int) (left int)

	mu  sync.Mutex
	pid int // of the child
}

// wait waits, and calls Alive meanwhile.
func (p *parent) wait(ctx context.Context, d time.Duration) error {
	const step = 250 * time.Millisecond
	for end := time.Now().Add(d); ; {
		p.alive(cluster.SupervisorReport{})
		left := time.Until(end)
		if left <= 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(left, step)):
		}
	}
}

// alive calls Alive, if there is one.
func (p *parent) alive(v cluster.SupervisorReport) {
	if p.Alive != nil {
		p.Alive(v)
	}
}

// isChild reports whether a process is the child itself, which is waited for elsewhere.
func (p *parent) isChild(pid int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid == 0 || p.pid == pid // between start and setPID, any process may be the child
}

func (p *parent) setPID(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = pid
}

// live starts one child and supervises it until its end. It returns when nothing of the child runs any longer, unless the
// Death is marked as late.
func (p *parent) live(ctx context.Context) (Death, error) {
	p.setPID(0)
	c, err := start(p.Config)
	if err != nil {
		return Death{}, fmt.Errorf("supervise: %w", err)
	}
	p.setPID(c.pid)
	oom := newTally(oomKills)
	leave := ctx.Done()
	var again <-chan os.Signal
	var hung, forced string
	var second os.Signal
	for {
		oom.sample(time.Now())
		p.alive(c.last())
		select {
		case <-c.done:
			c.gone() // its pipe is read to the end
			d := p.died(ctx, c, oom.rose())
			if hung != "" {
				d.Cause, d.Blame = hung, false
			}
			if forced != "" {
				d.Cause, d.Blame, d.forced = forced, false, second
			}
			return d, nil
		case <-leave:
			leave, again = nil, p.Again
			c.signal(syscall.SIGTERM)
		case second = <-again:
			forced = "ended by a second signal"
			c.kill()
		case <-c.news:
		case <-time.After(c.check(p.Clock())):
			if hung == "" && forced == "" && c.lapsed(p.Clock()) {
				hung = "hung: its lease lapsed without news"
				c.kill() // before the log line: the log may block
				p.Log.Error("the node's process hung: its lease lapsed without news; killed it", "pid", c.pid)
			}
		}
	}
}

// died empties the tree of a dead child and describes its death.
func (p *parent) died(ctx context.Context, c *child, oom bool) Death {
	d := death(c.cmd.ProcessState, oom)
	d.report = c.last()
	if p.blind {
		d.late = true // its group was killed as it ended; other processes may exist
		return d
	}
	logged := false
	for end := time.Now().Add(emptyLimit); ; time.Sleep(5 * time.Millisecond) {
		p.alive(cluster.SupervisorReport{})
		left := p.killTree(c.pid)
		if left == 0 {
			return d
		}
		if time.Now().Before(end) {
			continue
		}
		d.late = true // the member is not closed: its slots wait for the session timeout
		if ctx.Err() != nil {
			return d
		}
		if !logged {
			logged = true
			p.Log.Error("processes of the node cannot be killed; waiting for them, its member is not closed", "processes", left)
		}
	}
}

// close closes the member of a dead child.
func (p *parent) close(ctx context.Context, d Death) {
	ctx, cancel := context.WithTimeout(ctx, closeLimit)
	defer cancel()
	began := time.Now()
	if err := p.Close(ctx, d.report, d); err != nil {
		p.Log.Warn("the dead node's member is not closed; its work moves when its session ends", "member", d.report.Member, "error", err)
		return
	}
	p.Log.Info("closed the dead node's member", "member", d.report.Member, "cause", d.Cause, "took", time.Since(began).Round(time.Millisecond))
}
