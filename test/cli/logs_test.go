package cli_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/client"
	"gitee.com/ken.yang/xconsumer/test/fleet"
)

// following is `xconsumer logs -f` as people run it.
type following struct {
	t     *testing.T
	lines chan string
	seen  []string
}

func follow(t *testing.T, bin, server string, args ...string) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, append([]string{"logs", "-f", "--server", server}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &following{t: t, lines: make(chan string, 10_000)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(f.lines)
		scan(out, f.lines)
	}()
	t.Cleanup(func() {
		cancel()
		<-read
		_ = cmd.Wait() // it was killed
	})
	return f
}

// want waits for a matching line and returns it.
func (f *following) want(pattern string) string {
	f.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case line, ok := <-f.lines:
			if !ok {
				f.t.Fatalf("it has ended; no %q in\n%s", pattern, strings.Join(f.seen, "\n"))
			}
			f.seen = append(f.seen, line)
			if regexp.MustCompile(pattern).MatchString(line) {
				return line
			}
		case <-late:
			f.t.Fatalf("no %q in\n%s", pattern, strings.Join(f.seen, "\n"))
		}
	}
}

// ends waits for the end of all lines.
func (f *following) ends() {
	f.t.Helper()
	for late := time.After(time.Minute); ; {
		select {
		case line, ok := <-f.lines:
			if !ok {
				return
			}
			f.seen = append(f.seen, line)
		case <-late:
			f.t.Fatalf("it does not end after\n%s", strings.Join(f.seen, "\n"))
		}
	}
}

// count returns how many lines that were seen match.
func (f *following) count(pattern string) (n int) {
	for _, line := range f.seen {
		if regexp.MustCompile(pattern).MatchString(line) {
			n++
		}
	}
	return n
}

// three starts a cluster of three nodes with a configuration.
func three(t *testing.T, config string) (bin string, c *fleet.Dev) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "app.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c = fleet.StartDev(t, dir, 3)
	return c.Bin, c
}

// logs -f follows workers to other nodes and shows new workers, each line once.
func TestLogsFollow(t *testing.T) {
	// A line a tenth of a second, numbered, each with the token, so that a lost or repeated line is found.
	config := `[[work]]
name = "count"
command = ["sh", "-c", 'trap "echo stops $XCONSUMER_TOKEN; exit" TERM; echo begins $XCONSUMER_TOKEN; i=0; while :; do i=$((i+1)); echo line $XCONSUMER_TOKEN $i; sleep 0.1; done']
[[task]]
name = "count"
workName = "count"
workerNum = 1
resize = "live"
`
	bin, c := three(t, config)
	api, err := client.New(c.Server, client.Options{})
	if err := errors.Join(err, settled(c.Server)); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(bin, append(args, "--server", c.Server)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out)
		}
	}
	where := func() string {
		t.Helper()
		state, _, err := api.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return state.Workers[0].Node
	}
	task, slot := follow(t, bin, c.Server, "count", "-n", "5"), follow(t, bin, c.Server, "count#0", "-n", "0")
	both := func(pattern string) {
		t.Helper()
		task.want(pattern)
		slot.want(pattern)
	}
	both(`line \d+ \d+$`)
	if out, err := exec.Command(bin, "stack", "count#0", "--server", c.Server).CombinedOutput(); err != nil || !strings.Contains(string(out), "is the program sh, which has no goroutines") || strings.Contains(string(out), ".go:") {
		t.Errorf("stack: %v: %s", err, out)
	}
	from := where()
	for _, to := range []string{"n1", "n2", "n3", "n1"} {
		if to == where() {
			continue
		}
		run("move", "count#0", to, "--wait")
		both(`stops \d+$`)
		both(`^-- worker count#0 continues on ` + to + `$`)
		both(`begins \d+$`)
		both(`line \d+ 1$`)
	}
	run("restart", "count#0", "--wait")
	both(`stops \d+$`)
	both(`^-- worker count#0 continues on n[123]$`)
	both(`begins \d+$`)

	run("scale", "count", "3", "--wait")
	task.want(`^-- worker count#[12] begins on n[123]$`)
	task.want(`^-- worker count#[12] begins on n[123]$`)
	task.want(`^count#[12] \| .* line \d+ 1$`)
	task.want(`^count#[12] \| .* line \d+ 1$`)
	run("scale", "count", "1", "--wait")
	task.want(`^-- worker count#[12] is gone: count has 1 worker now$`)
	task.want(`^-- worker count#[12] is gone: count has 1 worker now$`)

	run("drain", where(), "--wait")
	both(`^-- worker count#0 continues on n[123]$`)
	both(`line \d+ 1$`)
	if now := where(); now == from && task.count(`continues on`) < 3 {
		t.Errorf("it is on %s still", now)
	}
	if n, of := task.count(`begins on`), slot.count(`begins on`); n != 2 || of != 0 {
		t.Errorf("%d workers have begun, and %d of one that ran before", n, of)
	}
	run("delete", "count", "--yes", "--wait")
	both(`stops \d+$`)
	both(`^-- worker count#0 is gone: task count no longer exists$`)
	task.ends()
	slot.ends()
	wantOrder(t, task.seen)
	wantOrder(t, slot.seen)
}

// The logs of runs that are over are complete, for every node that ran them and from every node that is asked.
func TestLogsOfShortRuns(t *testing.T) {
	config := `[[work]]
name = "short"
command = ["sh", "-c", 'echo first $XCONSUMER_TASK; echo last $XCONSUMER_TASK']
[[task]]
name = "short"
workName = "short"
workerNum = 1
every = "2s"
`
	bin, c := three(t, config)
	f := follow(t, bin, c.Server, "short")
	for range 4 {
		run := f.want(`^-- worker short@\S+ begins on n[123]$`)
		name := strings.Fields(run)[2]
		for _, line := range []string{"first", "last"} {
			f.want(`^` + name + ` +\| .* ` + line)
		}
		f.want(`^-- worker ` + name + ` is gone: its run is over$`)
	}
}

// wantOrder requires each numbered line once, and no gap between those of one token.
func wantOrder(t *testing.T, lines []string) {
	t.Helper()
	last := map[string]string{}
	for _, line := range lines {
		m := regexp.MustCompile(`line (\d+) (\d+)$`).FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if before, ok := last[m[1]]; ok && number(m[2]) != number(before)+1 {
			t.Errorf("after line %s of token %s comes %s", before, m[1], m[2])
		}
		last[m[1]] = m[2]
	}
}

func number(text string) int {
	n, _ := strconv.Atoi(text) // the expression matches digits only
	return n
}

func scan(from io.Reader, lines chan<- string) {
	for in := bufio.NewScanner(from); in.Scan(); {
		lines <- in.Text()
	}
}
