package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A task without a number of workers is allowed, and remarked upon.
func TestCheckRemarksOnTasksWithoutWorkers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.toml")
	if err := os.WriteFile(file, []byte("[[task]]\nname = \"a\"\nworkName = \"w\"\n[[task]]\nname = \"b\"\nworkName = \"w\"\nworkerNum = 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	code := Run(t.Context(), []string{"config", "check", "--config", file}, nil, Streams{Out: &out, Err: &errs, Getenv: func(string) string { return "" }})
	if want := file + ":1: task \"a\" has no workerNum, which means 0 workers; add workerNum = 1, or workerNum = 0 if that is intended\n"; code != 0 || strings.Count(errs.String(), "workerNum, which") != 1 || !strings.HasSuffix(errs.String(), want) {
		t.Errorf("%d, %q, %q", code, out.String(), errs.String())
	}
}
