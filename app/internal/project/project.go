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

	"gitee.com/ken.yang/xconsumer/app/internal/config"
)

// The files of a new project.
var (
	//go:embed files/main.go.tmpl
	initMain string
	//go:embed files/work.go.tmpl
	initWork string
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

// projectName is what may be the name of a directory, a module, a task and a work, with a method Run<Name>.
var projectName = regexp.MustCompile(`^[a-z][a-zA-Z0-9]{0,60}$`)

// goNames are names by which Go, or a file system, means something else.
var goNames = strings.Fields(`all cmd main std tool vendor work
	archive bufio builtin bytes cmp compress container context crypto database debug embed encoding errors expvar flag fmt go hash
	html image index internal io iter log maps math mime net os path plugin reflect regexp runtime slices sort strconv strings structs
	sync syscall testing text time unicode unique unsafe weak aux con nul prn`)

// New returns a project by the name, made for a version of this module. The error matches config.ErrUsage if the name cannot be used.
func New(name, version string) (p project, err error) {
	switch {
	case strings.ContainsAny(name, `/\`):
		return p, fmt.Errorf("%w: %q: want a name, not a path: run init in the directory that it is to be in", config.ErrUsage, name)
	case !projectName.MatchString(name):
		return p, fmt.Errorf(
			"%w: %q: want a small letter and then letters and digits, such as mywork: it names the directory, the module, the task and the work",
			config.ErrUsage,
			name,
		)
	case token.IsKeyword(name) || slices.Contains(goNames, name):
		return p, fmt.Errorf("%w: %q means something else to Go: choose another name, such as my%[2]s", config.ErrUsage, name)
	}
	p = project{Name: name, Method: strings.ToUpper(name[:1]) + name[1:]}
	_, file, _, _ := runtime.Caller(0)
	p.Version, p.Source = requirement(version, checkout(file))
	return p, nil
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
		return fmt.Errorf("%w: %s is not empty; choose another name", config.ErrUsage, p.Name)
	} else if info, serr := os.Stat(p.Name); serr == nil && !info.IsDir() {
		return fmt.Errorf("%w: there is a file %s already; choose another name", config.ErrUsage, p.Name)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Join(p.Name, "work"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"main.go": initMain, "work/" + p.Name + ".go": initWork, "app.toml": initConfig, "go.mod": initModule,
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

// Build finds the modules that the project needs, and builds it. It reports whether the modules were found.
func (p project) Build(ctx context.Context, errs io.Writer) (tidied bool, err error) {
	if _, err := exec.LookPath("go"); err != nil {
		return false, errors.New("no go command: install Go, then run go mod tidy && go build ./... there")
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", os.DevNull, "./..."}} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = p.Name
		cmd.Stderr = errs
		if err := cmd.Run(); err != nil {
			return tidied, fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
		}
		tidied = true
	}
	return true, nil
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

// Remedy says what to do about a project that does not build.
func (p project) Remedy(tidied bool, workspace string) string {
	const module = "gitee.com/ken.yang/xconsumer"
	replace := fmt.Sprintf("  go mod edit -replace %s=DIRECTORY && go mod tidy    # with a copy of its source", module)
	switch {
	case tidied && workspace != "":
		return fmt.Sprintf("It is below the workspace %s, which does not have it. Run here:\n  go work use ./%s", workspace, p.Name)
	case tidied:
		return "See above what Go says; its modules were found. Then run there: go build ./..."
	case p.Source != "":
		return "See above what Go says; then run there: go mod tidy"
	case p.Version == unversioned:
		return fmt.Sprintf(
			"This program knows no version of its own. In %s, name one or take a copy of the source:\n  go get %s@latest\n%s",
			p.Name,
			module,
			replace,
		)
	}
	return fmt.Sprintf(
		"go.mod requires %s %s, the version of this program. If Go cannot fetch it, give it a source, in %s:\n%s",
		module,
		p.Version,
		p.Name,
		replace,
	)
}
