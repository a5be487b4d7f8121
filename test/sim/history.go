package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// history is what happened, as lines. Those of one instant are sorted: their order says nothing.
type history struct {
	start time.Time
	mu    sync.Mutex
	lines []line
}

type line struct {
	at   time.Duration
	text string
}

func (h *history) now() time.Duration { return time.Since(h.start) }

func (h *history) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, line{h.now(), fmt.Sprintf(format, args...)})
}

// String returns all of it.
func (h *history) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	slices.SortStableFunc(h.lines, func(a, b line) int {
		if a.at != b.at {
			return int(min(max(a.at-b.at, -1), 1))
		}
		return strings.Compare(a.text, b.text)
	})
	var b strings.Builder
	for _, l := range h.lines {
		fmt.Fprintf(&b, "%14.9f  %s\n", l.at.Seconds(), l.text)
	}
	return b.String()
}

// tally is what a history comes to.
type tally struct {
	mu     sync.Mutex
	faults map[string]int
	wrong  []string
}

func (t *tally) fail(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, fmt.Sprintf(format, args...))
}

func (t *tally) count(fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[fault]++
}
