package app

import (
	"errors"
	"testing"
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

// One rule holds for all that is named after a project.
func TestProjectName(t *testing.T) {
	for name, method := range map[string]string{"mywork": "Mywork", "a": "A", "mail2go": "Mail2go", "myWork": "MyWork", "init": "Init"} {
		if p, err := newProject(name); err != nil || p.Name != name || p.Method != method {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
	for _, name := range []string{"", ".", "..", "a/b", "./a", "../a", "a/", `a\b`, "/tmp/a", "My", "my-work", "my_work", "1st", "a b", "заказы", "-x", "func", "go", "time", "std", "con"} {
		if p, err := newProject(name); !errors.Is(err, errUsage) {
			t.Errorf("%q: %+v, %v", name, p, err)
		}
	}
}
