package devcluster

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"gitee.com/ken.yang/xconsumer/app/internal/logging"
	"gitee.com/ken.yang/xconsumer/app/internal/node"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/supervise"
)

// procGroup runs several processes, prefixes their output, and restarts those that die.
type procGroup struct {
	out, err io.Writer
	environ  func(string) string
	again    <-chan os.Signal
	format   string // of the processes' logs
	color    bool
	width    int // of the prefixes
	env      []string

	mu   sync.Mutex // one line at a time
	jobs []*job
}

// job is one process.
type job struct {
	name string
	args []string

	mu      sync.Mutex
	process *supervise.Process // nil while it does not run
}

func newProcGroup(d *dev, jobs int) *procGroup {
	f := &procGroup{
		out:     d.Out,
		err:     d.Err,
		environ: d.Env,
		again:   d.Again,
		format:  logging.FormatText,
		width:   max(len("dev"), len(fmt.Sprintf("n%d", jobs))),
	}
	if terminal.IsTerminal(f.err) {
		f.format = logging.TerminalFormat(f.environ)
	}
	f.color = f.format == logging.FormatColor
	return f
}

// logger returns a logger whose lines are prefixed like those of the processes.
func (f *procGroup) logger(name string) (*slog.Logger, error) {
	log, _, err := logging.New(f.prefixed(name, 0), func(key string) string {
		if key == logging.FormatVariable {
			return f.format
		}
		return f.environ(key)
	})
	return log, err
}

func (f *procGroup) add(name string, args []string) {
	f.jobs = append(f.jobs, &job{name: name, args: args})
}

// print writes a text to people, between lines.
func (f *procGroup) print(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, _ = io.WriteString(f.out, text) // there is no place to report an error
}

// stopLimit is how long the processes may take to leave before they are killed.
const stopLimit = 30 * time.Second

// run runs the processes until ctx ends and all have left. If one ends for a reason that a restart cannot cure, run stops
// the others, too. The error carries the exit code of the first process that ended in this way or did not stop cleanly.
func (f *procGroup) run(ctx context.Context, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	codes := make(chan int, len(f.jobs))
	var working sync.WaitGroup
	for i, j := range f.jobs {
		out := f.prefixed(j.name, i+1)
		working.Go(func() {
			if code := f.keep(ctx, j, out, log); code != 0 {
				codes <- code
				cancel()
			}
		})
	}
	var signalling sync.WaitGroup
	ended := make(chan struct{})
	forced := 0
	signalling.Go(func() { forced = f.signals(ctx, ended, log) })
	working.Wait()
	close(ended)
	signalling.Wait()
	if forced != 0 {
		return node.ChildExit(forced)
	}
	select {
	case code := <-codes:
		return node.ChildExit(code)
	default:
		return nil
	}
}

// keep restarts a process until ctx ends. It returns the exit code of a process that ended permanently by itself or did not
// stop cleanly, else 0.
func (f *procGroup) keep(ctx context.Context, j *job, out io.Writer, log *slog.Logger) int {
	startAgain := backoff.Policy{Free: 1, First: 200 * time.Millisecond, Max: 10 * time.Second, Steady: 10 * time.Second}
	deaths := 0 // in a row
	for {
		began := time.Now()
		p, err := supervise.Spawn(j.args, append(append(os.Environ(), logging.FormatVariable+"="+f.format), f.env...), out, out)
		if err != nil {
			log.Error("process not started", "node", j.name, "error", err)
			return 1
		}
		j.set(p)
		if ctx.Err() != nil {
			p.Signal(syscall.SIGTERM)
		}
		death := p.Wait()
		j.set(nil)
		code, final := death.Final()
		switch {
		case ctx.Err() != nil:
			left := death.Left()
			if left > 0 && left < 128 { // a death by signal was reported already
				log.Error("a node did not shut down cleanly", "node", j.name, "cause", death.Cause)
			}
			return left
		case final:
			log.Error("a node has failed permanently; stopping the others", "node", j.name, "cause", death.Cause)
			return max(code, 1)
		}
		deaths = startAgain.Failed(deaths, time.Since(began))
		pause := startAgain.Pause(deaths)
		log.Warn("a node's process has died; starting it again", "node", j.name, "cause", death.Cause, "retryIn", pause)
		if backoff.Sleep(ctx, pause) != nil {
			return 0
		}
	}
}

func (j *job) set(p *supervise.Process) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.process = p
}

func (j *job) signal(s syscall.Signal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.process != nil {
		j.process.Signal(s)
	}
}

// signals passes the end of ctx and a second signal on to the processes, and kills those that do not stop in time. It
// returns the exit code after a second signal, else 0.
func (f *procGroup) signals(ctx context.Context, ended <-chan struct{}, log *slog.Logger) (forced int) {
	all := func(s syscall.Signal) {
		for _, j := range f.jobs {
			j.signal(s)
		}
	}
	select {
	case <-ended:
		return 0
	case <-ctx.Done():
		log.Info("shutting down; send the signal again to stop immediately")
		all(syscall.SIGTERM)
	}
	limit := time.After(stopLimit)
	for {
		select {
		case <-ended:
			return forced
		case sig := <-f.again:
			if s, ok := sig.(syscall.Signal); ok {
				forced = 128 + int(s)
			}
			all(syscall.SIGINT) // the second signal for each of them
		case <-limit:
			log.Error("some processes have not stopped in time; killing them")
			all(syscall.SIGKILL)
		}
	}
}

// prefixed returns a writer for one process that puts a name before every line.
func (f *procGroup) prefixed(name string, color int) io.Writer {
	prefix := fmt.Sprintf("%-*s | ", f.width, name)
	if f.color {
		colors := []int{37, 36, 33, 32, 35, 34, 31}
		if color > 0 {
			color = 1 + (color-1)%(len(colors)-1)
		}
		prefix = fmt.Sprintf("\x1b[%dm%s\x1b[0m", colors[color], prefix)
	}
	return &prefixer{procGroup: f, prefix: []byte(prefix)}
}

type prefixer struct {
	procGroup *procGroup
	prefix    []byte

	mu   sync.Mutex
	rest []byte // of a line that has not ended
}

// maxLine is the length at which a line is broken, in bytes.
const maxLine = 64 << 10

func (p *prefixer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rest = append(p.rest, b...)
	var out bytes.Buffer
	for len(p.rest) > 0 {
		n, line, err := bufio.ScanLines(p.rest, len(p.rest) > maxLine)
		if n == 0 || err != nil {
			break
		}
		out.Write(p.prefix)
		out.Write(line)
		out.WriteByte('\n')
		p.rest = p.rest[n:]
	}
	if out.Len() > 0 {
		p.procGroup.mu.Lock()
		defer p.procGroup.mu.Unlock()
		_, _ = out.WriteTo(p.procGroup.err) // an error must not end the process
	}
	return len(b), nil
}
