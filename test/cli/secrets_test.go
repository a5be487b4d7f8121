package cli_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/test/fleet"
)

// look is a program that looks for a secret in what its ancestors were started with, by whom it runs as.
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

// Programs that run as whom the node runs as cannot read its secrets, nor those of the processes above it; and the node
// itself can see all that it needs.
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
	if os.Getuid() == 0 { // who may read everything
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		_ = cmd.Wait()
	}()
	said := func() string {
		text, _ := os.ReadFile(out.Name())
		return string(text)
	}
	var seen []byte
	for end := time.Now().Add(2 * time.Minute); len(seen) == 0; time.Sleep(50 * time.Millisecond) {
		if seen, _ = os.ReadFile(filepath.Join(dir, "seen")); time.Now().After(end) {
			t.Fatalf("the program does not run: %s", said())
		}
	}
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
	address := regexp.MustCompile(`n1 +(http://127\.0\.0\.1:\d+)`).FindStringSubmatch(said())
	if address == nil {
		t.Fatalf("no address: %s", said())
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address[1]+"/metrics", nil)
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
