package check_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A package that is removed stops the service; one that is upgraded leaves it alone.
func TestRemovalStopsTheService(t *testing.T) {
	text, err := os.ReadFile("../package/preremove.sh")
	if err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(string(text), "/run/systemd/system", t.TempDir()) // systemd runs
	for argument, stops := range map[string]bool{"remove": true, "0": true, "upgrade": false, "1": false, "failed-upgrade": false} {
		out, err := exec.Command("sh", "-c", "systemctl() { echo systemctl \"$@\"; }\n"+script, "preremove", argument).CombinedOutput()
		if err != nil || (string(out) == "systemctl disable --now xconsumer.service\n") != stops || !stops && len(out) > 0 {
			t.Errorf("%s: %v %q", argument, err, out)
		}
	}
}

// The packaged chart has the release's version, and its image.
func TestPackagedChart(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "run", "./chart", "-version", "1.2.3", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "xconsumer-1.2.3.tgz")); err != nil {
		t.Error(err)
	}
}
