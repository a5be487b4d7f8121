package mutants_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// built is a package as the go command lists it.
type built struct {
	ImportPath, Dir, Export string
	ForTest                 string
	GoFiles, TestGoFiles    []string
}

// listPackages returns the packages of the module by their directories, and the files with the types of all imported packages by
// import path. The go command builds those that are not in its cache.
func listPackages(t *testing.T) (byDir map[string]built, exports map[string]string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-test", "-deps", "-export", "-json=ImportPath,Dir,Export,ForTest,GoFiles,TestGoFiles", "./...")
	list.Dir = root
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	byDir, exports = map[string]built{}, map[string]string{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p built
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return byDir, exports
		}
		if err != nil {
			t.Fatal(err)
		}
		if p.ForTest == "" && !strings.HasSuffix(p.ImportPath, ".test") {
			byDir[p.Dir], exports[p.ImportPath] = p, p.Export
		}
	}
}

// Every mutant compiles: one that does not would be red without a test that finds it. The changed package is checked together with its
// own tests, against the packages that it imports as they are.
func TestMutantsCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all packages that are not in the cache")
	}
	byDir, exports := listPackages(t)
	fset := token.NewFileSet()
	imports := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s is not among the listed packages", path)
		}
		return os.Open(exports[path])
	})
	parsed := map[string]*ast.File{} // by path, without changes
	for _, m := range mutants {
		changed, err := m.changed()
		if err != nil {
			t.Error(err)
			continue
		}
		dirs := map[string]bool{}
		for path := range changed {
			dirs[filepath.Dir(path)] = true
		}
		for dir := range dirs {
			p, known := byDir[dir]
			if !known {
				t.Errorf("%s: no package is in %s", m.name, dir)
				continue
			}
			if err := check(fset, p, imports, changed, parsed); err != nil {
				t.Errorf("%s, %s: %v", m.hole, m.name, err)
			}
		}
	}
}

// check returns why a package with changed files does not compile, nil if it does.
func check(fset *token.FileSet, p built, imports types.Importer, changed map[string]string, parsed map[string]*ast.File) error {
	var files []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles) {
		path := filepath.Join(p.Dir, name)
		file := parsed[path]
		var text any // nil: the file
		source, is := changed[path]
		if is {
			text = source
		}
		if is || file == nil {
			var err error
			file, err = parser.ParseFile(fset, path, text, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			if !is {
				parsed[path] = file
			}
		}
		files = append(files, file)
	}
	conf := types.Config{Importer: imports, FakeImportC: true}
	_, err := conf.Check(p.ImportPath, fset, files, nil)
	return err
}
