package house_test

import (
	"go/ast"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// logCalls are the functions and methods of slog that take keys, with how many arguments come before the first one.
var logCalls = map[string]int{
	"Debug": 1, "Info": 1, "Warn": 1, "Error": 1,
	"DebugContext": 2, "InfoContext": 2, "WarnContext": 2, "ErrorContext": 2,
	"Log": 3, "With": 0,
}

// attrCalls are slog's functions that make one attribute of a key.
var attrCalls = []string{"Any", "Bool", "Duration", "Float64", "Group", "Int", "Int64", "String", "Time", "Uint64"}

// logPages are the pages that list the keys.
var logPages = []string{"docs/guides/operations.md", "docs/zh/guides/operations.md"}

// What the program writes into its log has the keys that docs/guides/operations.md lists, in both languages, and no others:
// whoever searches the logs of a fleet knows one word for one thing.
func TestLogKeys(t *testing.T) {
	atRoot(t)
	used := map[string]string{} // key → where
	for _, src := range sources(t) {
		if src.test() || !logs(src.path) {
			continue
		}
		for key, at := range keysOf(src.file) {
			if used[key] == "" {
				used[key] = src.at(at)
			}
		}
	}
	for _, page := range logPages {
		listed := listedKeys(t, page)
		for _, key := range slices.Sorted(maps.Keys(used)) {
			if !slices.Contains(listed, key) {
				t.Errorf("%s: the log key %q is not in the list of %s: use a key of that list, or add this one", used[key], key, page)
			}
		}
		for _, key := range listed {
			if used[key] == "" {
				t.Errorf("%s lists the log key %q, which nothing uses", page, key)
			}
		}
	}
}

// logs reports whether a file is part of what writes the program's log. Works write logs of their own, with keys of their own.
func logs(path string) bool {
	for _, prefix := range []string{"work/", "test/", "bench/", "examples/", "deploy/", "xconsumertest/"} {
		if strings.HasPrefix(path, prefix) {
			return false
		}
	}
	return true
}

// keysOf returns the keys that a file logs with.
func keysOf(file *ast.File) map[string]ast.Node {
	out := map[string]ast.Node{}
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if key, err := strconv.Unquote(lit.Value); err == nil {
				out[key] = e
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if first, ok := logCalls[sel.Sel.Name]; ok {
			for i := first; i < len(call.Args); i += 2 {
				add(call.Args[i])
			}
		}
		if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "slog" && slices.Contains(attrCalls, sel.Sel.Name) && len(call.Args) > 0 {
			add(call.Args[0])
		}
		return true
	})
	return out
}

// keyRow is a line of the list: keys in its first cell.
var keyRow = regexp.MustCompile("^\\| (`[a-zA-Z]+`(?:, `[a-zA-Z]+`)*) \\|")

// listedKeys returns the keys of a page's list, which stands between two marks.
func listedKeys(t *testing.T, page string) []string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- log keys -->\n", "<!-- end of log keys -->\n"
	_, rest, ok := strings.Cut(string(text), begin)
	list, _, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no list of log keys between %q and %q", page, begin, end)
	}
	var out []string
	for line := range strings.Lines(list) {
		m := keyRow.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for key := range strings.SplitSeq(m[1], ", ") {
			key = strings.Trim(key, "`")
			if slices.Contains(out, key) {
				t.Errorf("%s lists the log key %q twice", page, key)
			}
			out = append(out, key)
		}
	}
	if len(out) == 0 {
		t.Fatalf("%s lists no log keys", page)
	}
	return out
}
