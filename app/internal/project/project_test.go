package project

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/cluster"
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
	local, release := project{Name: "a", Source: "/src"}, project{Name: "a", Version: "v1.2.3"}
	const tidy = "cd a && go mod tidy && go build ./..."
	for _, c := range []struct {
		p         project
		stage     Stage
		workspace string
		want      []string
		not       string
	}{
		{local, NoGo, "", []string{"Install Go", tidy}, "-replace"},
		{release, NoGo, "/w/go.work", []string{"Install Go", tidy}, "go.work"},
		{local, Building, "/w/go.work", []string{"go work use ./a"}, "mod tidy"},
		{release, Building, "/w/go.work", []string{"go work use ./a"}, "mod tidy"},
		{local, Building, "", []string{"cd a && go build ./..."}, "mod tidy"},
		{release, Building, "", []string{"cd a && go build ./..."}, "mod tidy"},
		{local, Fetching, "", []string{tidy}, "-replace"},
		{release, Fetching, "/w/go.work", []string{"v1.2.3", "cd a && GOPROXY=https://goproxy.cn,direct go mod tidy", "cd a && go mod tidy && go mod vendor", "-replace"}, "go.work"},
		{project{Name: "a", Version: unversioned}, Fetching, "", []string{"cd a && go get", "-replace"}, "v0.0.0"},
	} {
		got := c.p.Remedy(c.stage, c.workspace)
		for _, want := range append(c.want, "The files stay in a.") {
			if !strings.Contains(got, want) {
				t.Errorf("%+v at stage %d: %q is not in: %s", c.p, c.stage, want, got)
			}
		}
		if strings.Contains(got, c.not) {
			t.Errorf("%+v at stage %d: %q is in: %s", c.p, c.stage, c.not, got)
		}
	}
}

// One rule makes one name of what people type.
func TestName(t *testing.T) {
	for given, want := range map[string]struct{ name, method string }{
		"mywork": {"mywork", "Mywork"}, "a": {"a", "A"}, "mail2go": {"mail2go", "Mail2go"}, "init": {"init", "Init"},
		"My-Mailer 2": {"mymailer2", "Mymailer2"}, "myWork": {"mywork", "Mywork"}, "my_work": {"mywork", "Mywork"}, "my.work": {"mywork", "Mywork"},
		"1st": {"1st", "1st"}, "MAIL": {"mail", "Mail"}, " mail\t": {"mail", "Mail"}, "mail—box…": {"mailbox", "Mailbox"}, "📬mail": {"mail", "Mail"},
		"com": {"com", "Com"}, "linux": {"linux", "Linux"}, strings.Repeat("a", 60): {strings.Repeat("a", 60), "A" + strings.Repeat("a", 59)},
	} {
		if p, err := New(given, ""); err != nil || p.Name != want.name || p.Method != want.method {
			t.Errorf("%q: %+v, %v", given, p, err)
		}
		if err := cluster.ValidateName(want.name); err != nil {
			t.Error(err)
		}
	}
	for given, want := range map[string]string{
		"": `"mywork"`, ".": `"mywork"`, "..": `"mywork"`, "--": `"mywork"`, "2024": `"mywork2024"`,
		"a/b": "is a path", "./a": "is a path", "../a": "is a path", "a/": "is a path", `a\b`: "is a path", "/tmp/a": "is a path",
		"заказы": "not 'з'", "邮件": "not '邮'", "邮件mail": "not '邮'", "café": "not 'é'", "cafe\u0301": "not '\u0301'", "mail２": "not '２'",
		"func": `"myfunc"`, "Type": `"mytype"`, "go": `"mygo"`, "time": `"mytime"`, "s-t-d": `"mystd"`, "con": `"mycon"`, "com1": `"mycom1"`, "LPT9": `"mylpt9"`,
		strings.Repeat("a", 61): "at most 60",
	} {
		if p, err := New(given, ""); !errors.Is(err, config.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %s", given, p, err, want)
		}
	}
}

// No project takes a name that is the standard library's: Go would read that in its place.
func TestNamesOfGo(t *testing.T) {
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	for path := range strings.FieldsSeq(string(out)) {
		name, _, _ := strings.Cut(path, "/")
		if _, err := New(name, ""); !errors.Is(err, config.ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A project says that it has a replace directive, and how it gets rid of it; that of a release has none.
func TestOrigin(t *testing.T) {
	p := project{Name: "a", Source: "/src"}
	if got := p.Origin(); !strings.Contains(got, "/src") || !strings.Contains(got, "go mod edit -dropreplace gitee.com/ken.yang/xconsumer && go get gitee.com/ken.yang/xconsumer@latest") {
		t.Error(got)
	}
	p = project{Name: "a", Version: "v1.2.3"}
	if got := p.Origin(); got != "" {
		t.Error(got)
	}
}
