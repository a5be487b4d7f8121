// Package goreleaser_test checks the release's configuration with the goreleaser that reads it.
package goreleaser_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goreleaser/goreleaser/v2/pkg/config"
)

// The release's configuration is one that goreleaser reads, and packages what there is.
func TestRelease(t *testing.T) {
	project, err := config.Load("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if len(project.Builds) != 1 || len(project.NFPMs) != 1 || len(project.SBOMs) != 1 || project.Checksum.NameTemplate == "" {
		t.Errorf("%d builds, %d packages, %d bills", len(project.Builds), len(project.NFPMs), len(project.SBOMs))
	}
	if formats := strings.Join(project.NFPMs[0].Formats, " "); formats != "deb rpm" {
		t.Error(formats)
	}
	for _, c := range project.NFPMs[0].Contents {
		if strings.HasPrefix(c.Source, "dist-manual/") {
			continue // made before
		}
		if found, err := filepath.Glob(filepath.Join("../..", c.Source)); err != nil || len(found) == 0 {
			t.Errorf("%s is packaged, and is not there", c.Source)
		}
	}
	scripts := project.NFPMs[0].Scripts
	for _, script := range []string{scripts.PostInstall, scripts.PreRemove, scripts.PostRemove} {
		if out, err := exec.Command("sh", "-n", filepath.Join("../..", script)).CombinedOutput(); script == "" || err != nil {
			t.Errorf("script %q: %v %s", script, err, out)
		}
	}
	if extra := project.Checksum.ExtraFiles; len(extra) != 1 || extra[0].Glob != "./dist-chart/*.tgz" {
		t.Errorf("the checksums do not name the chart: %+v", extra)
	}
	if _, err := os.Stat("../../LICENSE"); err != nil {
		t.Error(err)
	}
}
