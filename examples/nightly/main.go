// Command nightly writes a report every night, in shards.
//
// # The model
//
// Every firing of the schedule is a run of its own, named after its instant, and every run has a worker for
// each shard. A worker that returns nil is done, for good: whichever node crashes or leads then, it is not executed
// again. One whose node crashes before is executed again elsewhere, so a shard is written to a file of
// another name first, and renamed when it is whole.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gitee.com/ken.yang/xconsumer"
	"gitee.com/ken.yang/xconsumer/app"
)

const lines = 20 // of a shard

func main() {
	app.Main(func(node *xconsumer.Node) { node.Handle("report", report) })
}

// params are those of the task, or of a run that was asked for by hand.
type params struct {
	Dir string `json:"dir"`
	Day string `json:"day"` // "2026-11-24"; yesterday if it is left out
}

func report(ctx context.Context, w *xconsumer.Worker) error {
	p := params{Dir: "reports"}
	if err := w.Params(&p); err != nil {
		return err
	}
	day, err := dayOf(w.Run(), p.Day)
	if err != nil {
		return err
	}
	name := filepath.Join(p.Dir, fmt.Sprintf("%s-%d-of-%d.csv", day, w.Index()+1, w.Count()))
	w.Logger().Info("report begins", "run", w.Run(), "file", name)
	if err := write(ctx, name, day, w.Index()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// dayOf returns the day that a run is about. It comes from the run and not from a clock: a run that is
// late, or executed again, is about the same day.
func dayOf(run, day string) (string, error) {
	if day != "" {
		_, err := time.Parse(time.DateOnly, day)
		return day, err
	}
	at, err := time.Parse("20060102T150405Z", run)
	if err != nil {
		return "", fmt.Errorf("run %q was not started by a schedule: say which day", run)
	}
	return at.AddDate(0, 0, -1).Format(time.DateOnly), nil
}

// write writes a shard, which takes a second or two.
func write(ctx context.Context, name, day string, shard int) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".shard-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // a crash leaves it
	for line := range lines {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(75 * time.Millisecond):
		}
		if _, err := fmt.Fprintf(f, "%s,%d,%d\n", day, shard, line); err != nil {
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
