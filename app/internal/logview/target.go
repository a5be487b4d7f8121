package logview

import (
	"fmt"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Target is the workers that TASK or TASK#INDEX names: those of a task, of one of its runs, or of one slot.
type Target struct {
	Task string
	One  bool // only the worker of one index

	index int
	run   string // only this run, "" for all
}

// ParseTarget reads TASK or TASK#INDEX, and reports whether it could. Without a run it is of all runs of the task.
func ParseTarget(name, run string) (Target, bool) {
	task, index, one := strings.Cut(name, "#")
	at, err := strconv.Atoi(index)
	if one && (err != nil || at < 0) {
		return Target{}, false
	}
	return Target{Task: task, One: one, index: at, run: run}, true
}

func (t Target) name() string {
	if t.One {
		return t.Task + "#" + strconv.Itoa(t.index)
	}
	return t.Task
}

// String names the workers in a sentence.
func (t Target) String() string {
	if t.One {
		return "worker " + t.name()
	}
	return "workers of task " + t.name()
}

// Of returns those of the workers that the target names.
func (t Target) Of(workers []cluster.WorkerInfo) (list []cluster.WorkerInfo) {
	for i := range workers {
		if w := &workers[i]; w.Task == t.Task && (!t.One || w.Index == t.index) && (t.run == "" || w.Run == t.run) {
			list = append(list, *w)
		}
	}
	return list
}

// info returns what is known of the task, nil if there is none of that name.
func (t Target) info(state *cluster.State) *cluster.TaskInfo {
	for i := range state.Tasks {
		if state.Tasks[i].Name == t.Task {
			return &state.Tasks[i]
		}
	}
	return nil
}

// HasRuns reports whether workers of the task come with its runs, and no run is named.
func (t Target) HasRuns(state *cluster.State) bool {
	info := t.info(state)
	return info != nil && info.Runs && t.run == ""
}

// missing is the error when the target names no worker. It says why.
func (t Target) missing(state *cluster.State) error {
	if t.HasRuns(state) {
		return fmt.Errorf(
			"%w: no run of %s is under way; `xconsumer runs %[2]s` lists those that are over, "+
				"and xconsumer logs %[2]s#0 --run ID shows the log of one",
			cluster.ErrNoSlot,
			t.Task,
		)
	}
	if t.info(state) == nil {
		return fmt.Errorf("%w: %s; see `xconsumer tasks` for those that there are", cluster.ErrNoTask, t.Task)
	}
	return fmt.Errorf("%w: %s; see `xconsumer workers` for those that there are", cluster.ErrNoSlot, t.name())
}
