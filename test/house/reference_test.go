package house_test

import (
	"cmp"
	"go/ast"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// The reference of events lists every kind of event, every step and every reason that the code has, in the order of the code,
// and no others.
func TestReferenceOfEvents(t *testing.T) {
	atRoot(t)
	const page = "docs/reference/events.md"
	for heading, typeName := range map[string]string{
		"Kinds of events": "EventKind",
		"Steps":           "Step",
		"Reasons":         "ReasonCode",
	} {
		if diff := gocmp.Diff(constantsOf(t, "cluster", typeName), firstCells(t, page, heading)); diff != "" {
			t.Errorf("%s, %q: the code has -, the page +:\n%s", page, heading, diff)
		}
	}
}

// The reference of the store describes every key that the schema makes, and no other one.
func TestReferenceOfStore(t *testing.T) {
	atRoot(t)
	const page = "docs/reference/store.md"
	keys := []string{"election/X-n_X"} // the service adds the sequence, so no function makes the whole key
	parents := map[string]bool{}
	for of, method := range reflect.ValueOf(schema.NewKeys("X")).Methods() {
		args := []reflect.Value{}
		for at := range of.Type.NumIn() - 1 {
			args = append(args, sample(t, of.Type.In(at+1)))
		}
		key, below := strings.CutPrefix(method.Call(args)[0].String(), "/xconsumer/X/")
		key = strings.ReplaceAll(key, "/0", "/X")
		switch {
		case !below: // the root
		case len(args) == 0:
			parents[key] = true
		default:
			keys = append(keys, key)
		}
	}
	for parent := range parents { // one that has keys below it is a record only if it is not their parent
		if !slices.ContainsFunc(keys, func(key string) bool { return strings.HasPrefix(key, parent+"/") }) {
			keys = append(keys, parent)
		}
	}
	var described []string
	for _, key := range firstCells(t, page, "Keys") {
		described = append(described, placeholder.ReplaceAllString(key, "X"))
	}
	slices.Sort(keys)
	slices.Sort(described)
	if diff := gocmp.Diff(keys, described); diff != "" {
		t.Errorf("%s: the schema has -, the page +:\n%s", page, diff)
	}
}

// placeholder stands for a name in a key of the reference.
var placeholder = regexp.MustCompile(`[A-Z]+`)

// sample returns what a key function is called with.
func sample(t *testing.T, of reflect.Type) reflect.Value {
	t.Helper()
	switch of {
	case reflect.TypeFor[string]():
		return reflect.ValueOf("X")
	case reflect.TypeFor[cluster.Slot]():
		return reflect.ValueOf(cluster.Slot{Task: "X"})
	case reflect.TypeFor[int64]():
		return reflect.ValueOf(int64(0))
	}
	t.Fatalf("a key function takes %v, which this test does not know", of)
	return reflect.Value{}
}

// constantsOf returns the values of the constants of a type that a folder declares, in their order.
func constantsOf(t *testing.T, folder, typeName string) (values []string) {
	t.Helper()
	for _, src := range sources(t) {
		if src.folder() != folder || src.test() {
			continue
		}
		for _, decl := range src.file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				value, ok := spec.(*ast.ValueSpec)
				if !ok || len(value.Values) != 1 {
					continue
				}
				name, named := value.Type.(*ast.Ident)
				text, literal := value.Values[0].(*ast.BasicLit)
				if !named || name.Name != typeName || !literal {
					continue
				}
				unquoted, err := strconv.Unquote(text.Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, unquoted)
			}
		}
	}
	return values
}

// firstCells returns the first cells of the tables below a heading of a page, without their back quotes; headers are left out.
func firstCells(t *testing.T, page, heading string) (cells []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		rest, isRow := strings.CutPrefix(line, "| `")
		cell, _, ends := strings.Cut(rest, "` |")
		if isRow && ends {
			cells = append(cells, cell)
		}
	}
	return cells
}

// What the guide of troubleshooting quotes is what the program says: each message, in the first cell of a table, consists of
// texts of the code, with … for what differs.
func TestTroubleshootingQuotes(t *testing.T) {
	atRoot(t)
	said := textsOfTheCode(t)
	for _, page := range []string{"docs/guides/troubleshooting.md", "docs/zh/guides/troubleshooting.md"} {
		checkQuotes(t, page, said)
	}
}

// checkQuotes checks the quotes of a page against the texts of the code.
func checkQuotes(t *testing.T, page, said string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	for line := range strings.Lines(string(text)) {
		cell, _, isRow := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !isRow || !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, quote := range quoted.FindAllStringSubmatch(cell, -1) {
			for part := range strings.SplitSeq(quote[1], "…") {
				part = strings.Trim(part, " :;,")
				if !strings.Contains(part, " ") {
					continue // a name, or a word between two that differ
				}
				quotes++
				if !strings.Contains(said, part) {
					t.Errorf("%s quotes %q, which nothing says", page, part)
				}
			}
		}
	}
	if quotes < 50 {
		t.Errorf("%s: only %d texts are quoted", page, quotes)
	}
}

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	verb   = regexp.MustCompile(`%(\[\d\])?[-+#.*\d]*[a-z]`)
)

// textsOfTheCode returns the texts in the program, a line each: those that are joined by + as one, and with … for what is
// filled in.
func textsOfTheCode(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, src := range sources(t) {
		if src.test() {
			continue
		}
		ast.Inspect(src.file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if text, ok := textOf(e); ok {
					all.WriteString(verb.ReplaceAllString(text, "…") + "\n")
				}
			}
			return true
		})
	}
	return all.String()
}

// textOf returns the text that an expression is, with … for what is not a literal; none if nothing of it is one.
func textOf(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		left, isLeft := textOf(e.X)
		right, isRight := textOf(e.Y)
		if e.Op == token.ADD && (isLeft || isRight) {
			return cmp.Or(left, "…") + cmp.Or(right, "…"), true
		}
	}
	return "", false
}
