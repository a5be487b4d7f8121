package asynclog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/asynclog"
)

// The output is the same as that of the wrapped handler alone.
func TestWritesTheSame(t *testing.T) {
	type point struct{ X, Y int }
	list := []string{"a", "<b>"}
	table := map[string]int{"k": 1}
	p := &point{1, 2}
	log := func(l *slog.Logger) {
		l.Info("plain", "n", 1, "d", time.Second, "err", errors.New("no"), "list", list, "table", table, "point", p, "value", point{3, 4}, "bytes", []byte("hi"), "nil", nil, "text", slog.LevelWarn)
		l.With("a", list).WithGroup("g").With("b", 2).Warn("nested", slog.Group("h", "list", list, slog.Group("i", "p", p)), "v", valuer{p})
		l.Debug("not wanted")
	}
	noTime := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	for name, make := range map[string]func(*bytes.Buffer) slog.Handler{
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, noTime) },
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, noTime) },
	} {
		var want, got bytes.Buffer
		log(slog.New(make(&want)))
		h := asynclog.Wrap(make(&got))
		log(slog.New(h))
		list[0], table["k"], p.X = "later", 2, 9 // the logged value stays the same
		if !h.Flush(10 * time.Second) {
			t.Fatal("not flushed")
		}
		list[0], table["k"], p.X = "a", 1, 1
		if got.String() != want.String() {
			t.Errorf("%s:\ngot  %s\nwant %s", name, &got, &want)
		}
	}
}

type valuer struct{ v any }

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }

func TestConforms(t *testing.T) {
	var b bytes.Buffer
	var h *asynclog.Handler
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		h = asynclog.Wrap(slog.NewJSONHandler(&b, nil))
		return h
	}, func(t *testing.T) map[string]any {
		h.Flush(10 * time.Second)
		return decode(t, b.Bytes())
	})
}

// blocking is a handler that blocks until it is released.
type blocking struct {
	slog.Handler
	free chan struct{}
}

func (b blocking) Handle(ctx context.Context, r slog.Record) error {
	<-b.free
	return b.Handler.Handle(ctx, r)
}

func TestAHandlerThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		free := make(chan struct{})
		log, h := asynclog.Logger(slog.New(blocking{slog.NewTextHandler(&b, nil), free}))
		const lines = 100
		text := strings.Repeat("x", 1<<20)
		for i := range lines {
			log.Info("line", "i", i, "text", text)
		}
		dropped := h.Dropped()
		if dropped < lines-10 || dropped >= lines {
			t.Fatalf("dropped %d of %d", dropped, lines)
		}
		if h.Flush(time.Second) {
			t.Error("flushed")
		}
		close(free)
		if !h.Flush(time.Second) {
			t.Error("not flushed")
		}
		log.Info("after")
		h.Flush(time.Second)
		written := b.String()
		for i := range lines - dropped {
			first, rest, _ := strings.Cut(b.String(), "msg=line i="+strconv.Itoa(i))
			if first == b.String() {
				t.Errorf("line %d is missing", i)
			}
			b.Reset()
			b.WriteString(rest)
		}
		if n := strings.Count(written, "log records dropped"); n != 1 || !strings.Contains(written, "dropped="+strconv.Itoa(dropped)) {
			t.Errorf("%d lines own up to %d dropped records", n, dropped)
		}
	})
}

func TestWrapsOnce(t *testing.T) {
	h := asynclog.Wrap(slog.DiscardHandler)
	if again := asynclog.Wrap(h.WithAttrs([]slog.Attr{slog.Int("a", 1)})); again == h || asynclog.Wrap(h) != h {
		t.Error("wrapped twice")
	} else if again.Dropped(); asynclog.Wrap(again) != again {
		t.Error("wrapped twice")
	}
}

// A handler that panics loses the record.
func TestAHandlerThatPanics(t *testing.T) {
	log, h := asynclog.Logger(slog.New(panicking{slog.DiscardHandler}))
	log.Info("one")
	if !h.Flush(10 * time.Second) {
		t.Error("not flushed")
	}
}

type panicking struct{ slog.Handler }

func (panicking) Enabled(context.Context, slog.Level) bool { return true }

func (panicking) Handle(context.Context, slog.Record) error { panic("no") }

func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(line, &m); err != nil {
		t.Fatal(err)
	}
	return m
}
