package config

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// watched is a value that is read from files, and again when they have changed, at most once a second. It begins with the
// value that was read when the configuration was checked. If the files cannot be read, the last value stays in force, and
// each get reads them again until that succeeds, because removing the cause need not change the files.
type watched[T any] struct {
	files []string
	read  func() (T, error)
	show  func(T) string // describes a value for the log
	log   *slog.Logger

	mu      sync.Mutex
	looked  time.Time
	stamp   string // the times and sizes of the files when they were read, "" for never
	failing string // why the files cannot be read, "" if they can
	value   T
}

func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Sub(w.looked) < time.Second {
		return w.value
	}
	w.looked = now
	var seen strings.Builder
	seen.WriteString("seen")
	for _, file := range w.files {
		if info, err := os.Stat(file); err == nil {
			fmt.Fprintf(&seen, " %s %d", info.ModTime(), info.Size())
		}
	}
	stamp := seen.String()
	if stamp == w.stamp && w.failing == "" {
		return w.value
	}
	value, err := w.read()
	if err != nil {
		if why := err.Error(); why != w.failing {
			w.failing = why
			w.log.Error("reload failed, keeping the previous version", "files", w.files, "inForce", w.show(w.value), "error", err)
		}
		return w.value
	}
	if w.stamp != "" || w.failing != "" {
		w.log.Info("reloaded", "files", w.files, "inForce", w.show(value))
	}
	w.stamp, w.failing, w.value = stamp, "", value
	return value
}
