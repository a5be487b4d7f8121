package worker

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// Bounds of the workers' logs.
const (
	DefaultLogBytes = 256 << 10 // of one worker
	logsTotal       = 256 << 20 // of all workers of a node
	leastLogBytes   = 4 << 10   // of one worker, however many there are
	keptLogs        = 1000      // workers that have ended and whose logs are kept
	maxLine         = 8 << 10   // bytes of a line; longer ones are broken
	lineCost        = 96        // bytes that a line costs in addition to its text
)

// Programs may write faster than a person reads. These are the bytes that are kept per second on average,
// and in one burst. Further output is dropped and counted.
const (
	outputRate  = 64 << 10
	outputBurst = 256 << 10
)

// Logs keeps the latest lines of a node's workers, by slot, including workers that have ended. Its
// methods may be called from any goroutine.
type Logs struct {
	limit int // bytes of one worker

	mu    sync.Mutex
	tails map[cluster.Slot]*Tail
	left  []cluster.Slot // those whose workers have ended, oldest first
}

// NewLogs returns logs that keep a number of bytes for each worker; 0 for DefaultLogBytes.
func NewLogs(limit int) *Logs {
	if limit <= 0 {
		limit = DefaultLogBytes
	}
	return &Logs{limit: limit, tails: map[cluster.Slot]*Tail{}}
}

// Of returns the log of a slot's worker; nil if the slot has not run here.
func (l *Logs) Of(slot cluster.Slot) *Tail {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tails[slot]
}

// open returns the log of a slot whose worker begins.
func (l *Logs) open(slot cluster.Slot) *Tail {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tails[slot]
	if t == nil {
		t = &Tail{logs: l, changed: make(chan struct{})}
		l.tails[slot] = t
	}
	for i, s := range l.left {
		if s == slot {
			l.left = append(l.left[:i], l.left[i+1:]...)
			break
		}
	}
	return t
}

// close records that a slot's worker has ended. Its log stays for a while.
func (l *Logs) close(slot cluster.Slot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = append(l.left, slot)
	if len(l.left) > keptLogs {
		delete(l.tails, l.left[0])
		l.left = l.left[1:]
	}
}

// share returns how many bytes each log may have.
func (l *Logs) share() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return min(l.limit, max(logsTotal/max(len(l.tails), 1), leastLogBytes))
}

// Tail is the last lines of a worker's log.
type Tail struct {
	logs *Logs

	mu      sync.Mutex
	lines   []cluster.LogLine
	bytes   int
	next    int64
	changed chan struct{} // closed when there is a new line
}

// add appends a line.
func (t *Tail) add(token int64, source cluster.LogSource, text string) {
	share := t.logs.share()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, cluster.LogLine{Number: t.next, At: time.Now().UTC(), Token: token, Source: source, Text: text})
	t.next++
	t.bytes += len(text) + lineCost
	drop := 0
	for t.bytes > share && drop < len(t.lines)-1 {
		t.bytes -= len(t.lines[drop].Text) + lineCost
		drop++
	}
	if drop > 0 {
		clear(t.lines[:drop])
		t.lines = t.lines[drop:]
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// Last returns the last lines, at most n.
func (t *Tail) Last(n int) []cluster.LogLine {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]cluster.LogLine(nil), t.lines[max(0, len(t.lines)-n):]...)
}

// Since waits until there are lines from number n on, and returns them. Lines that were dropped meanwhile
// are missing. It returns none when ctx ends.
func (t *Tail) Since(ctx context.Context, n int64) []cluster.LogLine {
	for {
		t.mu.Lock()
		changed := t.changed
		if n < t.next {
			first := t.next - int64(len(t.lines))
			lines := append([]cluster.LogLine(nil), t.lines[max(0, n-first):]...)
			t.mu.Unlock()
			return lines
		}
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// logger returns a logger that writes to the node's log and to the worker's, own.
func logger(node, own *slog.Logger) *slog.Logger {
	return slog.New(slog.NewMultiHandler(node.Handler(), own.Handler()))
}

// own returns a logger that writes to the worker's log alone.
func (t *Tail) own(token int64) *slog.Logger {
	return slog.New(slog.NewTextHandler(lineWriter(func(text string) { t.add(token, cluster.FromLogger, text) }), &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{} // the line has its own
			}
			return a
		},
	}))
}

// lineWriter receives one line with each write.
type lineWriter func(text string)

func (w lineWriter) Write(p []byte) (int, error) {
	w(strings.ToValidUTF8(strings.TrimSuffix(string(p), "\n"), "�"))
	return len(p), nil
}

// output receives the output of a program and cuts it into lines. Output that comes too fast is dropped.
type output struct {
	tail   *Tail
	node   *slog.Logger // receives every line as well
	token  int64
	source cluster.LogSource

	mu      sync.Mutex
	rest    []byte  // of a line that has not ended
	budget  float64 // bytes that may be written now
	filled  time.Time
	dropped int // lines
}

func (t *Tail) output(node *slog.Logger, token int64, source cluster.LogSource) *output {
	return &output{tail: t, node: node, token: token, source: source, budget: outputBurst, filled: time.Now()}
}

// Write takes everything, and never fails or blocks.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.budget = min(outputBurst, o.budget+outputRate*now.Sub(o.filled).Seconds())
	o.filled = now
	for part := range bytes.Lines(p) {
		for len(part) > 0 {
			n := min(len(part), maxLine-len(o.rest))
			o.rest = append(o.rest, part[:n]...)
			part = part[n:]
			if len(o.rest) == maxLine || bytes.HasSuffix(o.rest, []byte("\n")) {
				o.flush()
			}
		}
	}
	return len(p), nil
}

// flush ends a line.
func (o *output) flush() {
	text := strings.ToValidUTF8(strings.TrimRight(string(o.rest), "\r\n"), "�")
	o.rest = o.rest[:0]
	if o.budget < float64(len(text)) {
		o.dropped++
		return
	}
	if o.dropped > 0 {
		o.writeLine(fmt.Sprintf("… %s dropped: more than %d KB a second", plural.Of(o.dropped, "line"), outputRate>>10))
		o.dropped = 0
	}
	o.budget -= float64(len(text) + lineCost)
	o.writeLine(text)
}

func (o *output) writeLine(text string) {
	o.tail.add(o.token, o.source, text)
	o.node.Info("output", "source", o.source, "text", text)
}

// end writes the rest after the last Write.
func (o *output) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.rest) > 0 {
		o.flush()
	}
	if o.dropped > 0 {
		o.writeLine(fmt.Sprintf("… %s dropped: more than %d KB a second", plural.Of(o.dropped, "line"), outputRate>>10))
		o.dropped = 0
	}
}
