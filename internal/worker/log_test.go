package worker

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"

	"github.com/google/go-cmp/cmp"
)

var quiet = slog.New(slog.DiscardHandler)

func texts(lines []cluster.LogLine) (list []string) {
	for _, l := range lines {
		list = append(list, string(l.Source)+": "+l.Text)
	}
	return list
}

func TestOutputIsCutIntoLines(t *testing.T) {
	tail := NewLogs(0).open(cluster.Slot{Task: "t"})
	out, err := tail.output(quiet, 7, cluster.FromStdout), tail.output(quiet, 7, cluster.FromStderr)
	for _, part := range []string{"one\ntw", "o\r\n\n", "\xff\xfe\n", strings.Repeat("x", maxLine+3) + "\n", "no end"} {
		if n, e := out.Write([]byte(part)); n != len(part) || e != nil {
			t.Fatal(n, e)
		}
	}
	_, _ = err.Write([]byte("oh\n"))
	logger(quiet, tail.own(7)).Info("hello", "k", "v")
	out.end()
	want := []string{"stdout: one", "stdout: two", "stdout: ", "stdout: �", "stdout: " + strings.Repeat("x", maxLine), "stdout: xxx",
		"stderr: oh", `log: level=INFO msg=hello k=v`, "stdout: no end"}
	if diff := cmp.Diff(want, texts(tail.Last(100))); diff != "" {
		t.Error(diff)
	}
	if got := texts(tail.Last(1)); len(got) != 1 || got[0] != "stdout: no end" {
		t.Errorf("the last line is %q", got)
	}
}

// For any amount of output and any number of workers, memory is bounded; the last lines remain.
func TestLogsAreBounded(t *testing.T) {
	logs := NewLogs(10_000)
	tail := logs.open(cluster.Slot{Task: "t"})
	for i := range 10_000 {
		tail.add(1, cluster.FromLogger, strings.Repeat("x", i%100))
	}
	lines := tail.Last(1 << 30)
	if size := tail.bytes; size > 10_000 || len(lines) < 50 || lines[len(lines)-1].Number != 9999 {
		t.Errorf("%d bytes in %d lines up to number %d", size, len(lines), lines[len(lines)-1].Number)
	}
	for i := range 2*keptLogs + 2 {
		slot := cluster.Slot{Task: "gone", Index: i}
		logs.open(slot)
		logs.close(slot)
	}
	if n := len(logs.tails); n > keptLogs+1 {
		t.Errorf("%d logs are kept", n)
	}
	back := cluster.Slot{Task: "gone", Index: 2*keptLogs + 1}
	logs.open(back)
	for i := range keptLogs {
		slot := cluster.Slot{Task: "others", Index: i}
		logs.open(slot)
		logs.close(slot)
	}
	if logs.Of(back) == nil {
		t.Error("the log of a worker that has come back was dropped")
	}
}

// Output that comes too fast is dropped, and the drop is reported.
func TestOutputIsLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tail := NewLogs(64 << 20).open(cluster.Slot{Task: "t"})
		out := tail.output(quiet, 1, cluster.FromStdout)
		line := []byte(strings.Repeat("x", 999) + "\n")
		for range 1000 {
			_, _ = out.Write(line)
		}
		if n := len(tail.Last(10_000)); n < 200 || n > 300 {
			t.Errorf("%d lines of 1 KB were kept of a burst", n)
		}
		time.Sleep(time.Second)
		_, _ = out.Write(line)
		got := tail.Last(2)
		if !strings.Contains(got[0].Text, "lines dropped") || len(got[1].Text) != 999 {
			t.Errorf("after a pause: %q", texts(got))
		}
	})
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tail := NewLogs(0).open(cluster.Slot{Task: "t"})
		tail.add(1, cluster.FromLogger, "a")
		if got := tail.Since(t.Context(), 0); len(got) != 1 {
			t.Fatalf("%q", texts(got))
		}
		go func() {
			time.Sleep(time.Minute)
			tail.add(1, cluster.FromLogger, "b")
		}()
		if got := tail.Since(t.Context(), 1); len(got) != 1 || got[0].Text != "b" {
			t.Fatalf("%q", texts(got))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if got := tail.Since(ctx, 2); got != nil {
			t.Fatalf("%q", texts(got))
		}
	})
}
