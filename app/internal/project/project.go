// Package project writes what a new project begins with: a work, a main and an app.toml.
package project

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"text/template"
	"unicode"
	"unicode/utf8"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
)

// The files of a new project.
var (
	//go:embed files/main.go.tmpl
	initMain string
	//go:embed files/work.go.tmpl
	initWork string
	//go:embed files/work_test.go.tmpl
	initTest string
	//go:embed files/app.toml.tmpl
	initConfig string
	//go:embed files/go.mod.tmpl
	initModule string
)

// project is what the files are made from.
type project struct {
	Name    string // of the directory, the module, the task and the work
	Method  string // Run<Method>
	Version string // of xconsumer, as go.mod requires it
	Source  string // directory with its source, of a program that was built from there
}

// unversioned is required where no version could be.
const unversioned = "v0.0.0"

// maxName is the length of the longest name.
const maxName = 60

// goNames are names by which Go, or a file system, means something else.
var goNames = strings.Fields(`all cmd main std tool vendor work
	archive arena bufio builtin bytes cmp compress container context crypto database debug embed encoding errors expvar flag fmt go hash
	html image index internal io iter log maps math mime net os path plugin reflect regexp runtime simd slices sort strconv strings
	structs sync syscall testdata testing text time unicode unique unsafe weak aux con nul prn`)

// windowsPort is a name that Go refuses, since Windows means a port by it.
var windowsPort = regexp.MustCompile(`^(com|lpt)[0-9]$`)

// New returns a project by the name, made for a version of this module. Its Name may differ from the name; see rename. The
// error matches config.ErrUsage if no valid name can be made of it.
func New(name, version string) (p project, err error) {
	if strings.ContainsAny(name, `/\`) {
		return p, fmt.Errorf("%w: %q is a path (want a name); run init in the parent directory", config.ErrUsage, name)
	}
	p.Name, err = rename(name)
	if err != nil {
		return project{}, err
	}
	p.Method = strings.ToUpper(p.Name[:1]) + p.Name[1:]
	_, file, _, _ := runtime.Caller(0)
	p.Version, p.Source = requirement(version, checkout(file))
	return p, nil
}

// rename returns the one name by which a directory, a module, a task and a work can go: the letters and digits of the
// name that was given, in lower case. Letters that are not ASCII are refused: Go allows none in the paths of modules, and
// what is left without them would be another name.
func rename(given string) (string, error) {
	invalid := func(why, want string) (string, error) {
		return "", fmt.Errorf("%w: invalid name %q: %s (want for example %q)", config.ErrUsage, given, why, want)
	}
	var b strings.Builder
	letters := false
	for _, r := range given {
		switch {
		case r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(unicode.ToLower(r))
			letters = letters || unicode.IsLetter(r)
		case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			return invalid(fmt.Sprintf("Go allows only English letters and digits in the path of a module, not %q", r), "mywork")
		}
	}
	name := b.String()
	switch {
	case !letters:
		return invalid("a name has at least one English letter", "mywork"+name)
	case len(name) > maxName:
		return invalid(fmt.Sprintf("a name has at most %d letters and digits", maxName), "mywork")
	case token.IsKeyword(name), slices.Contains(goNames, name), windowsPort.MatchString(name):
		return invalid(fmt.Sprintf("%s means something else to Go or to Windows", name), "my"+name)
	}
	return name, nil
}

// checkout returns the directory of the source that a file of this package is in, "" if that is not there, or is a module
// that Go has fetched: its version can be required.
func checkout(file string) string {
	dir := file
	for range 4 { // app/internal/project/project.go
		dir = filepath.Dir(dir)
	}
	if !filepath.IsAbs(file) || strings.Contains(filepath.Base(dir), "@v") {
		return ""
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return ""
	}
	return dir
}

// A version that go.mod can require, and one that stands for a revision rather than a release.
var (
	semanticVersion = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	pseudoVersion   = regexp.MustCompile(`[-.]\d{14}-[0-9a-f]{12}$`)
)

// requirement returns what go.mod requires, and the source that replaces it, if any: a release is required as it is, and
// a program of a revision is replaced by the source that it was built from, as long as that is there.
func requirement(version, source string) (required, replaced string) {
	if version != "" && version[0] >= '0' && version[0] <= '9' { // as packages have it
		version = "v" + version
	}
	switch known := semanticVersion.MatchString(version); {
	case known && !pseudoVersion.MatchString(version):
		return version, ""
	case source != "":
		return unversioned, source
	case known:
		return version, ""
	}
	return unversioned, ""
}

// Write writes the files, and nothing over what is there.
func (p project) Write() error {
	if entries, err := os.ReadDir(p.Name); err == nil && len(entries) > 0 {
		return fmt.Errorf("%w: the directory %s is not empty; choose another name, or remove it", config.ErrUsage, p.Name)
	} else if info, serr := os.Stat(p.Name); serr == nil && !info.IsDir() {
		return fmt.Errorf("%w: a file %s exists; choose another name", config.ErrUsage, p.Name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Join(p.Name, "work"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"main.go": initMain, "app.toml": initConfig, "go.mod": initModule,
		"work/" + p.Name + ".go": initWork, "work/" + p.Name + "_test.go": initTest,
	} {
		t, err := template.New(name).Parse(text)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(p.Name, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// A Stage is how far Build has come.
type Stage int

// The stages, in order.
const (
	NoGo     Stage = iota // there is no go command
	Fetching              // the modules are looked for
	Building              // they were found
	Built
)

// Build finds the modules that the project needs, and builds it. It returns the stage at which it ended.
func (p project) Build(ctx context.Context, errs io.Writer) (Stage, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return NoGo, errors.New("no go command in PATH")
	}
	for i, args := range [][]string{{"mod", "tidy"}, {"build", "-o", os.DevNull, "./..."}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = p.Name
		cmd.Stderr = errs
		if err := cmd.Run(); err != nil {
			return Fetching + Stage(i), fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
	}
	return Built, nil
}

// Workspace returns the go.work above the project, "" if there is none.
func (p project) Workspace(ctx context.Context) string {
	cmd := exec.CommandContext(ctx, "go", "env", "GOWORK")
	cmd.Dir = p.Name
	out, err := cmd.Output()
	if file := strings.TrimSpace(string(out)); err == nil && file != "off" {
		return file
	}
	return ""
}

const module = "gitee.com/ken.yang/xconsumer"

// Origin says why go.mod has a replace directive and what to do before others use the project; "" if it has none.
func (p project) Origin() string {
	if p.Source == "" {
		return ""
	}
	return fmt.Sprintf(`go.mod has a replace directive: this program was built from a checkout, and is not a release that go.mod could require.
The directive names the checkout, %[1]s, which other machines do not have. To require a release instead, run in %[2]s:
  go mod edit -dropreplace %[3]s && go get %[3]s@latest
`, p.Source, p.Name, module)
}

// Remedy says what to do about a project that does not build.
func (p project) Remedy(stage Stage, workspace string) string {
	const build = "go mod tidy && go build ./..."
	inside := "  cd " + p.Name + " && "
	copied := "With a copy of its source in DIRECTORY:\n" + inside + "go mod edit -replace " + module + "=DIRECTORY && " + build
	kept := fmt.Sprintf("The files stay in %s. ", p.Name)
	switch {
	case stage == NoGo:
		return kept + "Install Go (https://go.dev/dl), then run:\n" + inside + build
	case stage == Building && workspace != "":
		return kept + fmt.Sprintf(
			"They are below the workspace %s, which does not include them. Run here:\n  go work use ./%s",
			workspace,
			p.Name,
		)
	case stage == Building:
		return kept + "Go found their modules, and reports above what is wrong. Then run:\n" + inside + "go build ./..."
	case p.Source != "":
		return kept + "Go reports above what is wrong. Then run:\n" + inside + build
	case p.Version == unversioned:
		return kept + "This program has no version that go.mod could require. With network, run:\n" +
			inside + "go get " + module + "@latest && " + build + "\n" + copied
	}
	return kept + fmt.Sprintf(`go.mod requires %[1]s %[2]s, the version of this program.
If Go cannot fetch it, or a module that it needs, do one of these.
Through another module proxy:
  cd %[3]s && GOPROXY=https://goproxy.cn,direct %[4]s
Without network: copy %[3]s to a machine that has network, run there
  cd %[3]s && go mod tidy && go mod vendor
and copy it back: go build ./... then fetches nothing.
%[5]s`, module, p.Version, p.Name, build, copied)
}
