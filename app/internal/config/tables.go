package config

import (
	"fmt"
	"regexp"
	"strings"
)

// header is the header of a table.
var header = regexp.MustCompile(`^\s*\[.*?\]+`)

func written(table string, array bool) string {
	if array {
		return "[[" + table + "]]"
	}
	return "[" + table + "]"
}

// meantTable returns which table a header means, "" for none, whether it is a [[task]] or [[work]], and what is wrong
// with it.
func meantTable(path string, array bool) (meant string, numbered bool, mistake placedError) {
	for part := range strings.SplitSeq(path, ".") {
		next := strings.TrimPrefix(meant+"."+part, ".")
		if !anyBelow(next) && !isKey(next) {
			near := nearest(next)
			if near == "" {
				return "", array, placedError{text: "unknown table " + written(path, array)}
			}
			next = strings.TrimPrefix(meant+"."+near, ".")
		}
		meant = next
	}
	numbered = meant == "task" || meant == "work"
	switch old, right := written(path, array), written(meant, numbered); {
	case meant != path:
		mistake = placedError{text: "unknown table " + old, fix: fmt.Sprintf("did you mean %s?", right)}
	case numbered && !array:
		mistake = placedError{text: old, fix: fmt.Sprintf("write %s, since there may be several", right)}
	case array && !numbered:
		mistake = placedError{text: old, fix: fmt.Sprintf("write %s, since there is only one", right)}
	}
	return meant, numbered, mistake
}

// meantKind returns whether the first part of a header means "task" or "work", "" for neither.
func meantKind(first string) string {
	if first != "task" && first != "work" {
		first = nearest(first)
	}
	if first == "task" || first == "work" {
		return first
	}
	return ""
}
