package config

import (
	"fmt"
	"regexp"
	"strings"
)

// header matches the header of a table.
var header = regexp.MustCompile(`^\s*\[.*?\]+`)

func written(table string, array bool) string {
	if array {
		return "[[" + table + "]]"
	}
	return "[" + table + "]"
}

// meantTable returns the table that a header most likely means, "" for none, whether that is a [[task]] or [[work]], and the
// mistake in the header.
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

// meantKind returns "task" or "work" if the first part of a header most likely means it, else "".
func meantKind(first string) string {
	if first != "task" && first != "work" {
		first = nearest(first)
	}
	if first == "task" || first == "work" {
		return first
	}
	return ""
}
