package config

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What could not be read is read again until it can be, although the file looks as before: its mode may have been wrong.
// Until then what was read last is in force. The log has one line for each reason, and one for the end.
func TestWhatCouldNotBeReadIsReadAgain(t *testing.T) {
	for name, first := range map[string]bool{"at the first look": true, "later": false} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				var failure error
				reads := 0
				w := &watched[string]{
					value: "checked", files: []string{file}, log: slog.New(slog.NewTextHandler(&logged, nil)), show: func(s string) string { return s },
					read: func() (string, error) {
						reads++
						return "read", failure
					},
				}
				look := func(want string, wantReads int, lines ...string) {
					t.Helper()
					logged.Reset()
					reads = 0
					for range 10 { // requests within a second
						if got := w.get(); got != want {
							t.Errorf("%q is in force; want %q", got, want)
						}
					}
					if reads != wantReads {
						t.Errorf("it was read %d times; want %d", reads, wantReads)
					}
					if text := logged.String(); strings.Count(text, "\n") != len(lines) {
						t.Errorf("the log says: %q; want %q", text, lines)
					}
					for _, line := range lines {
						if !strings.Contains(logged.String(), line) {
							t.Errorf("the log says: %q; want %q", logged.String(), line)
						}
					}
					time.Sleep(time.Second)
				}
				before := "checked"
				if !first {
					before = "read"
					look("read", 1)
					look("read", 0)
					if err := os.WriteFile(file, []byte("of another size"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				failure = errors.New("permission denied")
				look(before, 1, "permission denied")
				look(before, 1)
				look(before, 1)
				failure = errors.New("line 1 is wrong")
				look(before, 1, "line 1 is wrong")
				look(before, 1)
				failure = nil
				look("read", 1, "reloaded")
				look("read", 0)
				failure = errors.New("it is gone")
				if os.Remove(file) != nil {
					t.Fatal("the file cannot be removed")
				}
				look("read", 1, "it is gone")
				look("read", 1)
			})
		})
	}
}
