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

// procGroup runs several processes, with their output prefixed, and starts those again that die.
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
	process *supervise.Process // nil while there is none
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

// logger returns a logger whose lines are prefixed as the processes' are.
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
	_, _ = io.WriteString(f.out, text) // no one is left to hear of an error
}

// stopLimit is how long the processes may take to leave before they are killed.
const stopLimit = 30 * time.Second

// run runs the processes until ctx ends and all have left, or one of them ends for a reason that
// starting it again would not cure; then the others are ended, too. The error carries the exit code
// of the first that ended so, or that did not leave in order.
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

// keep keeps a process running until ctx ends. It returns the exit code of one that ended for
// good by itself, or that has left otherwise than in order, 0 otherwise.
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
			if left > 0 && left < 128 { // others have been ended by a signal, which was reported
				log.Error("a node did not shut down cleanly", "node", j.name, "cause", death.Cause)
			}
			return left
		case final:
			log.Error("a node has ended for good; ending the others", "node", j.name, "cause", death.Cause)
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

// signals passes the end of ctx and a second signal on, and kills what is too slow. It returns the
// exit code after a second signal, else 0.
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
			all(syscall.SIGINT) // their second one
		case <-limit:
			log.Error("some processes do not leave; killing them")
			all(syscall.SIGKILL)
		}
	}
}

// prefixed returns a writer that puts a name before every line. It is for one process.
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

// maxLine is where a line is broken.
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
		_, _ = out.WriteTo(p.procGroup.err) // the process must not end for that
	}
	return len(b), nil
}
