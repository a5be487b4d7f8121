// Package mutants_test takes the guards of the protocol out, one after the other, and wants a test
// to go red for each.
//
// # The model
//
// A hole is an interleaving that would break a promise, numbered as in the fault research behind the
// design; a mutant opens it: it replaces a few lines of one file. The program itself has no switch
// that opens a hole: the compiler is given the changed file instead (go test -overlay), for this one
// test binary.
//
//	holes_test.go ──(file, lines, instead)──▶ overlay ──▶ test binary ──▶ red, or the mutant lives
//
// Without -open only what is cheap is checked: that every mutant still applies to the source and compiles, that
// docs/internals/reliability.md has the same table, and that one of them is found.
package mutants_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

var (
	open = flag.Bool("open", false, "open the holes, one by one, and run their tests")
	only = flag.String("only", "", "open only those whose name, hole or test matches this expression")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// root is the module's directory.
const root = "../.."

// limit is how long the test of a mutant may take; one that hangs is red, too.
const limit = 5 * time.Minute

// changed returns the changed files of a mutant, by path.
func (m mutant) changed() (map[string]string, error) {
	changed := map[string]string{}
	for _, c := range m.changes {
		path, err := filepath.Abs(filepath.Join(root, c.file))
		if err != nil {
			return nil, err
		}
		source, ok := changed[path]
		if !ok {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			source = string(text)
		}
		if n := strings.Count(source, c.old); n != 1 {
			return nil, fmt.Errorf("%s: these lines occur %d times in %s, the mutant has to be written again:\n%s", m.name, n, c.file, c.old)
		}
		changed[path] = strings.Replace(source, c.old, c.new, 1)
	}
	return changed, nil
}

// overlay writes the changed files of a mutant, and the file that gives them to the compiler.
func (m mutant) overlay(dir string) (string, error) {
	changed, err := m.changed()
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for path, source := range changed {
		to := filepath.Join(dir, fmt.Sprintf("%d-%s", len(replace), filepath.Base(path)))
		if err := os.WriteFile(to, []byte(source), 0o644); err != nil {
			return "", err
		}
		replace[path] = to
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o644)
}

// Every mutant applies to the source as it is.
func TestMutantsApply(t *testing.T) {
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.name] {
			t.Errorf("two mutants are called %q", m.name)
		}
		names[m.name] = true
		if _, err := m.changed(); err != nil {
			t.Error(err)
		}
	}
}

// The table of docs/internals/reliability.md is this one.
func TestTable(t *testing.T) {
	path := filepath.Join(root, "docs", "internals", "reliability.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- mutants -->\n", "<!-- end of mutants -->\n"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table between %q and %q", path, begin, end)
	}
	want := before + begin + table() + end + after
	if string(text) == want {
		return
	}
	if os.Getenv("UPDATE") == "" {
		t.Errorf("%s: the table of mutants is out of date; UPDATE=1 go test ./test/mutants writes it", path)
		return
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table is the mutants as Markdown.
func table() string {
	var b strings.Builder
	b.WriteString("| hole | guard | without it | test that goes red |\n|---|---|---|---|\n")
	for _, m := range mutants {
		var files []string
		for _, c := range m.changes {
			if file := "`" + c.file + "`"; len(files) == 0 || files[len(files)-1] != file {
				files = append(files, file)
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.hole, strings.Join(files, ", "), m.name, m.test)
	}
	return b.String()
}

// Every mutant is found by its test, which is green without it. Without -open one of them has to do.
func TestMutants(t *testing.T) {
	which := *only
	if !*open {
		which = "^H12$" // the quickest, so that the way of opening them is tested, too
	}
	pattern := regexp.MustCompile(which)
	var wait sync.WaitGroup
	slots := make(chan struct{}, 2)
	green := map[string]bool{}
	for _, m := range mutants {
		if !m.matches(pattern) || green[m.test.String()] {
			continue
		}
		green[m.test.String()] = true
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			began := time.Now()
			if out, err := m.test.run(t.Context(), ""); err != nil {
				t.Errorf("%s is red without any mutant: %v\n%s", m.test, err, tail(out))
			}
			t.Logf("green without mutants: %s (%v)", m.test, time.Since(began).Round(time.Second))
		})
	}
	wait.Wait()
	killed := 0
	var mu sync.Mutex
	for _, m := range mutants {
		if !m.matches(pattern) {
			continue
		}
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			began := time.Now()
			dir, err := os.MkdirTemp("", "mutant")
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = os.RemoveAll(dir) }()
			overlay, err := m.overlay(dir)
			if err != nil {
				t.Error(err)
				return
			}
			out, err := m.test.run(t.Context(), overlay)
			switch {
			case errors.Is(err, errBuild):
				t.Errorf("%s, %s: does not compile, which says nothing:\n%s", m.hole, m.name, tail(out))
			case err == nil:
				t.Errorf("%s, %s: LIVES: %s stays green", m.hole, m.name, m.test)
			default:
				mu.Lock()
				killed++
				mu.Unlock()
				t.Logf("red (%v): %s, %s: %s", time.Since(began).Round(time.Second), m.hole, m.name, reason(out))
			}
		})
	}
	wait.Wait()
	t.Logf("%d mutants are found by their tests", killed)
}

// matches reports whether the expression is for this mutant.
func (m mutant) matches(only *regexp.Regexp) bool {
	return only.MatchString(m.name) || only.MatchString(m.hole) || only.MatchString(m.test.String())
}

var errBuild = errors.New("the test does not compile")

// run builds the test, with an overlay or without, and runs it.
func (t redTest) run(ctx context.Context, overlay string) (out []byte, err error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "test")
	build := exec.CommandContext(ctx, "go", "test", "-c", "-overlay", overlay, "-o", binary, "./"+t.pkg)
	if overlay == "" {
		build = exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./"+t.pkg)
	}
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return out, errors.Join(errBuild, err)
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := append([]string{"-test.run", "^" + strings.ReplaceAll(t.name, "/", "$/^") + "$", "-test.failfast", "-test.timeout", limit.String()}, t.args...)
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = filepath.Join(root, t.pkg)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}

// reason picks the line that says what was wrong.
func reason(out []byte) string {
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if regexp.MustCompile(`^(I\d+: |\S+\.go:\d+: |panic: |fatal error: )`).MatchString(line) && !strings.Contains(line, "go test ./test/sim") {
			return line[:min(len(line), 160)]
		}
	}
	return "it does not end"
}

func tail(out []byte) string {
	return string(out[max(0, len(out)-2000):])
}
