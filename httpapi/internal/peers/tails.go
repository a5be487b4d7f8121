package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// How much of a log of another node is kept while clients follow it here.
const (
	TailLines = 500
	tailBytes = 128 << 10
)

// Tails are the logs of other nodes' workers that clients follow here. Each log is requested once from the other node, for all
// its readers.
type Tails struct {
	mu   sync.Mutex
	open map[TailKey]*Tail
}

// TailKey is one worker on one member.
type TailKey struct {
	Slot                  cluster.Slot
	Member, Node, Address string
}

// Tail is the end of a log of another node.
type Tail struct {
	readers int // under the mutex of the tails
	cancel  context.CancelFunc

	mu      sync.Mutex
	lines   []cluster.LogLine
	bytes   int
	newest  int64 // the greatest line number seen in any answer, -1 for none; lines may not have it yet
	ended   bool
	changed chan struct{} // closed at the next line, and at the end
}

// Join returns the tail of a log, and a function to call when the reader leaves. The first reader opens it: open returns the
// last lines and the new ones, until its context ends. A tail that has ended is not joined, but opened again.
func (t *Tails) Join(ctx context.Context, key TailKey, open func(context.Context) (io.ReadCloser, error)) (tail *Tail, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tail = t.open[key]
	if tail == nil || tail.over() {
		tail = &Tail{newest: -1, changed: make(chan struct{})}
		ctx, tail.cancel = context.WithCancel(context.WithoutCancel(ctx)) // other readers may stay longer than this one
		if t.open == nil {
			t.open = map[TailKey]*Tail{}
		}
		t.open[key] = tail
		go func() {
			tail.fill(ctx, open)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.drop(key, tail)
		}()
	}
	tail.readers++
	return tail, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		tail.readers--
		if tail.readers == 0 {
			tail.cancel()
			t.drop(key, tail)
		}
	}
}

// drop removes a tail, so that the next reader opens the log again. The caller holds the lock of the tails, so that no reader
// joins a tail that is about to end.
func (t *Tails) drop(key TailKey, tail *Tail) {
	if t.open[key] == tail {
		delete(t.open, key)
	}
}

// fill reads the log until it ends.
func (t *Tail) fill(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) {
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ended = true
		close(t.changed)
		t.changed = make(chan struct{})
	}()
	body, err := open(ctx)
	if err != nil {
		return
	}
	defer func() { _ = body.Close() }()
	for lines := json.NewDecoder(body); ; {
		var line cluster.LogLine
		if lines.Decode(&line) != nil {
			return
		}
		t.add(line)
	}
}

func (t *Tail) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

func (t *Tail) add(line cluster.LogLine) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, line)
	t.bytes += len(line.Text)
	for len(t.lines) > TailLines || t.bytes > tailBytes && len(t.lines) > 1 {
		t.bytes -= len(t.lines[0].Text)
		t.lines = t.lines[1:]
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// last returns the last n lines, and false if the tail may not have them.
func (t *Tail) last(n int) ([]cluster.LogLine, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.newest < 0 || len(t.lines) < max(n, 1) || t.lines[len(t.lines)-1].Number < t.newest {
		return nil, false
	}
	return slices.Clone(t.lines[len(t.lines)-n:]), true
}

// saw records that a line with a number exists.
func (t *Tail) saw(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.newest = max(t.newest, n)
}

// since waits until there are lines from number n on, and returns them. Lines that were dropped meanwhile are missing.
// It returns none when the log or ctx ends.
func (t *Tail) since(ctx context.Context, n int64) []cluster.LogLine {
	for {
		t.mu.Lock()
		at, _ := slices.BinarySearchFunc(t.lines, n, func(l cluster.LogLine, n int64) int { return int(min(max(l.Number-n, -1), 1)) })
		lines, ended, changed := slices.Clone(t.lines[at:]), t.ended, t.changed
		t.mu.Unlock()
		if len(lines) > 0 || ended {
			return lines
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// RemoteLog is the log of a worker of another node.
type RemoteLog struct {
	Tail *Tail
	Ask  func(ctx context.Context, lines int, follow bool) (io.ReadCloser, error)
}

// Last returns the most recent lines, n at most.
func (l RemoteLog) Last(ctx context.Context, n int) ([]cluster.LogLine, error) {
	if lines, ok := l.Tail.last(n); ok {
		return lines, nil
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	body, err := l.Ask(ctx, n, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	var lines []cluster.LogLine
	for in := json.NewDecoder(body); ; {
		var line cluster.LogLine
		switch err := in.Decode(&line); {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		l.Tail.saw(line.Number)
		lines = append(lines, line)
	}
}

// Since waits until there are lines from a number on, and returns them; none when the log or ctx ends.
func (l RemoteLog) Since(ctx context.Context, first int64) ([]cluster.LogLine, error) {
	return l.Tail.since(ctx, first), nil
}
