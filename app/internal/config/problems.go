package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// place is where something stands in the file, from 1; the zero place is in no file.
type place struct{ line, column int }

func (p place) String() string { return fmt.Sprintf("%d:%d", p.line, p.column) }

// placedError is a mistake: where it is, and what to do if that is known.
type placedError struct {
	place
	key  string // that it is about, as in "task[0].every"; "" for none
	text string
	fix  string
}

// sentence is the mistake as people read it. A question follows a comma.
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

// failed reports whether a mistake at a place is known already.
func (f *configFile) failed(at place) bool {
	return slices.ContainsFunc(f.errs, func(e placedError) bool { return e.place == at })
}

// fail records a mistake in the file, with the name of the task or work that it is in.
func (f *configFile) fail(e placedError) {
	owner := -1
	for i, t := range f.tables {
		if t.line <= e.line {
			owner = i
		}
	}
	if owner >= 0 && f.inTask(e.line, owner) {
		if t := f.tables[owner]; t.name != "" {
			e.text = fmt.Sprintf("%s %q: %s", t.kind, t.name, e.text)
		} else {
			e.text = fmt.Sprintf("%s %d: %s", t.kind, t.n+1, e.text)
		}
	}
	f.errs = append(f.errs, e)
}

// check records the mistakes in the value of a key, wherever that came from, each with the same fix, "" if the mistakes
// say it themselves. A key that has a mistake already gets no other one.
func (f *configFile) check(key string, err error) { f.checkFix(key, err, "") }

func (f *configFile) checkFix(key string, err error, fix string) {
	if f.unread[key] || err == nil {
		return
	}
	f.unread[key] = true
	for _, e := range split(err) {
		if at, inFile := f.keys[key]; inFile {
			name := key
			if isNumbered(key) {
				name = lastPart(key)
			}
			f.fail(placedError{at, key, name + ": " + e.Error(), fix})
		} else {
			f.errs = append(f.errs, placedError{key: key, text: f.source(key) + ": " + e.Error(), fix: fix})
		}
	}
}

// err returns the mistakes, in the order of the file; what is missing in it comes last.
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
	return configError{f.path, slices.Compact(f.errs)}
}

// configError is a list of mistakes that needs no prefix. It matches ErrConfig.
type configError struct {
	file     string
	mistakes []placedError
}

// Error returns a line for each mistake.
func (e configError) Error() string {
	var lines []string
	for _, m := range e.mistakes {
		line := m.sentence()
		if m.line > 0 { // else from a flag or the environment, or missing altogether
			line = fmt.Sprintf("%s:%v: %s", e.file, m.place, line)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func (e configError) Is(target error) bool { return target == ErrConfig }

// Problem is a mistake as config check shows it to programs.
type Problem struct {
	Line    int    `json:"line,omitempty"` // from 1; left out for what no file says
	Column  int    `json:"column,omitempty"`
	Key     string `json:"key,omitempty"`
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// ProblemsOf returns the mistakes that make up an error of the configuration, and the file that they are in.
func ProblemsOf(err error) (file string, list []Problem) {
	list = []Problem{}
	var all configError
	switch {
	case err == nil:
	case errors.As(err, &all):
		for _, m := range all.mistakes {
			list = append(list, Problem{m.line, m.column, m.key, m.text, m.fix})
		}
	default: // no file could be read
		list = append(list, Problem{Message: strings.TrimPrefix(err.Error(), ErrConfig.Error()+": ")})
	}
	return all.file, list
}
