package config

import (
	"fmt"
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
	for i, t := range f.config.Tasks {
		key := fmt.Sprintf("task[%d]", i)
		spec := cluster.TaskSpec{Name: t.Name, WorkName: t.WorkName, WorkerNum: int(t.WorkerNum)}
		spec.StopTimeout = cluster.Duration(f.duration(key+".stopTimeout", t.StopTimeout))
		spec.Interval = cluster.Duration(f.duration(key+".interval", t.Interval))
		var err error
		if spec.Params, err = cluster.NewParams(t.Params); err != nil {
			f.fail(placedError{place: f.at(key + ".params"), key: key + ".params", text: err.Error()})
		}
		spec.Require, spec.Prefer, spec.Spread = cluster.Selector(t.Require), cluster.Selector(t.Prefer), t.Spread
		spec.MaxPerNode, spec.Weight, spec.MaxUnavailable = int(t.MaxPerNode), int(t.Weight), int(t.MaxUnavailable)
		spec.Paused, spec.Resize = t.Paused, cluster.Resize(t.Resize)
		f.runsOf(key, &t, &spec)
		bad := f.zeros(key, "maxPerNode", "weight", "maxUnavailable")
		bad = f.mistakes(key, schedule.Validate(spec)) || bad
		if at := key + ".resize"; f.has(at) && !f.wrongType(at) && t.Resize == "" {
			f.fail(placedError{f.keys[at], at, `resize: "" is none of ["restart" "live"]`, `leave it out for "restart"`})
			bad = true
		}
		f.twice("task", i, t.Name, seen)
		if !f.has(key + ".workerNum") {
			f.remarks = append(f.remarks, remark{fmt.Sprintf("%s:%d: task %q has no workerNum, which means 0 workers", f.path, f.header("task", i), t.Name), "give it workerNum = 1, or workerNum = 0 if that is meant"})
		}
		if !bad {
			specs = append(specs, spec)
		}
	}
	return specs
}

// mistakes notes the parts of an error, each of which begins with the key that it is about, and reports whether there are
// any. Of a key that something is told of already nothing more is told.
func (f *configFile) mistakes(table string, err error) (any bool) {
	told := map[string]bool{}
	for _, e := range split(err) {
		name, _, _ := strings.Cut(e.Error(), ":")
		if key := table + "." + name; !f.unread[key] {
			f.fail(placedError{place: f.at(key), key: key, text: e.Error()})
			told[key] = true
		}
		any = true
	}
	for key := range told {
		f.unread[key] = true
	}
	return any
}

// twice notes a [[task]] or [[work]] whose name an earlier one has; seen are those.
func (f *configFile) twice(kind string, n int, name string, seen map[string]int) {
	if first, ok := seen[name]; ok && name != "" {
		key := fmt.Sprintf("%s[%d].name", kind, n)
		f.fail(placedError{place: f.at(key), key: key, text: fmt.Sprintf("name: the same as that of %s %d in line %d", kind, first+1, f.header(kind, first))})
	} else {
		seen[name] = n
	}
}

// runsOf reads what becomes of workers that fail, and of those that run to their end.
func (f *configFile) runsOf(key string, t *fileTask, spec *cluster.TaskSpec) {
	spec.Restart = cluster.Restart{
		Backoff:    cluster.Duration(f.duration(key+".restart.backoff", t.Restart.Backoff)),
		MaxBackoff: cluster.Duration(f.duration(key+".restart.maxBackoff", t.Restart.MaxBackoff)),
		Max:        int(t.Restart.Max), Elsewhere: int(t.Restart.Elsewhere),
	}
	spec.WhenDisconnected = cluster.WhenDisconnected(t.WhenDisconnected)
	spec.Mode, spec.Schedule, spec.TimeZone = cluster.Mode(t.Mode), t.Schedule, t.TimeZone
	spec.Every = cluster.Duration(f.duration(key+".every", t.Every))
	if f.has(key+".phase") && !f.wrongType(key+".phase") {
		f.check(key+".phase", spec.Phase.UnmarshalText([]byte(t.Phase)))
	}
	spec.Timeout = cluster.Duration(f.duration(key+".timeout", t.Timeout))
	spec.Misfire, spec.Overlap = cluster.Misfire(t.Misfire), cluster.Overlap(t.Overlap)
	spec.MaxAttempts, spec.KeepRuns = int(t.MaxAttempts), int(t.KeepRuns)
	f.runsAll(key, spec)
}

// runsAll takes something for what could not be read of when a task runs, so that nothing is said that only follows
// from that.
func (f *configFile) runsAll(key string, spec *cluster.TaskSpec) {
	if f.wrongType(key + ".every") {
		spec.Every = cluster.Duration(24 * time.Hour)
	}
	if f.wrongType(key + ".schedule") {
		spec.Schedule = "@daily"
	}
	if f.wrongType(key + ".mode") {
		spec.Mode = cluster.ModeOnce
		if spec.Scheduled() {
			spec.Mode = ""
		}
	}
}

// zeros notes keys that are given as 0, where leaving them out is what is meant. It reports whether there
// are any.
func (f *configFile) zeros(table string, names ...string) (any bool) {
	values := map[string]int64{
		"node.weight": f.config.Node.Weight, "node.capacity": f.config.Node.Capacity, "moving.maxMoving": f.config.Moving.MaxMoving,
	}
	for i, t := range f.config.Tasks {
		key := fmt.Sprintf("task[%d].", i)
		values[key+"maxPerNode"], values[key+"weight"], values[key+"maxUnavailable"] = t.MaxPerNode, t.Weight, t.MaxUnavailable
	}
	for _, name := range names {
		key := table + "." + name
		if f.has(key) && !f.wrongType(key) && values[key] == 0 {
			text := "leave it out for no limit"
			if name == "weight" {
				text = "leave it out for 1"
			}
			f.fail(placedError{f.keys[key], key, name + ": 0 would let nothing run or move", text})
			f.unread[key] = true
			any = true
		}
	}
	return any
}

// duration reads a duration, noting a mistake in it; "" is 0.
func (f *configFile) duration(key, text string) time.Duration {
	if text == "" {
		return 0
	}
	var d cluster.Duration
	err, fix := d.UnmarshalText([]byte(text)), ""
	switch z := zeroDurations[plainKey(key)]; {
	case err == nil && d < 0:
		err = fmt.Errorf("%s is not more than 0s", d)
	case err == nil && d == 0:
		err, fix = fmt.Errorf("0s %s", z.means), z.fix
	}
	f.checkFix(key, err, fix)
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
