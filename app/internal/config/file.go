package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
)

// configFile is a file as read: its content, the place of each key, and the mistakes in it.
type configFile struct {
	problems
	config   fileConfig
	declared reflect.Value // the tasks in it, as they are written
	policy   reflect.Value // [rebalance], as it is written
	quiet    string        // rebalance.quiet by its variable, "" if that is not set
	together string        // node.together in the same way
}

// table is a [[task]] or [[work]] header.
type table struct {
	kind string // "task", "work"
	n    int    // its index among the tables of its kind, from 0
	line int
	name string // of the task or work, as far as it could be read
}

func newConfigFile(path string) *configFile {
	return &configFile{
		declared: reflect.Zero(tasksType),
		policy:   reflect.Zero(policyType),
		problems: problems{
			places: places{keys: map[string]place{}, again: map[place]string{}},
			path:   path,
			unread: map[string]bool{},
			given:  map[string]string{},
		},
	}
}

// readConfigFile reads a file. It collects the mistakes, one message each, and stops only if the file is not TOML.
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
	data = f.index(bytes.TrimPrefix(data, []byte("\ufeff"))) // some editors begin a file with this mark
	f.unknown()
	if !f.decode(data) {
		return nil, f.err()
	}
	return f, nil
}

// unknown records the keys that do not exist, each with a suggestion. It runs after index, so that tasks have names.
func (f *configFile) unknown() {
	keys := slices.SortedFunc(maps.Keys(f.keys), func(a, b string) int {
		one, other := f.keys[a], f.keys[b]
		return cmp.Or(cmp.Compare(one.line, other.line), cmp.Compare(one.column, other.column), strings.Compare(a, b))
	})
	reported := map[string]bool{}
	for _, key := range keys {
		unknown := firstUnknown(key)
		if unknown == "" || reported[unknown] || f.unread[key] || f.failed(f.keys[key]) {
			continue // known, already reported, or in a table whose header is reported
		}
		reported[unknown] = true
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

// firstUnknown returns the shortest prefix of a key that is not known, "" if the key is known.
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
		if end < len(key) && !isTable(plain) { // its value is a table but should not be; that is reported when the value is read
			return ""
		}
		end++ // the dot
	}
	return ""
}

// plainKey returns a key without the number of its [[task]] or [[work]].
func plainKey(key string) string {
	if isNumbered(key) {
		_, rest, _ := strings.Cut(key, "]")
		return key[:len("task")] + rest
	}
	return key
}

// decode fills the config. The decoder stops at the first value of a wrong type. decode then removes that line and decodes the
// rest again, until all such mistakes are found. It reports whether the file is TOML.
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
		if line <= len(lines) &&
			bytes.HasPrefix(bytes.TrimSpace(lines[line-1]), []byte("[")) { // a header, which does not belong to a task above it
			f.plain = append(f.plain, line)
		}
		if slices.Contains(f.headers, line) { // the keys below it have no known meaning
			f.fail(e)
			f.blank(lines, f.headers, line)
			continue
		}
		f.fail(e)
		if key == "" || line > len(lines) {
			return false
		}
		for other, at := range f.keys { // all keys of the line are removed
			if at.line == line {
				f.unread[other] = true
			}
		}
		lines[line-1] = []byte("\n")
	}
	return false
}

// decoded copies the values from the decoder's document.
func (f *configFile) decoded(read reflect.Value) {
	config := reflect.ValueOf(&f.config).Elem()
	for i := range config.NumField() {
		config.Field(i).Set(read.Field(i))
	}
	f.declared, f.policy = read.FieldByName("Tasks"), read.FieldByName("Rebalance")
}

// besideFile makes the names of files in the configuration relative to its own directory. It runs before override, because
// those of variables and flags are relative to the working directory.
func (f *configFile) besideFile() {
	c := &f.config
	names := []*string{
		&c.HTTP.SecretFile, &c.HTTP.TokensFile, &c.HTTP.TLS.Cert, &c.HTTP.TLS.Key, &c.HTTP.TLS.ClientCA, &c.HTTP.TLS.CA,
		&c.ZooKeeper.PasswordFile, &c.Etcd.PasswordFile,
	}
	for _, t := range []*tlsConfig{&c.ZooKeeper.TLS, &c.Etcd.TLS} {
		names = append(names, &t.CA, &t.Cert, &t.Key)
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(f.path), *name)
		}
	}
}
