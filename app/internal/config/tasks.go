package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
)

// remark is a setting that is rarely intended, and its replacement.
type remark struct{ Text, Fix string }

// tasks returns the declarations without mistakes, and records every mistake in the others.
func (f *configFile) tasks() []cluster.TaskSpec {
	var specs []cluster.TaskSpec
	seen := map[string]int{}
	for i := range f.declared.Len() {
		key := fmt.Sprintf("task[%d]", i)
		var spec cluster.TaskSpec
		f.fill(key, f.declared.Index(i), reflect.ValueOf(&spec).Elem())
		f.fillUnreadSchedule(key, &spec)
		bad := f.zeros(key, f.declared.Index(i))
		bad = f.mistakes(key, schedule.Validate(spec)) || bad
		if at := key + ".resize"; f.has(at) && !f.wrongType(at) && spec.Resize == "" {
			f.fail(placedError{f.keys[at], at, `resize: invalid value "" (want "restart" or "live")`, `leave it out for "restart"`})
			bad = true
		}
		f.twice("task", i, spec.Name, seen)
		if !f.has(key + ".workerNum") {
			f.remarks = append(
				f.remarks,
				remark{
					fmt.Sprintf("%s:%d: task %q has no workerNum, which means 0 workers", f.path, f.header("task", i), spec.Name),
					"add workerNum = 1, or workerNum = 0 if that is intended",
				},
			)
		}
		if !bad {
			specs = append(specs, spec)
		}
	}
	return specs
}

// mistakes records the parts of an error, each of which begins with its key, and reports whether there are any. A key with a
// recorded mistake gets no other one.
func (pr *problems) mistakes(table string, err error) (any bool) {
	reported := map[string]bool{}
	for _, e := range split(err) {
		name, _, _ := strings.Cut(e.Error(), ":")
		if key := table + "." + name; !pr.unread[key] {
			pr.fail(placedError{place: pr.at(key), key: key, text: e.Error()})
			reported[key] = true
		}
		any = true
	}
	for key := range reported {
		pr.unread[key] = true
	}
	return any
}

// twice records a [[task]] or [[work]] with the name of an earlier one. Seen maps the names so far to their indexes.
func (pr *problems) twice(kind string, n int, name string, seen map[string]int) {
	if first, ok := seen[name]; ok && name != "" {
		key := fmt.Sprintf("%s[%d].name", kind, n)
		pr.fail(
			placedError{
				place: pr.at(key),
				key:   key,
				text:  fmt.Sprintf("name: the same as that of %s %d in line %d", kind, first+1, pr.header(kind, first)),
			},
		)
	} else {
		seen[name] = n
	}
}

// fillUnreadSchedule substitutes valid values for schedule fields that could not be read, so that one mistake does not cause
// follow-up errors.
func (pr *problems) fillUnreadSchedule(key string, spec *cluster.TaskSpec) {
	if pr.wrongType(key + ".every") {
		spec.Every = cluster.Duration(24 * time.Hour)
	}
	if pr.wrongType(key + ".schedule") {
		spec.Schedule = "@daily"
	}
	if pr.wrongType(key + ".mode") {
		spec.Mode = cluster.ModeOnce
		if spec.Scheduled() {
			spec.Mode = ""
		}
	}
}

// duration parses a duration, and records a mistake in it. It returns 0 for "".
func (pr *problems) duration(key, text string) time.Duration {
	if text == "" {
		return 0
	}
	var d cluster.Duration
	err, fix := d.UnmarshalText([]byte(text)), ""
	means, instead, refused := zeroOf(plainKey(key))
	switch {
	case err == nil && d < 0 && refused:
		err = fmt.Errorf("%s is not more than 0s", d)
	case err == nil && d < 0:
		err = fmt.Errorf("%s is less than 0s", d)
	case err == nil && d == 0 && refused:
		err, fix = fmt.Errorf("0s %s", means), instead
	}
	pr.checkFix(key, err, fix)
	if err != nil {
		return 0
	}
	return time.Duration(d)
}

// split returns the parts of a joined error.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
