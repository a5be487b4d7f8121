// Package logging creates the logger of the program, with its format and level. It limits lines that repeat.
package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lmittmann/tint"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/app/internal/terminal"
	"gitee.com/ken.yang/xconsumer/internal/asynclog"
)

// New returns a logger that writes text to a terminal and JSON elsewhere, one event per line. XCONSUMER_LOG_FORMAT selects
// another format, and XCONSUMER_LOG_LEVEL the level, which may be changed while the logger is in use.
func New(w io.Writer, env func(string) string) (*slog.Logger, *slog.LevelVar, error) {
	level := &slog.LevelVar{}
	if text := env("XCONSUMER_LOG_LEVEL"); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, nil, fmt.Errorf("%w: XCONSUMER_LOG_LEVEL: invalid level %q (want debug, info, warn or error)", config.ErrConfig, text)
		}
	}
	format := env(FormatVariable)
	switch format {
	case formatJSON, FormatText, FormatColor:
	case "":
		format = formatJSON
		if terminal.IsTerminal(w) {
			format = TerminalFormat(env)
		}
	default:
		return nil, nil, fmt.Errorf(
			"%w: %s: invalid format %q (want %s, %s or %s)",
			config.ErrConfig,
			FormatVariable,
			format,
			formatJSON,
			FormatText,
			FormatColor,
		)
	}
	if format == formatJSON {
		return newAsync(dedup(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: readable}))), level, nil
	}
	return newAsync(dedup(tint.NewTextHandler(w, &tint.Options{
		Level:      level,
		TimeFormat: "15:04:05.000",
		NoColor:    format != FormatColor,
	}))), level, nil
}

// newAsync returns a logger that never blocks: standard error may be a pipe that is full.
func newAsync(h slog.Handler) *slog.Logger { return slog.New(asynclog.Wrap(h)) }

// How long a process that ends waits until its last lines are written.
const (
	lastWordsLimit = 5 * time.Second
	stuckLimit     = 100 * time.Millisecond // other nodes may soon be granted the workers that still run here
)

// LastWords waits until the log is written, for a bounded time. A process calls it before it ends.
func LastWords(log *slog.Logger, err error) { asynclog.Wrap(log.Handler()).Flush(lastWordsTime(err)) }

func lastWordsTime(err error) time.Duration {
	if errors.Is(err, xconsumer.ErrStuck) {
		return stuckLimit
	}
	return lastWordsLimit
}

// LastLine writes the reason why a process ends. It waits for the write, for a bounded time.
func LastLine(w io.Writer, err error) {
	text, written := fmt.Sprintln("xconsumer:", terminal.Printable(err.Error())), make(chan struct{})
	go func() {
		defer close(written)
		_, _ = io.WriteString(w, text)
	}()
	select {
	case <-written:
	case <-time.After(lastWordsTime(err)):
	}
}

// The formats of the log.
const (
	FormatVariable = "XCONSUMER_LOG_FORMAT"
	formatJSON     = "json"
	FormatText     = "text"
	FormatColor    = "color"
)

// TerminalFormat is the format for a terminal.
func TerminalFormat(env func(string) string) string {
	if env("NO_COLOR") != "" || env("TERM") == "dumb" {
		return FormatText
	}
	return FormatColor
}

// OutliveReaders keeps the process running when the reader of its output has gone, because the work matters more than the
// log. Programs that the process starts keep the default action; they would inherit an ignored signal.
func OutliveReaders() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }

// readable formats durations as in "20s" instead of nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
