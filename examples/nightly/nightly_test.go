//go:build unix

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/examples/fleet"
)

// A report is asked for by hand, and is whole although a node is killed meanwhile.
func TestReport(t *testing.T) {
	bin, dir := fleet.Build(t, "."), fleet.Dir(t, "app.toml")
	f := fleet.Start(t, bin, dir)
	f.Await("the task is there", func(s cluster.State) bool { return len(s.Tasks) == 1 })
	f.Command("run-now", "nightly", "--params", `{"dir": "reports", "day": "2026-11-24"}`)
	f.Await("it is under way", func(s cluster.State) bool {
		for _, w := range s.Workers {
			if w.State == cluster.WorkerRunning {
				return true
			}
		}
		return false
	})
	f.Kill()
	f.Await("it is done", func(cluster.State) bool {
		runs := f.Runs("nightly")
		return len(runs) == 1 && runs[0].State == cluster.RunDone && runs[0].Done == 4
	})
	files, err := filepath.Glob(filepath.Join(dir, "reports", "2026-11-24-?-of-4.csv"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || bytes.Count(text, []byte("\n")) != lines {
			t.Errorf("%s: %d lines, %v", file, bytes.Count(text, []byte("\n")), err)
		}
	}
	if out := f.Command("status"); !strings.Contains(out, "nightly") {
		t.Error(out)
	}
}

func TestDay(t *testing.T) {
	for name, c := range map[string]struct{ run, day, want string }{
		"of a firing":               {"20261125T013000Z", "", "2026-11-24"},
		"of the first of a year":    {"20270101T013000Z", "", "2026-12-31"},
		"said":                      {"20261125T013000Z", "2026-01-02", "2026-01-02"},
		"said wrongly":              {"20261125T013000Z", "yesterday", ""},
		"not said, and no schedule": {"first", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := dayOf(c.run, c.day)
			if err == nil && got != c.want || err != nil && c.want != "" {
				t.Errorf("%q, %v; want %q", got, err, c.want)
			}
		})
	}
}
