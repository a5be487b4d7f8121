package logging

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// How often a line may repeat in a window, and for how many different lines that is counted.
const (
	linesAtOnce = 10
	window      = time.Minute
	maxKinds    = 2000
)

// deduplicator lets a line through linesAtOnce times per window. The first line of a later window states how many were held
// back. Lines are the same if they have the same level, message and slot. Debug lines are never held back.
type deduplicator struct {
	slog.Handler
	seen *seen
	slot string // of the handler's own attributes
}

type seen struct {
	mu    sync.Mutex
	lines map[line]*count
}

type line struct {
	level slog.Level
	text  string
	slot  string
}

type count struct {
	since time.Time
	n     int
}

func dedup(h slog.Handler) slog.Handler {
	return &deduplicator{Handler: h, seen: &seen{lines: map[line]*count{}}}
}

// Handle passes a line on, or holds it back.
func (h *deduplicator) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return h.Handler.Handle(ctx, r)
	}
	key := line{r.Level, r.Message, h.slot}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "slot" {
			key.slot = a.Value.String()
		}
		return true
	})
	pass, held := h.seen.pass(key, r.Time)
	if !pass {
		return nil
	}
	if held > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("heldBack", held))
	}
	return h.Handler.Handle(ctx, r)
}

// pass reports whether a line may be written, and how many equal lines were held back before it.
func (s *seen) pass(key line, now time.Time) (ok bool, held int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.lines[key]
	switch {
	case c == nil:
		if len(s.lines) >= maxKinds { // beyond the limit, lines are written rather than lost
			for k, old := range s.lines {
				if now.Sub(old.since) > window {
					delete(s.lines, k)
				}
			}
			if len(s.lines) >= maxKinds {
				return true, 0
			}
		}
		s.lines[key] = &count{now, 1}
		return true, 0
	case now.Sub(c.since) > window:
		held = max(c.n-linesAtOnce, 0)
		*c = count{now, 1}
		return true, held
	}
	c.n++
	return c.n <= linesAtOnce, 0
}

// WithAttrs shares the counts with the handler.
func (h *deduplicator) WithAttrs(attrs []slog.Attr) slog.Handler {
	slot := h.slot
	if i := slices.IndexFunc(attrs, func(a slog.Attr) bool { return a.Key == "slot" }); i >= 0 {
		slot = attrs[i].Value.String()
	}
	return &deduplicator{h.Handler.WithAttrs(attrs), h.seen, slot}
}

// WithGroup shares the counts with the handler.
func (h *deduplicator) WithGroup(name string) slog.Handler {
	return &deduplicator{h.Handler.WithGroup(name), h.seen, h.slot}
}
