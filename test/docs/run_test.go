//go:build linux

package docs_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/docs"
	"gitee.com/ken.yang/xconsumer/test/fleet"
)

// What a page has readers type does what the page says: its blocks run one after the other, in one directory, with nothing
// else on the network.
func TestPagesRun(t *testing.T) {
	if testing.Short() {
		t.Skip("pages run for minutes")
	}
	bin := filepath.Dir(fleet.Shipped(t))
	ran := 0
	for _, page := range pages(t) {
		script := script(page)
		if script == "" {
			continue
		}
		ran++
		t.Run(page.Name, func(t *testing.T) {
			if err := runScript(t, script, bin); err != nil {
				t.Error(err)
			}
		})
	}
	if ran == 0 {
		t.Error("no page has a block that runs")
	}
}

// script returns what a shell does to follow a page, empty if nothing on it runs.
func script(page docs.Page) string {
	var out strings.Builder
	runs := false
	for i, b := range page.Blocks {
		at := fmt.Sprintf("%s:%d", b.Page, b.Line)
		switch {
		case b.Skip != "":
		case b.File != "":
			fmt.Fprintf(&out, "mkdir -p \"$(dirname %[1]q)\" && cat >%[1]q <<'END OF FILE'\n%[2]sEND OF FILE\n", b.File, b.Text)
		case b.Until != "":
			runs = true
			fmt.Fprintf(&out, "echo '== %s, in a terminal of its own'\n(\n%s) >$TMPDIR/terminal%d 2>&1 </dev/null &\nuntilTrue %q $TMPDIR/terminal%[3]d\n", at, b.Text, i, b.Until)
		case b.Run:
			runs = true
			fmt.Fprintf(&out, "echo '== %s'\n%s", at, b.Text)
		}
	}
	if !runs {
		return ""
	}
	return `set -euo pipefail
ip link set lo up
mkdir "$TMPDIR"
untilTrue() {
  for _ in $(seq 600); do
    if eval "$1" >/dev/null 2>&1; then return; fi
    sleep 0.2
  done
  echo "$1 did not succeed; the terminal shows:"; cat "$2"; exit 1
}
` + out.String() + "echo '== the end'\n"
}

// runScript runs a script in namespaces of its own: no other program has its addresses, and nothing that it has started is left.
func runScript(t *testing.T, script, bin string) error {
	t.Helper()
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "page") // a short name: sockets are below it
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(t.TempDir(), "page.sh")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return err
	}
	inside := []string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", `exec bash <(cat "$0") 2>&1`, file}
	if os.Getuid() != 0 {
		inside = append([]string{"--map-root-user"}, inside...)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", inside...)
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "XCONSUMER_") && !strings.HasPrefix(variable, "GOPROXY=") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Dir = dir
	cmd.Env = append(cmd.Env, "TMPDIR="+filepath.Join(dir, "tmp"), "PATH="+bin+":"+os.Getenv("PATH"), "GOPROXY=file://"+strings.TrimSpace(string(cache))+"/cache/download", "GOSUMDB=off", "GOFLAGS=-mod=mod")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.HasSuffix(string(out), "== the end\n") {
		err = errors.New("the script ended early")
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// A command that fails ends the page, and a terminal that never is ready does.
func TestScriptsFindMistakes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		fails      bool
	}{
		{name: "right", text: "<!-- test: terminal test -e ready -->\n```sh\nsleep 1; touch ready; sleep 1000\n```\n<!-- test: run -->\n```sh\ntest -e ready\n```\n"},
		{name: "a file", text: "<!-- test: file a/b.txt -->\n```\nhello\n```\n<!-- test: run -->\n```sh\ngrep -q hello a/b.txt\n```\n"},
		{name: "wrong", text: "<!-- test: run -->\n```sh\nfalse\ntrue\n```\n", fails: true},
		{name: "in a pipe", text: "<!-- test: run -->\n```sh\nfalse | cat\n```\n", fails: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := runScript(t, script(docs.Page{Blocks: docs.Blocks("page.md", c.text)}), t.TempDir())
			if (err != nil) != c.fails {
				t.Error(err)
			}
		})
	}
}
