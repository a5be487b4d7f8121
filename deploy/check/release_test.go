package check_test

import (
	"os"
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
	if _, err := os.Stat("../../LICENSE"); err != nil {
		t.Error(err)
	}
}
