package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
)

// remark says what is seldom meant, and what to write instead.
type remark struct{ Text, Fix string }

// tasks returns the declarations, noting every mistake in them.
func (f *configFile) tasks() []cluster.TaskSpec {
	var specs []cluster.TaskSpec
	seen := map[string]int{}
	for i := range f.declared.Len() {
		key := fmt.Sprintf("task[%d]", i)
		var spec cluster.TaskSpec
		f.fill(key, f.declared.Index(i), reflect.ValueOf(&spec).Elem())
		f.runsAll(key, &spec)
		bad := f.zeros(key, map[string]int{"maxPerNode": spec.MaxPerNode, "weight": spec.Weight, "maxUnavailable": spec.MaxUnavailable})
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
					"give it workerNum = 1, or workerNum = 0 if that is meant",
				},
			)
		}
		if !bad {
			specs = append(specs, spec)
		}
	}
	return specs
}

// mistakes records the parts of an error, each of which begins with the key that it is about, and reports whether there are
// any. A key that has a mistake already gets no other one.
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

// twice records a [[task]] or [[work]] whose name an earlier one has; seen are those.
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

// runsAll takes something for what could not be read of when a task runs, so that nothing is said that only follows
// from that.
func (pr *problems) runsAll(key string, spec *cluster.TaskSpec) {
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

// duration reads a duration, noting a mistake in it; "" is 0.
func (pr *problems) duration(key, text string) time.Duration {
	if text == "" {
		return 0
	}
	var d cluster.Duration
	err, fix := d.UnmarshalText([]byte(text)), ""
	z, refused := zeroDurations[plainKey(key)]
	switch {
	case err == nil && d < 0:
		err = fmt.Errorf("%s is not more than 0s", d)
	case err == nil && d == 0 && refused:
		err, fix = fmt.Errorf("0s %s", z.means), z.fix
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
