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

// failure is what etcd says of its end. It keeps the last error that etcd logged, since that often says more than what is
// returned, and stands in for the panics and exits by which etcd ends the whole process when a disk fails it.
type failure struct {
	log   *slog.Logger
	fatal chan error // takes the first one

	mu   sync.Mutex
	last error
}

func newFailure(log *slog.Logger) *failure { return &failure{log: log, fatal: make(chan error, 1)} }

// logger returns the logger for etcd, which tells nobody else.
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

// OnWrite implements zapcore.CheckWriteHook: it is called where etcd cannot go on, by the goroutine that cannot. That one
// never returns, so that nothing is done with what it was about to change; it keeps its locks, so that the server cannot be
// closed any longer, and is gone with the process.
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
