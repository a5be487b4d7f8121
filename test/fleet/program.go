//go:build unix

package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"gitee.com/ken.yang/xconsumer/test/process"
)

// Built names the variable with the path of the program as it is shipped, where it was built for all packages at once.
const Built = "XCONSUMER_BIN"

// Build returns the path of the program as it is shipped. It builds it into a directory unless it was built before.
func Build(dir string) (string, error) {
	if bin := os.Getenv(Built); bin != "" {
		return bin, nil
	}
	bin := filepath.Join(dir, "xconsumer")
	if out, err := exec.Command("go", "build", "-o", bin, "gitee.com/ken.yang/xconsumer/cmd/xconsumer").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
}

// Shipped returns the path of the program as it is shipped, built for this test unless it was built before.
func Shipped(tb testing.TB) string {
	tb.Helper()
	bin, err := Build(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return bin
}

// Program is a program that a test runs. Its Log is its standard error, and that of a [Node] its standard output, too.
type Program struct {
	*process.Child
	Out process.Log // its standard output where that is kept apart

	tb testing.TB
}

// Run starts a program, which is killed when the test ends, if it still runs. What it has written is shown when the test
// has failed.
func Run(tb testing.TB, cmd *exec.Cmd) *Program {
	tb.Helper()
	p := &Program{tb: tb}
	cmd.Stdout = &p.Out
	tb.Cleanup(p.show)
	p.begin(cmd)
	return p
}

func (p *Program) begin(cmd *exec.Cmd) {
	p.tb.Helper()
	var err error
	p.Child, err = process.Begin(cmd)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.tb.Cleanup(p.Kill)
}

// show shows what the program has written if the test has failed.
func (p *Program) show() {
	if p.tb.Failed() && p.Child != nil {
		p.tb.Logf("%q has written:\n%s\n%s", p.Cmd.Args, p.Out.Tail(80), p.Log.Tail(80))
	}
}

// Signal sends a signal to the process.
func (p *Program) Signal(s syscall.Signal) {
	p.tb.Helper()
	if err := p.Cmd.Process.Signal(s); err != nil {
		p.tb.Fatalf("%v to %q: %v", s, p.Cmd.Args, err)
	}
}

// Exit waits for the process to end and returns its exit code, -1 if a signal has ended it.
func (p *Program) Exit() int {
	p.tb.Helper()
	code, err := p.Wait(Limit)
	if err != nil {
		p.tb.Fatal(err)
	}
	return code
}

// Find waits until the program has written what matches a pattern, and returns the last submatch.
func (p *Program) Find(pattern string) string {
	p.tb.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	Await(p.tb, fmt.Sprintf("%q writes %s", p.Cmd.Args, pattern), func() bool {
		ended := p.Ended()
		found = re.FindStringSubmatch(p.Out.String() + p.Log.String())
		if found == nil && ended {
			p.tb.Fatalf("%q ended with code %d before it wrote %s", p.Cmd.Args, p.Exit(), pattern)
		}
		return found != nil
	})
	return found[len(found)-1]
}
