package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// configFile is a file as read: its content, and where everything stands in it.
type configFile struct {
	path     string
	config   fileConfig
	declared reflect.Value // the tasks in it, as they are written
	tables   []table
	keys     map[string]place // "zookeeper.host", "task[0].workerNum"
	headers  []int            // lines of tables' headers
	plain    []int            // lines at which something begins that is not part of a [[task]] or [[work]]
	again    map[place]string // keys and tables that are given again, where
	// unread are keys whose value is not known, because of a mistake that is told: nothing follows from it, and nothing
	// else is told of it.
	unread map[string]bool
	given  map[string]string // what replaces the value of a key: a flag, or a variable
	errs   []placedError
	// warnings are of what is no mistake.
	warnings []string
	// remarks are of what is no mistake either, and seldom meant.
	remarks []remark
}

// table is a [[task]] or [[work]] header.
type table struct {
	kind string // "task", "work"
	n    int    // its place among those of its kind, from 0
	line int
	name string // of the task or work, as far as it could be read
}

func newConfigFile(path string) *configFile {
	return &configFile{
		path:     path,
		declared: reflect.Zero(reflect.SliceOf(reflect.TypeFor[struct{}]())),
		keys:     map[string]place{},
		again:    map[place]string{},
		unread:   map[string]bool{},
		given:    map[string]string{},
	}
}

// readConfigFile reads a file. The mistakes in it are gathered, one message each; only what is
// no TOML at all ends the reading.
func readConfigFile(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, syscall.EISDIR) {
		return nil, fmt.Errorf("%w: %s is a directory; name the file in it with --config", ErrConfig, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("%w: %s is not UTF-8 text; save it as UTF-8", ErrConfig, path)
	}
	f := newConfigFile(path)
	data = f.index(bytes.TrimPrefix(data, []byte("\ufeff"))) // which some editors begin a file with
	f.unknown()
	if !f.decode(data) {
		return nil, f.err()
	}
	return f, nil
}

// index notes where the keys are. It returns the file with the headers of tables as they were meant, so that a mistake
// in one is told once, and not all that would follow from it. A table that means nothing is taken out.
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
			if below = below && named != ""; below { // [task.a.params]
				path = f.tables[len(f.tables)-1].kind + "." + rest
			}
			path, array, mistake := meantTable(path, e.Kind == unstable.ArrayTable)
			if below && mistake.text == "" {
				lines[at.line-1] = header.ReplaceAllLiteral(lines[at.line-1], []byte(written(path, array)))
			}
			if meant := meantKind(kind); mistake.text != "" && path == "" && nested && meant != "" && (named != "" || f.count(meant) == 0) {
				name, _, _ = strings.Cut(name, ".")
				named, path, array = kind+"."+name, meant, true
				mistake = placedError{text: written(named, false), fix: fmt.Sprintf("write [[%s]] with name = %q below it", meant, name)}
				f.unread[fmt.Sprintf("%s[%d].name", meant, f.count(meant))] = true
			}
			if above, _, within := strings.Cut(path, "."); within && (above == "task" || above == "work") && f.count(above) == 0 {
				path, mistake = "", placedError{text: written(path, array), fix: fmt.Sprintf("write the [[%s]] that it belongs to above it", above)}
			}
			if mistake.text != "" {
				mistake.place = at
				wrong = append(wrong, mistake)
				lines[at.line-1] = header.ReplaceAllLiteral(lines[at.line-1], []byte(written(path, array)))
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

// failHeaders notes mistakes in headers. Those of tables of their own are of no task above them.
func (f *configFile) failHeaders(wrong []placedError, named bool) {
	for _, e := range wrong {
		if strings.HasPrefix(e.text, "[[") || !strings.Contains(e.text, ".") || named {
			f.errs = append(f.errs, e)
		} else {
			f.fail(e)
		}
	}
}

// seen notes where a key or table is given; the first place counts.
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

// value notes a key and those of the tables within its value.
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

// unknown notes the keys that there are not, each with what it was most likely meant to be. It comes after index, so that
// tasks have names.
func (f *configFile) unknown() {
	keys := slices.SortedFunc(maps.Keys(f.keys), func(a, b string) int {
		one, other := f.keys[a], f.keys[b]
		return cmp.Or(cmp.Compare(one.line, other.line), cmp.Compare(one.column, other.column), strings.Compare(a, b))
	})
	told := map[string]bool{}
	for _, key := range keys {
		unknown := firstUnknown(key)
		if unknown == "" || told[unknown] || f.unread[key] || f.told(f.keys[key]) {
			continue // known, told of, or below what is told of with its header
		}
		told[unknown] = true
		plain := plainKey(unknown)
		e := placedError{place: f.keys[key], key: unknown, text: fmt.Sprintf("unknown key %q", lastPart(plain))}
		if near := nearest(plain); near != "" {
			e.fix = fmt.Sprintf("did you mean %q?", near)
			if above, _, within := cutLast(unknown); within {
				near = above + "." + near
			}
			if !f.has(near) {
				f.unread[near] = true
			}
		} else {
			e.fix = elsewhere(plain)
		}
		f.fail(e)
	}
}

// firstUnknown returns the first part of a key that there is not, with all that is above it, "" if the key is known.
func firstUnknown(key string) string {
	end := 0
	for part := range strings.SplitSeq(key, ".") {
		end += len(part)
		plain := plainKey(key[:end])
		if anyBelow(plain) {
			return ""
		}
		if !isKey(plain) {
			return key[:end]
		}
		if end < len(key) && !isTable(plain) { // its value is a table and should be none: that is told when it is read
			return ""
		}
		end++ // the dot
	}
	return ""
}

// plainKey is a key without the number of its [[task]] or [[work]].
func plainKey(key string) string {
	if isNumbered(key) {
		_, rest, _ := strings.Cut(key, "]")
		return key[:len("task")] + rest
	}
	return key
}

// decode fills in the config. The decoder stops at the first value of a wrong type: its line is
// then taken out and the rest read again, until all such mistakes are known. It reports whether the
// file is TOML at all.
func (f *configFile) decode(data []byte) bool {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for range 100 {
		read := reflect.New(document)
		err := toml.NewDecoder(bytes.NewReader(bytes.Join(lines, nil))).Decode(read.Interface())
		if err == nil {
			f.decoded(read.Elem())
			return true
		}
		wrong, ok := errors.AsType[*toml.DecodeError](err)
		if !ok {
			f.errs = append(f.errs, placedError{place: place{1, 1}, text: err.Error()})
			return false
		}
		line, column := wrong.Position()
		at := place{line, column}
		key := f.keyAt(at)
		e := f.undecoded(wrong, at, key, lines)
		if f.again[e.place] != "" && strings.HasSuffix(wrong.Error(), "already defined") {
			f.fail(e)
			lines[line-1] = []byte("\n")
			continue
		}
		if line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[line-1]), []byte("[")) { // a header: of no task above it
			f.plain = append(f.plain, line)
		}
		if slices.Contains(f.headers, line) { // nothing is known of what is below it
			f.fail(e)
			f.blank(lines, f.headers, line)
			continue
		}
		f.fail(e)
		if key == "" || line > len(lines) {
			return false
		}
		for other, at := range f.keys { // the whole line goes
			if at.line == line {
				f.unread[other] = true
			}
		}
		lines[line-1] = []byte("\n")
	}
	return false
}

// decoded takes what the decoder has filled in.
func (f *configFile) decoded(read reflect.Value) {
	config := reflect.ValueOf(&f.config).Elem()
	for i := range config.NumField() {
		config.Field(i).Set(read.Field(i))
	}
	f.declared = read.FieldByName("Tasks")
}

// inTask reports whether a line below a [[task]] or [[work]] header still belongs to it.
func (f *configFile) inTask(line, owner int) bool {
	return !slices.ContainsFunc(f.plain, func(plain int) bool { return plain > f.tables[owner].line && plain <= line })
}

// at returns the place of a key, or of the nearest thing above it.
func (f *configFile) at(key string) place {
	for {
		if p, ok := f.keys[key]; ok {
			return p
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return place{1, 1}
		}
		key = key[:i]
	}
}

// keyAt returns the key whose value is at a place, or which is given there again, "" if there is none.
func (f *configFile) keyAt(value place) (found string) {
	column := 0
	look := func(key string, at place) {
		if at.line == value.line && at.column <= value.column && at.column > column && !strings.HasSuffix(key, "]") {
			found, column = key, at.column
		}
	}
	for key, at := range f.keys {
		look(key, at)
	}
	for at, key := range f.again {
		look(key, at)
	}
	return found
}
