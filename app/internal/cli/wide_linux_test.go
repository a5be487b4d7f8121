package cli

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
	"gitee.com/ken.yang/xconsumer/test/pty"
)

// planNode is a node whose plans move a worker with a long name.
type planNode struct{ *apinode.Node }

const (
	longName = "a-name-that-is-longer-than-half-of-a-terminal-line"
	theEnd   = "the end of an error"
)

func (planNode) Plan(context.Context, cluster.Operations) (cluster.Plan, error) {
	slot := cluster.Slot{Task: longName}
	return cluster.Plan{Moves: []cluster.PlannedMove{{Slot: slot, From: "n1", To: "n2", Reason: "n1 is draining"}}}, nil
}

// A long name is cut on a terminal, but not with --wide, and not in a pipe.
func TestWide(t *testing.T) {
	node := planNode{apinode.New(cluster.State{
		Cluster: "c", Nodes: []cluster.NodeInfo{{Name: longName, Member: "m1", State: cluster.NodeUp}},
		Tasks:   []cluster.TaskInfo{{Name: longName, WorkName: "w"}},
		Workers: []cluster.WorkerInfo{{Task: "t", Node: longName, Member: "m1", WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerBackoff, Error: strings.Repeat("it fails; ", 10) + "\n" + theEnd}}},
	})}
	url := apinode.Serve(t, node, httpapi.Options{}).URL
	for _, args := range [][]string{
		{"status"}, {"nodes"}, {"workers"}, {"plan", "--scale", longName + "=2"}, {"scale", longName, "2", "--dry-run"}, {"drain", "n1", "--dry-run"}, {"apply", "--dry-run"},
	} {
		t.Run(args[0], func(t *testing.T) {
			m := pty.Open(t)
			for line := range strings.SplitSeq(m.Shown(func() { runOn(t, url, m.File, args...) }), "\n") {
				if strings.Contains(line, longName) {
					t.Errorf("not cut: %q", line)
				}
			}
			m, wide := pty.Open(t), slices.Concat(args, []string{"--wide"})
			if got := m.Shown(func() { runOn(t, url, m.File, wide...) }); !strings.Contains(got, longName) {
				t.Errorf("cut with --wide: %q", got)
			}
			var pipe bytes.Buffer
			runOn(t, url, &pipe, args...)
			if !strings.Contains(pipe.String(), longName) || strings.Contains(pipe.String(), "LAST ERROR") != strings.Contains(pipe.String(), theEnd) {
				t.Errorf("cut in a pipe: %q", pipe.String())
			}
		})
	}
}

// A command that panics while it watches restores the terminal's normal screen.
func TestWatchRestoresTerminalOnPanic(t *testing.T) {
	node := apinode.New(cluster.State{})
	url := apinode.Serve(t, node, httpapi.Options{}).URL
	m := pty.Open(t)
	got := m.Shown(func() {
		env := &environment{Streams: Streams{Out: m.File, Err: io.Discard, Getenv: func(string) string { return "" }}}
		q := env.query(&cobra.Command{})
		q.watch, q.flags.URL = true, url
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		answered := false
		_ = q.run(t.Context(), func(_ context.Context, _ *client.Client, out io.Writer) error {
			if answered {
				panic("a mistake")
			}
			answered = true
			node.Set(cluster.State{Cluster: "changed"})
			_, err := io.WriteString(out, "an answer\n")
			return err
		})
	})
	if !strings.HasSuffix(got, "\x1b[?1049lan answer\n") {
		t.Errorf("%q is written", got)
	}
}

// Every command that prints a table has --wide, and no other command has it.
func TestWideCommands(t *testing.T) {
	lines := []string{"diff", "logs", "stack", "report", "healthcheck"} // write no tables
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if has, want := c.Flags().Lookup("wide") != nil, !slices.Contains(lines, c.Name()); has != want {
			t.Errorf("%s has --wide: %v; want %v", c.Name(), has, want)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	for _, c := range nodeCommands(Streams{Out: io.Discard, Err: io.Discard, Getenv: func(string) string { return "" }}, nil) {
		walk(c)
	}
}
