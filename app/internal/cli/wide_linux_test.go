package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/httpapi"
	"gitee.com/ken.yang/xconsumer/test/apinode"
)

// openTerminal is a person's screen of 40 columns.
type pseudoTerminal struct {
	*os.File
	screen *os.File
}

func newTerminal(t *testing.T) pseudoTerminal {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no terminal can be opened here: %v; CI requires this test", err)
	}
	t.Cleanup(func() { _ = screen.Close() })
	n, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(screen.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := unix.IoctlSetWinsize(int(f.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 20, Col: 40}); err != nil {
		t.Fatal(err)
	}
	return pseudoTerminal{f, screen}
}

// shown returns what a command writes to it, which ends the terminal.
func (m pseudoTerminal) shown(t *testing.T, command func()) string {
	t.Helper()
	read := make(chan string)
	go func() {
		text, _ := io.ReadAll(m.screen) // an error is how it ends
		read <- string(text)
	}()
	command()
	_ = m.Close()
	return strings.ReplaceAll(<-read, "\r\n", "\n")
}

// planNode is a node whose plans move a worker of a long name.
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
			m := newTerminal(t)
			for line := range strings.SplitSeq(m.shown(t, func() { runOn(t, url, m.File, args...) }), "\n") {
				if strings.Contains(line, longName) {
					t.Errorf("not cut: %q", line)
				}
			}
			m, wide := newTerminal(t), slices.Concat(args, []string{"--wide"})
			if got := m.shown(t, func() { runOn(t, url, m.File, wide...) }); !strings.Contains(got, longName) {
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

// Every command has --wide that prints a table, and no other.
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
