package app_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Packages bring a page for each command, and completions for three shells.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if code, _, errs := run(t, nil, nil, "manual", dir); code != 0 {
		t.Fatal(code, errs)
	}
	for name, want := range map[string]string{
		"man/xconsumer.1.gz": "worker", "man/xconsumer-drain.1.gz": "deadline", "man/xconsumer-config-check.1.gz": "mistake",
		"completions/xconsumer.bash": "__start_xconsumer", "completions/_xconsumer": "#compdef xconsumer", "completions/xconsumer.fish": "complete",
	} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		var r io.Reader = f
		if strings.HasSuffix(name, ".gz") {
			r, err = gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(r)
		_ = f.Close()
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not speak of %q (%v)", name, want, err)
		}
	}
}
