package docs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"gitee.com/ken.yang/xconsumer/test/docs"
)

const root = "../.."

func pages(t *testing.T) []docs.Page {
	t.Helper()
	found, err := docs.Pages(root)
	if err != nil || len(found) < 20 {
		t.Fatalf("%d pages: %v", len(found), err)
	}
	return found
}

func TestBlocks(t *testing.T) {
	const text = "# A page\n\n<!-- test: file main.go -->\n<!-- test: prelude\nvar x int\n-->\n```go\npackage main\n```\n" +
		"1. A step:\n\n   <!-- test: run -->\n   ```sh\n   ls\n     pwd\n   ```\n\n<!-- test: skip there is no such tool here -->\n```toml title\na = 1\n```\n" +
		"<!-- test: terminal true -->\n```\n```\n<!-- test: fly -->\n```\n```\n"
	want := []docs.Block{
		{Page: "p", Line: 7, Language: "go", File: "main.go", Prelude: "var x int", Text: "package main\n"},
		{Page: "p", Line: 13, Language: "sh", Run: true, Text: "ls\n  pwd\n"},
		{Page: "p", Line: 19, Language: "toml", Skip: "there is no such tool here", Text: "a = 1\n"},
		{Page: "p", Line: 23, Until: "true"},
		{Page: "p", Line: 26, Unknown: "fly"},
	}
	if diff := cmp.Diff(want, docs.Blocks("p", text)); diff != "" {
		t.Error(diff)
	}
}

// Every block is in a language that a test knows, and says nothing to tests that they do not know.
func TestDirectives(t *testing.T) {
	skipped := 0
	for _, page := range pages(t) {
		for _, b := range page.Blocks {
			at := fmt.Sprintf("%s:%d", b.Page, b.Line)
			if b.Unknown != "" {
				t.Errorf("%s: unknown directive %q", at, b.Unknown)
			}
			if b.Skip != "" {
				skipped++
			}
			if (b.Run || b.Until != "") && b.Language != "sh" {
				t.Errorf("%s: a block of %q is to run: only sh does", at, b.Language)
			}
			if !slices.Contains(languages, b.Language) {
				t.Errorf("%s: unknown language %q (known: %v)", at, b.Language, languages)
			}
		}
	}
	if skipped > 10 {
		t.Errorf("%d blocks are skipped, more than 10", skipped)
	}
}

// languages are those that blocks may be in. What is only text has no check.
var languages = []string{"", "go", "sh", "console", "toml", "json", "yaml", "python", "ini", "sql", "text", "javascript", "ts", "promql", "diff"}

// What has a parser is parsed.
func TestSyntax(t *testing.T) {
	seen := map[string]int{}
	for _, page := range pages(t) {
		for _, b := range page.Blocks {
			check := syntax[b.Language]
			if check == nil || b.Skip != "" {
				continue
			}
			seen[b.Language]++
			if err := check(b.Text); err != nil {
				t.Errorf("%s:%d: %s: %v", b.Page, b.Line, b.Language, err)
			}
		}
	}
	if seen["sh"] < 10 {
		t.Errorf("only %v were found", seen)
	}
}

var syntax = map[string]func(text string) error{
	"sh": func(text string) error { return program(text, "bash", "-n") },
	"python": func(text string) error {
		return program(text, "python3", "-c", "import ast, sys; ast.parse(sys.stdin.read())")
	},
	"json": func(text string) error { return decode(json.NewDecoder(strings.NewReader(text))) },
	"yaml": func(text string) error { return decode(yaml.NewDecoder(strings.NewReader(text))) },
}

// decode reads all values of a text.
func decode(decoder interface{ Decode(value any) error }) error {
	for {
		var value any
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func program(stdin, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// Every block of Go compiles, with the examples' modules: a whole file as it is; declarations and statements with the
// imports that they need.
func TestGo(t *testing.T) {
	build, blocks := newGoBuild(t), 0
	for _, page := range pages(t) {
		for i, b := range page.Blocks {
			if b.Language == "go" && b.Skip == "" {
				blocks++
				if err := build.add(b, i); err != nil {
					t.Errorf("%s:%d: %v", b.Page, b.Line, err)
				}
			}
		}
	}
	if blocks < 5 {
		t.Errorf("only %d blocks of Go were found", blocks)
	}
	if out, err := build.run(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What does not compile is found, whichever form it has, with its place in the page.
func TestGoFindsMistakes(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       string // of what the compiler says
	}{
		{name: "a file", text: "package p\n\nvar x int = \"a\"\n", want: "page.md:13: cannot use"},
		{name: "declarations", text: "func f() error {\n\treturn fmt.Errorf(\"x\")\n}\n"},
		{name: "an unknown function", text: "func f() error {\n\treturn fmt.Mistake()\n}\n", want: "undefined: fmt.Mistake"},
		{name: "an import", text: "import \"fmt\"\n\nfunc f() { fmt.Print(os.Args) }\n"},
		{name: "statements", text: "var c xconsumer.Config\nnode, err := xconsumer.New(mem.New(mem.Config{}).Client(), c)\n"},
		{name: "an unknown name", text: "node := xconsumer.Old()\n", want: "undefined: xconsumer.Old"},
		{name: "no Go", text: "node :=\n", want: "neither declarations"},
	} {
		t.Run(c.name, func(t *testing.T) {
			build := newGoBuild(t)
			err := build.add(docs.Block{Page: "page.md", Line: 10, Language: "go", Text: c.text}, 0)
			var out []byte
			if err == nil {
				out, err = build.run()
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(string(out)+err.Error(), c.want) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func newGoBuild(t *testing.T) *goBuild {
	t.Helper()
	examples, err := filepath.Abs(filepath.Join(root, "examples"))
	if err != nil {
		t.Fatal(err)
	}
	return &goBuild{dir: examples, temp: t.TempDir(), overlay: map[string]string{}, std: standard(t)}
}

// goBuild is what one call of the compiler builds: packages that stand in the documents alone, seen by the compiler as
// folders of the module of the examples.
type goBuild struct {
	dir, temp string
	overlay   map[string]string // the files as the compiler sees them, and where they are
	packages  []string
	std       map[string]string // the standard library: names of packages and their paths
}

// module is where the packages of a page are, as others import them: "example.com/mail/work/mail" is work/mail/mail.go, and
// "mail/work" is what is in work, as `xconsumer init mail` has it.
var module = regexp.MustCompile(`"(example\.com/[a-z0-9]+(/[a-z0-9/]+)?|mail/[a-z0-9/]+)"`)

func (g *goBuild) add(b docs.Block, number int) error {
	folder := "pages/" + strings.NewReplacer("/", "_", ".", "_", "-", "_").Replace(strings.TrimSuffix(b.Page, ".md"))
	name := fmt.Sprintf("block%d/block.go", number)
	if b.File != "" {
		name = "files/" + b.File
	}
	text, err := g.file(b)
	if err != nil {
		return err
	}
	text = module.ReplaceAllStringFunc(text, func(quoted string) string {
		_, below, _ := strings.Cut(strings.TrimPrefix(strings.Trim(quoted, `"`), "example.com/"), "/")
		return strconv.Quote(path.Join("gitee.com/ken.yang/xconsumer/examples", folder, "files", below))
	})
	g.write(folder+"/"+name, fmt.Sprintf("//line %s:%d\n%s", path.Base(b.Page), b.Line+1, text))
	if b.Prelude != "" {
		parsed, err := parser.ParseFile(token.NewFileSet(), "", text, parser.PackageClauseOnly)
		if err != nil {
			return err
		}
		prelude, err := g.declarations(parsed.Name.Name, b.Prelude)
		if err != nil {
			return fmt.Errorf("prelude: %w", err)
		}
		g.write(folder+"/"+path.Dir(name)+"/prelude.go", prelude)
	}
	if p := "./" + path.Dir(folder+"/"+name); !slices.Contains(g.packages, p) {
		g.packages = append(g.packages, p)
	}
	return nil
}

func (g *goBuild) write(name, text string) {
	file := filepath.Join(g.temp, fmt.Sprintf("%d.go", len(g.overlay)))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err)
	}
	g.overlay[filepath.Join(g.dir, filepath.FromSlash(name))] = file
}

// file returns a block as a file.
func (g *goBuild) file(b docs.Block) (string, error) {
	if strings.HasPrefix(b.Text, "package ") || strings.Contains(b.Text, "\npackage ") {
		return b.Text, nil
	}
	text, err := g.declarations("block", b.Text)
	if err == nil {
		return text, nil
	}
	text, wrapped := g.declarations("block", "func _() {\n"+b.Text+"}\n")
	if wrapped != nil {
		return "", fmt.Errorf("neither declarations (%w) nor statements (%w)", err, wrapped)
	}
	return text, nil
}

// declarations returns a file with the imports that its declarations need, and uses of what its statements declare.
func (g *goBuild) declarations(name, text string) (string, error) {
	text = "package " + name + "; " + text
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "", text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	if statements, single := file.Decls[len(file.Decls)-1].(*ast.FuncDecl); single && statements.Name.Name == "_" {
		statements.Body.List = append(statements.Body.List, uses(statements.Body)...)
	}
	imported := &ast.GenDecl{Tok: token.IMPORT}
	for _, one := range file.Unresolved {
		p, found := own[one.Name]
		if !found {
			p, found = g.std[one.Name]
		}
		written := slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(p) })
		if !found || written || !qualifies(file, one) {
			continue
		}
		spec := &ast.ImportSpec{Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(p)}}
		if !slices.ContainsFunc(imported.Specs, func(s ast.Spec) bool { return pathOf(s) == spec.Path.Value }) {
			imported.Specs = append(imported.Specs, spec)
		}
	}
	if len(imported.Specs) == 0 {
		return text, nil
	}
	var out bytes.Buffer
	if err := format.Node(&out, fset, file); err != nil {
		return "", err
	}
	var head strings.Builder
	for _, s := range imported.Specs {
		fmt.Fprintf(&head, "; import %s", pathOf(s))
	}
	return strings.Replace(out.String(), "package "+name, "package "+name+head.String(), 1), nil
}

// pathOf returns the quoted path of an import.
func pathOf(spec ast.Spec) string {
	if i, ok := spec.(*ast.ImportSpec); ok {
		return i.Path.Value
	}
	return ""
}

// own are the packages that documents use and the standard library has not.
var own = map[string]string{
	"xconsumer":     "gitee.com/ken.yang/xconsumer",
	"app":           "gitee.com/ken.yang/xconsumer/app",
	"client":        "gitee.com/ken.yang/xconsumer/client",
	"cluster":       "gitee.com/ken.yang/xconsumer/cluster",
	"coord":         "gitee.com/ken.yang/xconsumer/coord",
	"etcd":          "gitee.com/ken.yang/xconsumer/coord/etcd",
	"zk":            "gitee.com/ken.yang/xconsumer/coord/zk",
	"mem":           "gitee.com/ken.yang/xconsumer/coord/mem",
	"xconsumertest": "gitee.com/ken.yang/xconsumer/xconsumertest",
	"redis":         "github.com/redis/go-redis/v9",
	"rand":          "math/rand/v2",
	"template":      "text/template",
}

// qualifies reports whether a name stands before a dot somewhere in the file.
func qualifies(file *ast.File, name *ast.Ident) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if base, ok := s.X.(*ast.Ident); ok && base.Name == name.Name && base.Obj == nil {
				found = true
			}
		}
		return !found
	})
	return found
}

// uses returns statements that use what the statements of a block declare, so that the compiler does not miss it.
func uses(body *ast.BlockStmt) (out []ast.Stmt) {
	use := func(name *ast.Ident) {
		if name.Name != "_" {
			out = append(out, &ast.AssignStmt{Lhs: []ast.Expr{ast.NewIdent("_")}, Tok: token.ASSIGN, Rhs: []ast.Expr{ast.NewIdent(name.Name)}})
		}
	}
	for _, statement := range body.List {
		switch s := statement.(type) {
		case *ast.AssignStmt:
			for _, left := range s.Lhs {
				if name, ok := left.(*ast.Ident); ok && s.Tok == token.DEFINE {
					use(name)
				}
			}
		case *ast.DeclStmt:
			declared, _ := s.Decl.(*ast.GenDecl)
			for _, spec := range declared.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, name := range v.Names {
						use(name)
					}
				}
			}
		}
	}
	return out
}

// run compiles all packages.
func (g *goBuild) run() ([]byte, error) {
	overlay, err := json.Marshal(map[string]any{"Replace": g.overlay})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(g.temp, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", append([]string{"build", "-overlay", file, "-o", os.DevNull}, g.packages...)...)
	cmd.Dir = g.dir
	return cmd.CombinedOutput()
}

// standard returns the names of the packages of the standard library, with their paths.
func standard(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "std").Output()
	if err != nil {
		t.Fatal(err)
	}
	std := map[string]string{}
	for line := range strings.Lines(string(out)) {
		p := strings.TrimSpace(line)
		if name := path.Base(p); !strings.Contains(p, "internal") && !strings.Contains(p, "vendor") && (std[name] == "" || len(p) < len(std[name])) {
			std[name] = p
		}
	}
	return std
}
