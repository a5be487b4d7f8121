package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// places are the places of all keys and tables in a file.
type places struct {
	tables  []table
	keys    map[string]place // "zookeeper.host", "task[0].workerNum"
	headers []int            // lines of tables' headers
	plain   []int            // lines of keys and headers that are not part of a [[task]] or [[work]]
	again   map[place]string // keys and tables that are given again, by place
}

// index records the places of all keys. It returns the file with corrected headers of tables, so that a mistake in a header is
// reported once, without the errors that would follow from it. A table without a known meaning is removed.
func (f *configFile) index(data []byte) []byte {
	var p unstable.Parser
	p.Reset(data)
	h := headerIndex{file: f, lines: bytes.SplitAfter(data, []byte("\n"))}
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		path, at := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			prefix = h.add(path, e.Kind == unstable.ArrayTable, at) + "."
		case unstable.KeyValue:
			if prefix == "" {
				f.plain = append(f.plain, at.line)
			}
			f.value(&p, prefix, e)
		}
	}
	f.failHeaders(h.wrong, h.named != "")
	for _, line := range h.nothing {
		f.blank(h.lines, h.headers, line)
	}
	f.headers = h.headers
	return bytes.Join(h.lines, nil)
}

// headerIndex reads the headers of tables, in their order.
type headerIndex struct {
	file    *configFile
	lines   [][]byte      // of the file, with corrected headers
	headers []int         // the lines of headers
	nothing []int         // the lines of headers without a known meaning
	wrong   []placedError // mistakes in headers; their owners are known at the end
	named   string        // the last table that stands for a [[task]] with a name, as "task.a"
}

// add reads one header, and returns the key of its table.
func (h *headerIndex) add(path string, array bool, at place) string {
	h.headers = append(h.headers, at.line)
	f := h.file
	kind, name, nested := strings.Cut(path, ".")
	rest, below := strings.CutPrefix(path, h.named+".")
	below = below && h.named != ""
	if below { // [task.a.params]
		path = f.tables[len(f.tables)-1].kind + "." + rest
	}
	path, array, mistake := meantTable(path, array)
	if meant := meantKind(kind); mistake.text != "" && path == "" && nested && meant != "" && (h.named != "" || f.count(meant) == 0) {
		name, _, _ = strings.Cut(name, ".")
		h.named, path, array = kind+"."+name, meant, true
		mistake = placedError{text: written(h.named, false), fix: fmt.Sprintf("write [[%s]] with name = %q below it", meant, name)}
		f.unread[fmt.Sprintf("%s[%d].name", meant, f.count(meant))] = true
	}
	if above := f.missingAbove(path); above != "" {
		path, mistake = "", placedError{text: written(path, array), fix: fmt.Sprintf("write the [[%s]] that it belongs to above it", above)}
	}
	if below || mistake.text != "" {
		h.lines[at.line-1] = header.ReplaceAllLiteral(h.lines[at.line-1], []byte(written(path, array)))
	}
	if mistake.text != "" {
		mistake.place = at
		h.wrong = append(h.wrong, mistake)
	}
	if path == "" {
		h.nothing = append(h.nothing, at.line)
	}
	path = f.tableKey(path, array, at)
	f.seen(path, at)
	return path
}

// missingAbove returns "task" or "work" if a table belongs to one and none is above it, else "".
func (ps *places) missingAbove(path string) string {
	above, _, within := strings.Cut(path, ".")
	if within && (above == "task" || above == "work") && ps.count(above) == 0 {
		return above
	}
	return ""
}

// tableKey returns the key of a header's table. Path "" is a header without a known meaning.
func (ps *places) tableKey(path string, array bool, at place) string {
	switch kind, rest, nested := strings.Cut(path, "."); {
	case path == "": // the keys below it have no known meaning
		ps.plain = append(ps.plain, at.line)
		path = at.String()
	case array && (path == "task" || path == "work"):
		n := ps.count(path)
		path = fmt.Sprintf("%s[%d]", path, n)
		ps.tables = append(ps.tables, table{kind: path[:len("task")], n: n, line: at.line})
	case nested && ps.count(kind) > 0: // [work.env]
		path = fmt.Sprintf("%s[%d].%s", kind, ps.count(kind)-1, rest)
	default:
		ps.plain = append(ps.plain, at.line)
	}
	return path
}

// failHeaders records mistakes in headers. A top-level table does not belong to a task above it.
func (pr *problems) failHeaders(wrong []placedError, named bool) {
	for _, e := range wrong {
		if strings.HasPrefix(e.text, "[[") || !strings.Contains(e.text, ".") || named {
			pr.errs = append(pr.errs, e)
		} else {
			pr.fail(e)
		}
	}
}

// seen records the place of a key or table; the first one counts.
func (ps *places) seen(key string, at place) {
	if _, again := ps.keys[key]; again {
		ps.again[at] = key
		return
	}
	ps.keys[key] = at
}

// blank removes the table whose header is in a line from the lines.
func (pr *problems) blank(lines [][]byte, headers []int, header int) {
	end := len(lines)
	for _, other := range headers {
		if other > header {
			end = min(end, other-1)
		}
	}
	for i := header - 1; i < end; i++ {
		lines[i] = []byte("\n")
	}
	for key, at := range pr.keys {
		if at.line >= header && at.line <= end {
			pr.unread[key] = true
		}
	}
}

// value records a key and the keys of the tables in its value.
func (ps *places) value(p *unstable.Parser, prefix string, e *unstable.Node) {
	path, at := keyOf(p, e)
	path = prefix + path
	ps.seen(path, at)
	v := e.Value()
	switch v.Kind {
	case unstable.InlineTable:
		for it := v.Children(); it.Next(); {
			ps.value(p, path+".", it.Node())
		}
	case unstable.Array:
		for it := v.Children(); (path == "task" || path == "work") && it.Next(); {
			n := ps.count(path)
			ps.tables = append(ps.tables, table{kind: path, n: n, line: at.line})
			for in := it.Node().Children(); it.Node().Kind == unstable.InlineTable && in.Next(); {
				ps.value(p, fmt.Sprintf("%s[%d].", path, n), in.Node())
			}
		}
	case unstable.String:
		if above, last, _ := cutLast(path); isNumbered(above) && strings.HasSuffix(above, "]") && last == "name" {
			ps.tables[len(ps.tables)-1].name = string(v.Data)
		}
	}
}

// count returns the number of [[task]] or [[work]] headers so far.
func (ps *places) count(kind string) (n int) {
	for _, t := range ps.tables {
		if t.kind == kind {
			n++
		}
	}
	return n
}

// has reports whether the file has a table, or a key of it.
func (ps *places) has(table string) bool {
	for key := range ps.keys {
		if key == table || strings.HasPrefix(key, table+".") {
			return true
		}
	}
	return false
}

// at returns the place of a key, or of the nearest table above it.
func (ps *places) at(key string) place {
	for {
		if p, ok := ps.keys[key]; ok {
			return p
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return place{1, 1}
		}
		key = key[:i]
	}
}

// keyAt returns the key whose value is at a place, or that is given again there, "" if there is none.
func (ps *places) keyAt(value place) (found string) {
	column := 0
	look := func(key string, at place) {
		if at.line == value.line && at.column <= value.column && at.column > column && !strings.HasSuffix(key, "]") {
			found, column = key, at.column
		}
	}
	for key, at := range ps.keys {
		look(key, at)
	}
	for at, key := range ps.again {
		look(key, at)
	}
	return found
}

// inTask reports whether a line below a [[task]] or [[work]] header still belongs to it.
func (ps *places) inTask(line, owner int) bool {
	return !slices.ContainsFunc(ps.plain, func(plain int) bool { return plain > ps.tables[owner].line && plain <= line })
}

// isNumbered reports whether a key belongs to a [[task]] or [[work]].
func isNumbered(key string) bool {
	return strings.HasPrefix(key, "task[") || strings.HasPrefix(key, "work[")
}

// header returns the line of the nth header of a kind.
func (ps *places) header(kind string, n int) int {
	for _, t := range ps.tables {
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
