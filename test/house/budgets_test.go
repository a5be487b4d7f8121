package house_test

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// What one reader can keep in mind: a type, a package of the engine, any package.
const (
	maxMethods   = 30
	maxEngine    = 2000 // lines below internal/
	maxElsewhere = 3500 // lines of every other package
)

// overMethods and overLines are what was above its budget when the rule came, with what it has. They only shrink.
var (
	overMethods = map[string]int{}
	overLines   = map[string]int{}
)

// No type has more methods than a reader can keep in mind, and no package more lines.
func TestBudgets(t *testing.T) {
	atRoot(t)
	methods, lines := map[string]int{}, map[string]int{}
	for _, src := range sources(t) {
		if src.test() {
			continue
		}
		lines[src.folder()] += src.lines
		for _, decl := range src.file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv != nil {
				methods[src.folder()+"."+receiver(f)]++
			}
		}
	}
	within(t, "methods", methods, overMethods, func(string) int { return maxMethods })
	within(t, "lines", lines, overLines, func(pkg string) int {
		if strings.HasPrefix(pkg, "internal/") {
			return maxEngine
		}
		return maxElsewhere
	})
}

// within checks counts against their budgets, and against those of what is over.
func within(t *testing.T, unit string, counts, over map[string]int, budget func(string) int) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		limit := budget(name)
		if is, known := over[name]; known {
			if counts[name] <= limit {
				t.Logf("%s is within its budget: take it off the list", name)
			}
			limit = is
		}
		if counts[name] > limit {
			t.Errorf("%s has %d %s; want at most %d: give a part of it a type or a package of its own", name, counts[name], unit, limit)
		}
	}
	for name := range over {
		if counts[name] == 0 {
			t.Logf("%s does not exist: take it off the list", name)
		}
	}
}

// receiver returns the name of the type that a method belongs to.
func receiver(f *ast.FuncDecl) string {
	expr := f.Recv.List[0].Type
	for {
		switch e := expr.(type) {
		case *ast.StarExpr:
			expr = e.X
		case *ast.IndexExpr:
			expr = e.X
		case *ast.IndexListExpr:
			expr = e.X
		case *ast.Ident:
			return e.Name
		default:
			return ""
		}
	}
}
