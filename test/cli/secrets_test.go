package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gitee.com/ken.yang/xconsumer/test/fleet"
)

// look is a program that searches the arguments and environment of its ancestors for a secret, as the user that it runs as.
const look = `
p=$PPID
while [ "$p" -gt 1 ]; do
	who=$(tr '\0' ' ' < /proc/$p/cmdline)
	if text=$(tr '\0' '\n' < /proc/$p/environ 2>/dev/null) && [ -n "$text" ]; then
		case $text in *"$NEEDLE"*) echo "LEAK $who" ;; *) echo "nothing $who" ;; esac
	else
		echo "shut $who"
	fi
	p=$(sed -n 's/^PPid:\t//p' /proc/$p/status)
done > seen.new
mv seen.new seen
exec sleep 1000
`

// Programs that run as the user of the node cannot read the secrets of the node or of the processes above it. The node itself
// reads all that it needs.
func TestProgramsDoNotSeeSecrets(t *testing.T) {
	const nobody = 65534
	dir := t.TempDir()
	bin := filepath.Join(dir, "xconsumer")
	program, err := os.ReadFile(fleet.Shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("[[work]]\nname = \"look\"\ncommand = [\"sh\", \"-c\", '''%s''']\ndir = %q\nenv = { NEEDLE = \"long-secret\" }\n[[task]]\nname = \"look\"\nworkName = \"look\"\nworkerNum = 1\n", look, dir)
	for _, err := range []error{os.WriteFile(bin, program, 0o755), os.WriteFile(filepath.Join(dir, "app.toml"), []byte(config), 0o644), os.Chmod(dir, 0o777), os.Chmod(filepath.Dir(dir), 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(bin, "dev", "--nodes", "1", "--http", "127.0.0.1:0")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "TMPDIR="+dir, "XCONSUMER_HTTP_TOKENS=ada admin a-very-"+"long-secret-of-ada")
	if os.Getuid() == 0 { // root may read everything
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	dev := fleet.Run(t, cmd)
	defer func() { // ends all processes before the directory is removed
		dev.Signal(syscall.SIGINT)
		dev.Exit()
	}()
	var seen []byte
	fleet.Await(t, "the program has looked", func() bool {
		seen, _ = os.ReadFile(filepath.Join(dir, "seen"))
		return len(seen) > 0
	})
	shut, ours := 0, ""
	for line := range strings.Lines(string(seen)) {
		if !strings.Contains(line, bin) && !strings.Contains(line, "xconsumer") && !strings.Contains(line, "/proc/self/exe") {
			continue // the test's own ancestors
		}
		ours += line
		if strings.HasPrefix(line, "shut") {
			shut++
		}
		if whose, leaks := strings.CutPrefix(line, "LEAK"); leaks {
			t.Errorf("it reads what %s has", strings.TrimSpace(whose))
		}
	}
	if shut < 2 { // the node, and the process above it
		t.Errorf("%d ancestors are shut; want 2 at least:\n%s", shut, ours)
	}
	address := dev.Find(`n1 +(http://127\.0\.0\.1:\d+)`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer a-very-long-secret-of-ada")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(text), "process_open_fds ") {
		t.Errorf("it does not count its own descriptors: %s, %v", resp.Status, err)
	}
}
