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

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// configFile is a file as read: its content, and where everything stands in it.
type configFile struct {
	path   string
	config fileConfig
	tables []table
	keys   map[string]place // "zookeeper.host", "task[0].workerNum"
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

// readConfigFile reads a file. The mistakes in it are gathered, one message each; only what is
// no TOML at all ends the reading.
func readConfigFile(path string) (*configFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConfig, err)
	}
	f := &configFile{path: path, keys: map[string]place{}}
	f.index(data)
	f.unknown()
	if !f.decode(data) {
		return nil, f.err()
	}
	return f, nil
}

// index notes where the keys are.
func (f *configFile) index(data []byte) {
	var p unstable.Parser
	p.Reset(data)
	prefix := ""
	for p.NextExpression() {
		e := p.Expression()
		path, at := keyOf(&p, e)
		switch e.Kind {
		case unstable.Table:
			prefix = path + "."
			if kind, rest, nested := strings.Cut(path, "."); nested && f.count(kind) > 0 { // [work.env]
				prefix = fmt.Sprintf("%s[%d].%s.", kind, f.count(kind)-1, rest)
			}
			f.keys[strings.TrimSuffix(prefix, ".")] = at
		case unstable.ArrayTable:
			prefix = path + "."
			if path == "task" || path == "work" {
				n := f.count(path)
				prefix = fmt.Sprintf("%s[%d].", path, n)
				f.tables = append(f.tables, table{kind: path, n: n, line: at.line})
				f.keys[strings.TrimSuffix(prefix, ".")] = at
			}
		case unstable.KeyValue:
			f.keys[prefix+path] = at
			path = prefix + path
			if v := e.Value(); isNumbered(prefix) && path == prefix+"name" && v.Kind == unstable.String {
				f.tables[len(f.tables)-1].name = string(v.Data)
			}
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
		if strings.HasPrefix(plain, "node.labels.") || strings.HasPrefix(plain, "task.params.") || strings.HasPrefix(plain, "work.env.") {
			continue // any label, any parameter, any variable
		}
		if knownKeys[plain] || nested && !knownKeys[above] && f.keys[above] != (place{}) {
			continue // known, or below a table that is told of already
		}
		text := fmt.Sprintf("unknown key %q", lastPart(plain))
		if near := nearest(plain); near != "" {
			text += fmt.Sprintf(", did you mean %q?", near)
		}
		f.fail(at, text)
	}
}

// decode fills in the config. The decoder stops at the first value of a wrong type: its line is
// then taken out and the rest read again, until all such mistakes are known. It tells whether the
// file is TOML at all.
func (f *configFile) decode(data []byte) bool {
	for range 100 {
		f.config = fileConfig{}
		d := toml.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		err := d.Decode(&f.config)
		if err == nil {
			return true
		}
		if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
			for i := range strict.Errors { // those in inline tables; the others are told already
				line, column := strict.Errors[i].Position()
				if at := (place{line, column}); !f.told(at) {
					f.fail(at, fmt.Sprintf("unknown key %q", strings.Join(strict.Errors[i].Key(), ".")))
				}
			}
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
		key := f.keyAt(line)
		if key != "" {
			text = fmt.Sprintf("%s: %s", lastPart(key), text)
		}
		f.fail(place{line, column}, text)
		lines := bytes.SplitAfter(data, []byte("\n"))
		if key == "" || line > len(lines) {
			return false
		}
		lines[line-1] = []byte("\n")
		data = bytes.Join(lines, nil)
	}
	return false
}

// told tells whether a mistake at a place was noted already.
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

// inTask tells whether a line below a [[task]] or [[work]] header still belongs to it.
func (f *configFile) inTask(line, owner int) bool {
	for key, at := range f.keys {
		if slices.Contains(plainTables, key) && at.line > f.tables[owner].line && at.line <= line {
			return false
		}
	}
	return true
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

func (f *configFile) keyAt(line int) string {
	for key, at := range f.keys {
		if at.line == line && !strings.HasSuffix(key, "]") {
			return key
		}
	}
	return ""
}

// err returns the mistakes, one a line, in the order of the file.
func (f *configFile) err() error {
	if len(f.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(f.errs, func(a, b placedError) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
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
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into struct field \S+ of type (\[?\]?\w+)$`)
