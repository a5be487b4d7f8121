// Package asynclog keeps a caller that logs from waiting for the handler that writes the log.
//
// A log may block for ever: a pipe without a reader, a journal that hangs, a handler that sends its records over a
// network that is down. A node must not wait for that. So a separate goroutine passes the records to the handler, and
// when too many wait, further ones are dropped and counted.
package asynclog

import (
	"context"
	"log/slog"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/outbox"
)

// limit is how many bytes of records may wait. recordCost is the cost of a record in addition to its texts, in bytes.
const (
	limit      = 8 << 20
	recordCost = 256
)

// Handler is a slog.Handler whose Handle never waits. Enabled, WithAttrs and WithGroup are those of the handler that
// it wraps, and run on the caller's goroutine.
//
// A record is captured as it is at that moment: before Handle returns, values are resolved, and values that could
// change later are rendered.
type Handler struct {
	*sink
	next slog.Handler
}

// sink is the common part of all handlers that derive from one.
type sink struct {
	root  slog.Handler
	queue *outbox.Outbox[entry]
	owned int // how many dropped records the log has reported; used by the delivering goroutine only
}

type entry struct {
	handler slog.Handler
	ctx     context.Context
	record  slog.Record
}

// Wrap returns a handler that never waits for h. One that is such a handler already is returned as it is.
func Wrap(h slog.Handler) *Handler {
	if done, ok := h.(*Handler); ok {
		return done
	}
	s := &sink{root: h}
	s.queue = outbox.New(limit, s.write)
	return &Handler{s, h}
}

// Logger returns a logger that never waits for the handler of l, and that handler.
func Logger(l *slog.Logger) (*slog.Logger, *Handler) {
	h := Wrap(l.Handler())
	return slog.New(h), h
}

// Enabled reports whether the wrapped handler takes records of a level.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle takes a record, or drops it. It returns nil.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	own, cost := slog.NewRecord(r.Time, r.Level, r.Message, r.PC), recordCost+len(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		a = freeze(a)
		cost += len(a.Key) + weigh(a.Value)
		own.AddAttrs(a)
		return true
	})
	h.queue.Put(entry{h.next, context.WithoutCancel(ctx), own}, cost)
	return nil
}

// WithAttrs returns a handler that adds attributes.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	own := make([]slog.Attr, 0, len(attrs))
	for _, a := range attrs {
		own = append(own, freeze(a))
	}
	return &Handler{h.sink, h.next.WithAttrs(own)}
}

// WithGroup returns a handler that puts later attributes into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &Handler{h.sink, h.next.WithGroup(name)}
}

// Dropped returns how many records were dropped so far.
func (s *sink) Dropped() int { return s.queue.Dropped() }

// Flush waits until all earlier records are written, for the given time at most. It reports whether they are.
func (s *sink) Flush(limit time.Duration) bool { return s.queue.Flush(limit) }

// write passes a record on. Once the log flows again, it reports how many records were dropped.
func (s *sink) write(e entry) {
	if s.queue.Full() < 0.5 {
		if dropped := s.queue.Dropped(); dropped > s.owned {
			r := slog.NewRecord(time.Now(), slog.LevelWarn, "log records dropped: the reader of this log was too slow", 0)
			r.AddAttrs(slog.Int("dropped", dropped-s.owned))
			s.owned = dropped
			pass(context.Background(), s.root, r)
		}
	}
	pass(e.ctx, e.handler, e.record)
}

// pass passes a record to a handler. A handler that panics loses the record, and does not end the process.
func pass(ctx context.Context, h slog.Handler, r slog.Record) {
	defer func() { _ = recover() }()
	_ = h.Handle(ctx, r)
}
