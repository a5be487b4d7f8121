package check_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// systemd can read the unit; only the program need not be there.
func TestUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no systemd-analyze: tools/deps.sh installs it")
	}
	out, _ := exec.Command("systemd-analyze", "verify", "../systemd/xconsumer.service").CombinedOutput() // what it says counts
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "xconsumer.service") && !strings.Contains(line, "/usr/bin/xconsumer is not executable") {
			t.Error(strings.TrimSpace(line))
		}
	}
}
