package app_test

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Packages bring a page for each command in two languages, and completions for three shells.
func TestManual(t *testing.T) {
	dir := t.TempDir()
	if code, _, errs := run(t, nil, nil, "manual", dir); code != 0 {
		t.Fatal(code, errs)
	}
	for name, want := range map[string]string{
		"man/man1/xconsumer.1.gz": "worker", "man/man1/xconsumer-drain.1.gz": "deadline", "man/man1/xconsumer-config-check.1.gz": "mistake",
		"man/man1/xconsumer-token.1.gz": "\n.nh\n.ad l\n.SH NAME",
		"man/zh_CN/man1/xconsumer.1.gz": "让每个任务", "man/zh_CN/man1/xconsumer-drain.1.gz": "\n.nh\n.ad l\n.SH 名称\n", "man/zh_CN/man1/xconsumer-leader-step-down.1.gz": "退位",
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
