package app

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// configFile is a file as read: its content, and where everything stands in it.
type configFile struct {
	path   string
	config fileConfig
	tables []table
	keys   map[string]place // "zookeeper.host", "task[0].workerNum"
	plain  []int            // lines at which something begins that is not part of a [[task]] or [[work]]
	// unread are keys whose value is not known, because of a mistake that is told: nothing follows from it.
	unread map[string]bool
	given  map[string]string // what replaces the value of a key: a flag, or a variable
	errs   []placedError
	// warnings are of what is no mistake.
	warnings []string
}

type place struct{ line, column int }

type placedError struct {
	place
	text string
}

// table is a [[task]] or [[work]] header.
type table struct {
	kind string // "task", "work"
	n    int    // its place among those of its kind, from 0
	line int
	name string // of the task or work, as far as it could be read
}

func newConfigFile(path string) *configFile {
	return &configFile{path: path, keys: map[string]place{}, unread: map[string]bool{}, given: map[string]string{}}
}

// readConfigFile reads a file. The mistakes in it are gathered, one message each; only what is
// no TOML at all ends the reading.
func readConfigFile(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConfig, err)
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, fmt.Errorf("%w: %s is not UTF-8 text; save it as UTF-8", errConfig, path)
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
// in one is told once, and not all that would follow from it.
func (f *configFile) index(data []byte) []byte {
	var p unstable.Parser
	p.Reset(data)
	lines := bytes.SplitAfter(data, []byte("\n"))
	prefix := ""
	var wrong []placedError // headers; whose they are is known at the end
	for p.NextExpression() {
		e := p.Expression()
		path, at := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			path, array, mistake := meantTable(path, e.Kind == unstable.ArrayTable)
			if mistake != "" {
				wrong = append(wrong, placedError{at, mistake})
				lines[at.line-1] = header.ReplaceAllLiteral(lines[at.line-1], []byte(written(path, array)))
			}
			if array && (path == "task" || path == "work") {
				n := f.count(path)
				path = fmt.Sprintf("%s[%d]", path, n)
				f.tables = append(f.tables, table{kind: path[:len("task")], n: n, line: at.line})
			} else if kind, rest, nested := strings.Cut(path, "."); nested && f.count(kind) > 0 { // [work.env]
				path = fmt.Sprintf("%s[%d].%s", kind, f.count(kind)-1, rest)
			} else {
				f.plain = append(f.plain, at.line)
			}
			f.keys[path] = at
			prefix = path + "."
		case unstable.KeyValue:
			if prefix == "" {
				f.plain = append(f.plain, at.line)
			}
			f.value(&p, prefix, e)
		}
	}
	for _, e := range wrong {
		if strings.HasPrefix(e.text, "[[") || !strings.Contains(e.text, ".") {
			f.errs = append(f.errs, e)
		} else {
			f.fail(e.place, e.text)
		}
	}
	return bytes.Join(lines, nil)
}

// header is the header of a table.
var header = regexp.MustCompile(`^\s*\[.*?\]+`)

func written(table string, array bool) string {
	if array {
		return "[[" + table + "]]"
	}
	return "[" + table + "]"
}

// meantTable returns which table a header means, whether it is a [[task]] or [[work]], and what is wrong with it.
func meantTable(path string, array bool) (meant string, numbered bool, mistake string) {
	for part := range strings.SplitSeq(path, ".") {
		next := strings.TrimPrefix(meant+"."+part, ".")
		if !anyBelow(next) && !knownKeys[next] {
			near := nearest(next)
			if near == "" {
				return path, array, "unknown table " + written(path, array)
			}
			next = strings.TrimPrefix(meant+"."+near, ".")
		}
		meant = next
	}
	numbered = meant == "task" || meant == "work"
	switch old, right := written(path, array), written(meant, numbered); {
	case meant != path:
		mistake = fmt.Sprintf("unknown table %s, did you mean %s?", old, right)
	case numbered && !array:
		mistake = fmt.Sprintf("%s: write %s, since there may be several", old, right)
	case array && !numbered:
		mistake = fmt.Sprintf("%s: write %s, since there is only one", old, right)
	}
	return meant, numbered, mistake
}

// anyBelow reports whether a key is one of those that may be anything: a label, a parameter, a variable.
func anyBelow(plain string) bool {
	return strings.HasPrefix(plain, "node.labels.") || strings.HasPrefix(plain, "task.params.") || strings.HasPrefix(plain, "work.env.")
}

// value notes a key and those of the tables within its value.
func (f *configFile) value(p *unstable.Parser, prefix string, e *unstable.Node) {
	path, at := keyOf(p, e)
	path = prefix + path
	f.keys[path] = at
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

// isNumbered tells whether a key is one of a [[task]] or [[work]].
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

// unknown notes the keys that there are not. It comes after index, so that tasks have names.
func (f *configFile) unknown() {
	for key, at := range f.keys {
		plain := key
		if isNumbered(key) {
			_, rest, _ := strings.Cut(key, "]")
			plain = key[:len("task")] + rest
		}
		above, _, nested := cutLast(plain)
		if anyBelow(plain) || knownKeys[plain] || nested && !knownKeys[above] || f.told(at) {
			continue // known, or below what is told of already, or told of with its header
		}
		text := fmt.Sprintf("unknown key %q", lastPart(plain))
		if near := nearest(plain); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
			keyAbove, _, within := cutLast(key)
			if within {
				near = keyAbove + "." + near
			}
			f.unread[near] = true
		}
		f.fail(at, text)
	}
}

// decode fills in the config. The decoder stops at the first value of a wrong type: its line is
// then taken out and the rest read again, until all such mistakes are known. It reports whether the
// file is TOML at all.
func (f *configFile) decode(data []byte) bool {
	for range 100 {
		f.config = fileConfig{}
		err := toml.NewDecoder(bytes.NewReader(data)).Decode(&f.config)
		if err == nil {
			return true
		}
		wrong, ok := errors.AsType[*toml.DecodeError](err)
		if !ok {
			f.errs = append(f.errs, placedError{place{1, 1}, err.Error()})
			return false
		}
		line, column := wrong.Position()
		text := wrongType.ReplaceAllString(strings.TrimPrefix(wrong.Error(), "toml: "), "want $2, got $1")
		text = strings.Replace(text, "want int64", "want integer", 1)
		text = strings.Replace(text, "want []string", "want an array of strings", 1)
		key := f.keyAt(place{line, column})
		if key != "" {
			text = fmt.Sprintf("%s: %s", lastPart(key), text)
		}
		lines := bytes.SplitAfter(data, []byte("\n"))
		if line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[line-1]), []byte("[")) { // a header: of no task above it
			f.plain = append(f.plain, line)
		}
		f.fail(place{line, column}, text)
		if key == "" || line > len(lines) {
			return false
		}
		for other, at := range f.keys { // the whole line goes
			if at.line == line {
				f.unread[other] = true
			}
		}
		lines[line-1] = []byte("\n")
		data = bytes.Join(lines, nil)
	}
	return false
}

// told reports whether a mistake at a place was noted already.
func (f *configFile) told(at place) bool {
	return slices.ContainsFunc(f.errs, func(e placedError) bool { return e.place == at })
}

// fail notes a mistake, with the name of the task or work that it is in.
func (f *configFile) fail(at place, text string) {
	owner := -1
	for i, t := range f.tables {
		if t.line <= at.line {
			owner = i
		}
	}
	if owner >= 0 && f.inTask(at.line, owner) {
		if t := f.tables[owner]; t.name != "" {
			text = fmt.Sprintf("%s %q: %s", t.kind, t.name, text)
		} else {
			text = fmt.Sprintf("%s %d: %s", t.kind, t.n+1, text)
		}
	}
	f.errs = append(f.errs, placedError{at, text})
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

// keyAt returns the key whose value is at a place, "" if there is none.
func (f *configFile) keyAt(value place) (found string) {
	for key, at := range f.keys {
		before := at.line == value.line && at.column <= value.column && !strings.HasSuffix(key, "]")
		if before && (found == "" || at.column > f.keys[found].column) {
			found = key
		}
	}
	return found
}

// err returns the mistakes, one a line, in the order of the file; what is missing in it comes last.
func (f *configFile) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(f.errs, func(a, b placedError) int {
		missing := func(e placedError) int {
			if e.line == 0 {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(missing(a), missing(b)), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	var lines []string
	for _, e := range f.errs {
		if e.line == 0 { // from a flag or the environment, or missing altogether
			lines = append(lines, e.text)
			continue
		}
		lines = append(lines, fmt.Sprintf("%s:%d:%d: %s", f.path, e.line, e.column, e.text))
	}
	return configError{strings.Join(slices.Compact(lines), "\n")}
}

// configError is a list of mistakes that needs no prefix. It matches errConfig.
type configError struct{ text string }

func (e configError) Error() string        { return e.text }
func (e configError) Is(target error) bool { return target == errConfig }

// wrongType is how the decoder says that a value is of another type than its key's.
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into struct field .+ of type (\[?\]?\w+)$`)
