package project

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
)

// A release is required as it is, whatever it was built from; a revision is replaced by its source.
func TestRequirement(t *testing.T) {
	for _, c := range []struct{ version, source, required, replaced string }{
		{"1.2.3", "", "v1.2.3", ""}, // as packages have it
		{"v1.2.3", "/src", "v1.2.3", ""},
		{"1.2.3-rc.1", "/src", "v1.2.3-rc.1", ""},
		{"(devel)", "/src", "v0.0.0", "/src"},
		{"(devel)", "", "v0.0.0", ""},
		{"", "", "v0.0.0", ""},
		{"devel", "", "v0.0.0", ""},
		{"v0.0.0-20261128101112-0123456789ab", "/src", "v0.0.0", "/src"},
		{"v0.0.0-20261128101112-0123456789ab", "", "v0.0.0-20261128101112-0123456789ab", ""}, // go install …@main
		{"v1.2.4-0.20261128101112-0123456789ab", "/src", "v0.0.0", "/src"},
		{"v1.2.3+dirty", "/src", "v0.0.0", "/src"},
		{"v1.2.3+dirty", "", "v0.0.0", ""},
	} {
		if required, replaced := requirement(c.version, c.source); required != c.required || replaced != c.replaced {
			t.Errorf("%q, %q: %q, %q; want %q, %q", c.version, c.source, required, replaced, c.required, c.replaced)
		}
	}
}

// What Go has fetched is not a checkout: its version is required, also by a program that was installed at a revision.
func TestCheckout(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]bool{
		"src": true, "pkg/mod/gitee.com/ken.yang/xconsumer@v0.0.0-20261128101112-0123456789ab": false, "pkg/mod/gitee.com/ken.yang/xconsumer@v1.2.3": false, "src@home": true,
	} {
		root := filepath.Join(dir, name)
		if err := os.MkdirAll(root, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "go.mod"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := checkout(filepath.Join(root, "app/internal/project/project.go")); (got != "") != want || want && got != root {
			t.Errorf("%s: %q; want a checkout: %v", name, got, want)
		}
	}
	for _, file := range []string{"", "gitee.com/ken.yang/xconsumer@v1.2.3/app/internal/project/project.go", filepath.Join(dir, "gone/app/internal/project/project.go")} {
		if got := checkout(file); got != "" {
			t.Errorf("%q: %q", file, got)
		}
	}
}

// What is to be done fits what has failed.
func TestRemedy(t *testing.T) {
	for _, c := range []struct {
		p         project
		tidied    bool
		workspace string
		want      string
		tidy      bool // is named
	}{
		{project{Name: "a", Source: "/src"}, true, "/w/go.work", "go work use ./a", false},
		{project{Name: "a", Version: "v1.2.3"}, true, "/w/go.work", "go work use ./a", false},
		{project{Name: "a", Source: "/src"}, true, "", "go build ./...", false},
		{project{Name: "a", Version: "v1.2.3"}, true, "", "go build ./...", false},
		{project{Name: "a", Source: "/src"}, false, "", "go mod tidy", true},
		{project{Name: "a", Version: "v1.2.3"}, false, "", "-replace", true},
		{project{Name: "a", Version: unversioned}, false, "/w/go.work", "go get", true},
	} {
		if got := c.p.Remedy(c.tidied, c.workspace); !strings.Contains(got, c.want) || strings.Contains(got, "mod tidy") != c.tidy {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// One rule holds for all that is named after a project.
func TestProjectName(t *testing.T) {
	for name, method := range map[string]string{"mywork": "Mywork", "a": "A", "mail2go": "Mail2go", "myWork": "MyWork", "init": "Init"} {
		if p, err := New(name, ""); err != nil || p.Name != name || p.Method != method {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "./a", "../a", "a/", `a\b`, "/tmp/a", "My", "my-work", "my_work", "1st", "a b", "заказы", "-x", "func", "go", "time", "std", "con"} {
		if p, err := New(name, ""); !errors.Is(err, config.ErrUsage) {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}
