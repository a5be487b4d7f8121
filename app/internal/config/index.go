package config

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// index records where the keys are. It returns the file with the headers of tables as they were meant, so that a mistake
// in one is reported once, and not all that would follow from it. A table that means nothing is taken out.
func (f *configFile) index(data []byte) []byte {
	var p unstable.Parser
	p.Reset(data)
	lines := bytes.SplitAfter(data, []byte("\n"))
	prefix := ""
	named := ""             // the table last read that stands for a [[task]] with a name, as "task.a"
	var headers []int       // lines
	var wrong []placedError // headers; whose they are is known at the end
	var nothing []int       // lines of headers that mean nothing
	for p.NextExpression() {
		e := p.Expression()
		path, at := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			headers = append(headers, at.line)
			kind, name, nested := strings.Cut(path, ".")
			rest, below := strings.CutPrefix(path, named+".")
			below = below && named != ""
			if below { // [task.a.params]
				path = f.tables[len(f.tables)-1].kind + "." + rest
			}
			path, array, mistake := meantTable(path, e.Kind == unstable.ArrayTable)
			if meant := meantKind(kind); mistake.text != "" && path == "" && nested && meant != "" && (named != "" || f.count(meant) == 0) {
				name, _, _ = strings.Cut(name, ".")
				named, path, array = kind+"."+name, meant, true
				mistake = placedError{text: written(named, false), fix: fmt.Sprintf("write [[%s]] with name = %q below it", meant, name)}
				f.unread[fmt.Sprintf("%s[%d].name", meant, f.count(meant))] = true
			}
			if above := f.missingAbove(path); above != "" {
				path, mistake = "", placedError{text: written(path, array), fix: fmt.Sprintf("write the [[%s]] that it belongs to above it", above)}
			}
			if below || mistake.text != "" {
				lines[at.line-1] = header.ReplaceAllLiteral(lines[at.line-1], []byte(written(path, array)))
			}
			if mistake.text != "" {
				mistake.place = at
				wrong = append(wrong, mistake)
			}
			if path == "" {
				nothing = append(nothing, at.line)
			}
			path = f.tableKey(path, array, at)
			f.seen(path, at)
			prefix = path + "."
		case unstable.KeyValue:
			if prefix == "" {
				f.plain = append(f.plain, at.line)
			}
			f.value(&p, prefix, e)
		}
	}
	f.failHeaders(wrong, named != "")
	for _, line := range nothing {
		f.blank(lines, headers, line)
	}
	f.headers = headers
	return bytes.Join(lines, nil)
}

// missingAbove returns the kind of the [[task]] or [[work]] that a table is within if none stands above it, "" for none.
func (f *configFile) missingAbove(path string) string {
	above, _, within := strings.Cut(path, ".")
	if within && (above == "task" || above == "work") && f.count(above) == 0 {
		return above
	}
	return ""
}

// tableKey returns under which key the table of a header stands, "" being a header that means nothing.
func (f *configFile) tableKey(path string, array bool, at place) string {
	switch kind, rest, nested := strings.Cut(path, "."); {
	case path == "": // nothing is known of what is below it
		f.plain = append(f.plain, at.line)
		path = at.String()
	case array && (path == "task" || path == "work"):
		n := f.count(path)
		path = fmt.Sprintf("%s[%d]", path, n)
		f.tables = append(f.tables, table{kind: path[:len("task")], n: n, line: at.line})
	case nested && f.count(kind) > 0: // [work.env]
		path = fmt.Sprintf("%s[%d].%s", kind, f.count(kind)-1, rest)
	default:
		f.plain = append(f.plain, at.line)
	}
	return path
}

// failHeaders records mistakes in headers. Those of tables of their own are of no task above them.
func (f *configFile) failHeaders(wrong []placedError, named bool) {
	for _, e := range wrong {
		if strings.HasPrefix(e.text, "[[") || !strings.Contains(e.text, ".") || named {
			f.errs = append(f.errs, e)
		} else {
			f.fail(e)
		}
	}
}

// seen records where a key or table is given; the first place counts.
func (f *configFile) seen(key string, at place) {
	if _, again := f.keys[key]; again {
		f.again[at] = key
		return
	}
	f.keys[key] = at
}

// blank takes the table whose header is in a line out of the lines.
func (f *configFile) blank(lines [][]byte, headers []int, header int) {
	end := len(lines)
	for _, other := range headers {
		if other > header {
			end = min(end, other-1)
		}
	}
	for i := header - 1; i < end; i++ {
		lines[i] = []byte("\n")
	}
	for key, at := range f.keys {
		if at.line >= header && at.line <= end {
			f.unread[key] = true
		}
	}
}

// value records a key and those of the tables within its value.
func (f *configFile) value(p *unstable.Parser, prefix string, e *unstable.Node) {
	path, at := keyOf(p, e)
	path = prefix + path
	f.seen(path, at)
	v := e.Value()
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			f.value(p, path+".", it.Node())
		}
	case unstable.Array:
		for it := v.Children(); (path == "task" || path == "work") && it.Next(); {
			n := f.count(path)
			f.tables = append(f.tables, table{kind: path, n: n, line: at.line})
			for in := it.Node().Children(); it.Node().Kind == unstable.InlineTable && in.Next(); {
				f.value(p, fmt.Sprintf("%s[%d].", path, n), in.Node())
			}
		}
	case unstable.String:
		if above, last, _ := cutLast(path); isNumbered(above) && strings.HasSuffix(above, "]") && last == "name" {
			f.tables[len(f.tables)-1].name = string(v.Data)
		}
	}
}

// count counts the [[task]] or [[work]] headers so far.
func (f *configFile) count(kind string) (n int) {
	for _, t := range f.tables {
		if t.kind == kind {
			n++
		}
	}
	return n
}

// isNumbered reports whether a key is one of a [[task]] or [[work]].
func isNumbered(key string) bool {
	return strings.HasPrefix(key, "task[") || strings.HasPrefix(key, "work[")
}

// header returns the line of the nth header of a kind.
func (f *configFile) header(kind string, n int) int {
	for _, t := range f.tables {
		if t.kind == kind && t.n == n {
			return t.line
		}
	}
	return 0
}

func keyOf(p *unstable.Parser, e *unstable.Node) (path string, at place) {
	var parts []string
	for it := e.Key(); it.Next(); {
		n := it.Node()
		if at.line == 0 {
			start := p.Shape(n.Raw).Start
			at = place{start.Line, start.Column}
		}
		parts = append(parts, string(n.Data))
	}
	return strings.Join(parts, "."), at
}
