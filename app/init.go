package app

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"
	"unicode"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/internal/cli"
)

// The files of a new project.
var (
	//go:embed init/main.go.tmpl
	initMain string
	//go:embed init/work.go.tmpl
	initWork string
	//go:embed init/app.toml.tmpl
	initConfig string
	//go:embed init/go.mod.tmpl
	initModule string
)

func initCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use: "init NAME", Short: "Writes a small Go project with a work of its own into the directory NAME",
		Example: "  xconsumer init mywork && cd mywork && go run . dev",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: name the project; see %s --help", errUsage, c.CommandPath())
			}
			return nil
		},
	}
	cli.YesFlag(c, new(bool))
	c.RunE = func(c *cobra.Command, args []string) error {
		p, err := newProject(args[0])
		if err != nil {
			return err
		}
		if err := p.write(); err != nil {
			return err
		}
		fmt.Fprintf(streams.Out, "%s: main.go, work/%s.go, app.toml and go.mod are written\n", p.Dir, p.Work)
		if err := p.tidy(c.Context(), streams); err != nil {
			fmt.Fprintf(streams.Err, "xconsumer: go mod tidy has failed: %v\nMend that, and run it in %s.\n", err, p.Dir)
		}
		_, err = fmt.Fprintf(streams.Out, "Try it:\n  cd %s\n  go run . dev\n", p.Dir)
		return err
	}
	return c
}

// project is what the files are made from.
type project struct {
	Dir     string
	Module  string
	Work    string // as in app.toml
	Method  string // Run<Method>
	Version string // of xconsumer
	Source  string // directory with its source, of a program that was built from there
}

func newProject(name string) (p project, err error) {
	base := filepath.Base(filepath.Clean(name))
	work := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return -1
	}, base)
	if work == "" || !unicode.IsLetter(rune(work[0])) || token.IsKeyword(strings.ToLower(work)) {
		return p, fmt.Errorf("%w: %q: want a name that begins with a letter, such as mywork", errUsage, name)
	}
	p = project{Dir: name, Module: base, Work: strings.ToLower(work[:1]) + work[1:], Method: strings.ToUpper(work[:1]) + work[1:], Version: buildVersion().Version}
	if strings.HasPrefix(p.Version, "(") || strings.Contains(p.Version, "+dirty") || strings.HasPrefix(p.Version, "v0.0.0-") {
		p.Version = "v0.0.0"
		if _, file, _, ok := runtime.Caller(0); ok {
			p.Source = filepath.Dir(filepath.Dir(file))
		}
		if _, err := os.Stat(filepath.Join(p.Source, "go.mod")); err != nil || !filepath.IsAbs(p.Source) {
			p.Source = ""
		}
	}
	return p, nil
}

// write writes the files, and nothing over what is there.
func (p project) write() error {
	if entries, err := os.ReadDir(p.Dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%w: %s is not empty; name another directory", errUsage, p.Dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Join(p.Dir, "work"), 0o755); err != nil {
		return err
	}
	for name, text := range map[string]string{"main.go": initMain, "work/" + p.Work + ".go": initWork, "app.toml": initConfig, "go.mod": initModule} {
		t, err := template.New(name).Parse(text)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, p); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(p.Dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tidy finds the modules that the project needs.
func (p project) tidy(ctx context.Context, streams Streams) error {
	if _, err := exec.LookPath("go"); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "mod", "tidy")
	cmd.Dir = p.Dir
	cmd.Stderr = streams.Err
	return cmd.Run()
}
