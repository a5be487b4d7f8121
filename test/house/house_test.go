// Package house_test holds the rules of this house, about the text of its files: which package imports which, how long
// a package gets, which words its sentences avoid, what its documents say twice.
//
// Every rule reads the files themselves. A test that asked the go command would stay green from its cache while somebody
// breaks the rule.
package house_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// atRoot has the test run in the module's root, where all paths of this package start. A test changes its folder itself,
// and not TestMain for all: the go command sees only what tests open while they run, and would answer from its cache
// although files have changed.
func atRoot(t *testing.T) {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
}

// notOurs are folders with files that others wrote, or that no rule is about.
var notOurs = []string{"vendor", "testdata", "node_modules", "bin"}

// textFiles returns the files below the root whose names end in one of the extensions, sorted. Files of others are left
// out: vendored ones, and whole folders whose names begin with a dot.
func textFiles(t *testing.T, extensions ...string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(notOurs, d.Name())) {
			return fs.SkipDir
		}
		if !d.IsDir() && slices.Contains(extensions, filepath.Ext(path)) {
			out = append(out, filepath.ToSlash(path))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no files with %v below the root", extensions)
	}
	return out
}

// A source is one parsed Go file.
type source struct {
	path  string // from the root
	lines int
	file  *ast.File
	fset  *token.FileSet
}

// at returns where a node begins, as file:line.
func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// folder returns the folder of the file, "." for the root.
func (s source) folder() string { return filepath.ToSlash(filepath.Dir(s.path)) }

// test reports whether the file is compiled for tests only.
func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// sources parses every Go file of the repository, also those of its other modules.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	for _, path := range textFiles(t, ".go") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, source{path: path, lines: bytes.Count(text, []byte("\n")), file: file, fset: fset})
	}
	return out
}
