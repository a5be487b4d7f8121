package house_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// A condition asks and does not act: the statement before a condition of if or switch, and the first of a for, may
// declare names and changes none. A change stands on a line of its own, where a reader looks for it.
func TestConditionsChangeNothing(t *testing.T) {
	atRoot(t)
	dirty := allowance{t: t, left: assignsInConditions}
	for _, src := range sources(t) {
		ast.Inspect(src.file, func(n ast.Node) bool {
			if init := initOf(n); changes(init) {
				dirty.found(src.path, "%s: a condition that changes something; make it a statement of its own", src.at(init))
			}
			return true
		})
	}
	dirty.end()
}

// initOf returns the statement before a condition.
func initOf(n ast.Node) ast.Stmt {
	switch n := n.(type) {
	case *ast.IfStmt:
		return n.Init
	case *ast.SwitchStmt:
		return n.Init
	case *ast.TypeSwitchStmt:
		return n.Init
	case *ast.ForStmt:
		return n.Init
	}
	return nil
}

// changes reports whether a statement changes a variable that was there before it.
func changes(s ast.Stmt) bool {
	switch s := s.(type) {
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE
	case *ast.IncDecStmt:
		return true
	}
	return false
}

// An allowance is a list of files or folders in which a rule may still be broken. It only shrinks, and goes with its
// last entry.
type allowance struct {
	t    *testing.T
	left []string
	used []string
}

// found raises a breach of the rule, unless its file is on the list.
func (a *allowance) found(path, format string, args ...any) {
	a.t.Helper()
	for _, entry := range a.left {
		if path == entry || strings.HasPrefix(path, entry+"/") {
			a.used = append(a.used, entry)
			return
		}
	}
	a.t.Errorf(format, args...)
}

// end names what can leave the list.
func (a *allowance) end() {
	for _, entry := range a.left {
		if !slices.Contains(a.used, entry) {
			a.t.Logf("%s keeps the rule: take it off the list", entry)
		}
	}
}

// assignsInConditions is what still breaks TestConditionsChangeNothing.
var assignsInConditions = []string{}
