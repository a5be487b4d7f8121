//go:build linux

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A node of somebody's own program, in an image with nothing but that program: the time zone that cannot be looked up is
// not taken for one that does not exist, and package time/tzdata is what the error says it is.
func TestNoTimeZones(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("an image with nothing in it needs root")
		}
		t.Skip("an image with nothing in it needs root; CI requires this test")
	}
	image := t.TempDir()
	for name, tags := range map[string]string{"bare": "none", "zones": "timetzdata"} {
		build := exec.Command("go", "build", "-tags", tags, "-o", filepath.Join(image, name), "./testdata/zones")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	missing := `timeZone: "Europe/Berlin" cannot be looked up: the program has no time zone database, and finds none on its machine`
	for _, c := range []struct {
		program, zone, env, want string
	}{
		{"bare", "Europe/Berlin", "", missing + `; import _ "time/tzdata" in its main package, or install the system's package tzdata`},
		{"bare", "Europe/Berlin", "ZONEINFO=/zones.zip", missing + " or at ZONEINFO=/zones.zip; "},
		{"bare", "Local", "", `timeZone: invalid time zone "Local"`},
		{"bare", "", "", "<nil>"},
		{"bare", "UTC", "", "<nil>"},
		{"zones", "Europe/Berlin", "", "<nil>"},
		{"zones", "Europe/Berlyn", "", `timeZone: invalid time zone "Europe/Berlyn"; name one as in "Europe/Berlin"`},
	} {
		cmd := exec.Command("/"+c.program, c.zone)
		cmd.Dir, cmd.Env = "/", []string{c.env}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: image}
		out, err := cmd.Output()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("%s, %q, %s: %v: %s\nwant %s", c.program, c.zone, c.env, err, out, c.want)
		}
	}
}
