package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"unicode"

	"github.com/lmittmann/tint"
)

// newLogger logs to people on a terminal, else in JSON, one event a line.
func newLogger(streams Streams) (*slog.Logger, error) {
	level := slog.LevelInfo
	if text := streams.Env("XCONSUMER_LOG_LEVEL"); text != "" {
		if err := level.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("%w: XCONSUMER_LOG_LEVEL: %q is none of debug, info, warn, error", errConfig, text)
		}
	}
	if !isTerminal(streams.Err) {
		return slog.New(slog.NewJSONHandler(streams.Err, &slog.HandlerOptions{Level: level, ReplaceAttr: readable})), nil
	}
	return slog.New(tint.NewTextHandler(streams.Err, &tint.Options{
		Level:      level,
		TimeFormat: "15:04:05.000",
		NoColor:    streams.Env("NO_COLOR") != "" || streams.Env("TERM") == "dumb",
	})), nil
}

// readable writes durations as in "20s" instead of nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}

// printable replaces what could take over a terminal; line breaks and tabs stay.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '\uFFFD'
		}
		return r
	}, text)
}
