package etcdserver

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// failure records why etcd failed. It keeps the last error that etcd logged, which is often more precise than the returned
// one. It also takes the place of the panics and exits with which etcd ends the whole process when a disk fails.
type failure struct {
	log   *slog.Logger
	fatal chan error // takes the first one

	mu   sync.Mutex
	last error
}

func newFailure(log *slog.Logger) *failure { return &failure{log: log, fatal: make(chan error, 1)} }

// logger returns the logger for etcd. Its lines go nowhere else.
func (f *failure) logger() *zap.Logger {
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg", ConsoleSeparator: " "})
	return zap.New(zapcore.NewCore(encoder, zapcore.AddSync(f), zapcore.ErrorLevel), zap.WithPanicHook(f), zap.WithFatalHook(f))
}

// Write implements io.Writer; each call is one line of the log.
func (f *failure) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	f.mu.Lock()
	f.last = errors.New(text)
	f.mu.Unlock()
	if f.log != nil {
		f.log.Debug("embedded etcd", "text", text)
	}
	return len(line), nil
}

// OnWrite implements zapcore.CheckWriteHook: a goroutine of etcd calls it when it cannot go on. The call never returns, so
// that the goroutine does not go on with inconsistent data. The goroutine keeps its locks until the process ends, so the
// server can no longer be closed.
func (f *failure) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := errors.New(entry.Message)
	for _, field := range fields {
		if cause, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			err = fmt.Errorf("%s: %w", entry.Message, cause)
		}
	}
	select {
	case f.fatal <- err:
	default:
	}
	select {}
}

func (f *failure) get() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}
