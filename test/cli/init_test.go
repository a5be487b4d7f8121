package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// A released program has its project require its own version. If Go cannot fetch that version, it exits 1 and reports what to do.
func TestInitOfRelease(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "xconsumer")
	build := exec.Command("go", "build", "-ldflags", "-X gitee.com/ken.yang/xconsumer/app.release=0.9.9", "-o", bin, "gitee.com/ken.yang/xconsumer/cmd/xconsumer")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin, "init", "mywork")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("%v; want exit 1", err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "mywork", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, want string }{
		{string(mod), `(?m)^require gitee.com/ken.yang/xconsumer v0\.9\.9$`},
		{string(out), `mywork does not build: go mod tidy: exit status 1`},
		{string(out), `The files stay in mywork`},
		{string(out), `cd mywork && go mod tidy && go mod vendor`},
		{string(out), `go.mod requires gitee.com/ken.yang/xconsumer v0\.9\.9, the version of this program`},
		{string(out), `cd mywork && go mod edit -replace gitee.com/ken.yang/xconsumer=DIRECTORY && go mod tidy && go build ./\.\.\.`},
	} {
		if !regexp.MustCompile(c.want).MatchString(c.text) {
			t.Errorf("%s is not in:\n%s", c.want, c.text)
		}
	}
	if regexp.MustCompile(`replace`).Match(mod) {
		t.Errorf("it is replaced: %s", mod)
	}
	// Without Go, too, the files stay, and it says what is needed.
	cmd = exec.Command(bin, "init", "later")
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + filepath.Join(dir, "empty"), "HOME=" + dir}
	later, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !regexp.MustCompile(`Install Go .*\n  cd later && go mod tidy && go build \./\.\.\.`).Match(later) {
		t.Errorf("without Go: %v\n%s", err, later)
	}
	if _, err := os.Stat(filepath.Join(dir, "later", "work", "later_test.go")); err != nil {
		t.Error(err)
	}
	// What the program says fixes it.
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	fix := exec.Command("sh", "-c", "go mod edit -replace gitee.com/ken.yang/xconsumer="+root+" && go mod tidy && go build -o "+os.DevNull+" ./...")
	fix.Dir = filepath.Join(dir, "mywork")
	if out, err := fix.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
