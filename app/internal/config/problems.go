package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
)

// place is a line and a column in the file, from 1. The zero place is outside of the file.
type place struct{ line, column int }

func (p place) String() string { return fmt.Sprintf("%d:%d", p.line, p.column) }

// placedError is a mistake with its place, and its fix if that is known.
type placedError struct {
	place
	key  string // the key of the mistake, as in "task[0].every"; "" for none
	text string
	fix  string
}

// sentence returns the mistake and its fix for people. A fix that is a question follows a comma.
func (e placedError) sentence() string {
	switch {
	case e.fix == "":
		return e.text
	case strings.HasSuffix(e.fix, "?"):
		return e.text + ", " + e.fix
	case strings.HasSuffix(e.text, "]"): // a header
		return e.text + ": " + e.fix
	}
	return e.text + "; " + e.fix
}

// problems are the mistakes in a file and in the flags and variables that replace its values.
type problems struct {
	places
	path string
	// unread are keys whose value is unknown because of a mistake that is reported. Their value is not used, and no other
	// mistake in them is reported.
	unread map[string]bool
	given  map[string]string // the flag or variable that replaces the value of a key
	errs   []placedError
	// warnings are about settings that are allowed but dangerous.
	warnings []string
	// remarks are about settings that are allowed but rarely intended.
	remarks []remark
}

// failed reports whether a mistake at a place is recorded already.
func (pr *problems) failed(at place) bool {
	return slices.ContainsFunc(pr.errs, func(e placedError) bool { return e.place == at })
}

// fail records a mistake in the file, with the name of its task or work.
func (pr *problems) fail(e placedError) {
	owner := -1
	for i, t := range pr.tables {
		if t.line <= e.line {
			owner = i
		}
	}
	if owner >= 0 && pr.inTask(e.line, owner) {
		if t := pr.tables[owner]; t.name != "" {
			e.text = fmt.Sprintf("%s %q: %s", t.kind, t.name, e.text)
		} else {
			e.text = fmt.Sprintf("%s %d: %s", t.kind, t.n+1, e.text)
		}
	}
	pr.errs = append(pr.errs, e)
}

// zeros records the numbers of a table, and of the tables within it, that are given as 0 and do not take it. It reports
// whether there are any.
func (pr *problems) zeros(table string, values reflect.Value) (any bool) {
	for i := range values.NumField() {
		name, value := values.Type().Field(i).Tag.Get("toml"), values.Field(i)
		key := table + "." + name
		means, fix, refused := zeroOf(plainKey(key))
		switch {
		case value.Kind() == reflect.Struct:
			any = pr.zeros(key, value) || any
		case refused && value.Kind() == reflect.Int && value.Int() == 0 && pr.has(key) && !pr.wrongType(key):
			pr.fail(placedError{pr.keys[key], key, name + ": 0 " + means, fix})
			pr.unread[key] = true
			any = true
		}
	}
	return any
}

// check records the mistakes in the value of a key from the file, a flag or a variable. A key with a recorded mistake gets no
// other one.
func (pr *problems) check(key string, err error) { pr.checkFix(key, err, credentialFix(err)) }

// credentialFix returns the fix for a missing file that systemd provides, "" for any other error.
func credentialFix(err error) string {
	missing, ok := errors.AsType[*fs.PathError](err)
	if !ok || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(missing.Path, "/run/credentials/") {
		return ""
	}
	return "systemd provides it only while the service runs: start the service, or check a copy of the file that names the originals"
}

// checkFix is check with a fix for all mistakes, "" if they contain their own.
func (pr *problems) checkFix(key string, err error, fix string) {
	if pr.unread[key] || err == nil {
		return
	}
	pr.unread[key] = true
	for _, e := range split(err) {
		if at, inFile := pr.keys[key]; inFile {
			name := key
			if isNumbered(key) {
				name = lastPart(key)
			}
			pr.fail(placedError{at, key, name + ": " + e.Error(), fix})
		} else {
			pr.errs = append(pr.errs, placedError{key: key, text: pr.source(key) + ": " + e.Error(), fix: fix})
		}
	}
}

// source returns the source of a key's value: a flag or variable, or else the key itself.
func (pr *problems) source(key string) string {
	if given := pr.given[key]; given != "" {
		return given
	}
	return key
}

// sourceOf returns the source that chooses a service: the flag or variable with its servers, or else its table.
func (pr *problems) sourceOf(table, key string) string {
	if given := pr.given[table+"."+key]; given != "" {
		return given
	}
	return "[" + table + "]"
}

// wrongType reports whether the value of a key could not be read, so that it cannot be checked.
func (pr *problems) wrongType(key string) bool { return pr.unread[key] }

// err returns the mistakes in the order of the file. Missing keys come last.
func (pr *problems) err() error {
	if len(pr.errs) == 0 {
		return nil
	}
	slices.SortStableFunc(pr.errs, func(a, b placedError) int {
		missing := func(e placedError) int {
			if e.line == 0 {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(missing(a), missing(b)), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	return configError{pr.path, slices.Compact(pr.errs)}
}

// configError is a list of mistakes. It matches ErrConfig.
type configError struct {
	file     string
	mistakes []placedError
}

// Error returns a line for each mistake.
func (e configError) Error() string {
	var lines []string
	for _, m := range e.mistakes {
		line := m.sentence()
		if m.line > 0 { // otherwise the value is from a flag or the environment, or the key is missing
			line = fmt.Sprintf("%s:%v: %s", e.file, m.place, line)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (e configError) Is(target error) bool { return target == ErrConfig }

// Problem is a mistake in the JSON output of config check.
type Problem struct {
	Line    int    `json:"line,omitempty"` // from 1; left out for a mistake outside of the file
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// ProblemsOf returns the mistakes in an error of the configuration, and their file.
func ProblemsOf(err error) (file string, list []Problem) {
	list = []Problem{}
	var all configError
	switch {
	case err == nil:
	case errors.As(err, &all):
		for _, m := range all.mistakes {
			list = append(list, Problem{m.line, m.column, m.key, m.text, m.fix})
		}
	default: // the file could not be read
		list = append(list, Problem{Message: strings.TrimPrefix(err.Error(), ErrConfig.Error()+": ")})
	}
	return all.file, list
}
