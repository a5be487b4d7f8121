package logview

import (
	"fmt"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/spelling"
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

// Missing returns the error of a target that names no worker, with the reason. It matches cluster.ErrNoTask or
// cluster.ErrNoSlot.
func (t Target) Missing(state *cluster.State) error {
	if t.HasRuns(state) {
		return fmt.Errorf(
			"%w: no run of %s is under way; `xconsumer runs %[2]s` lists those that are over, "+
				"and xconsumer logs %[2]s#0 --run ID shows the log of one",
			cluster.ErrNoSlot,
			t.Task,
		)
	}
	if t.info(state) == nil {
		return fmt.Errorf("%w: %s; %s", cluster.ErrNoTask, t.Task, t.Hint(state))
	}
	return fmt.Errorf("%w: %s; %s", cluster.ErrNoSlot, t.name(), t.Hint(state))
}

// Hint returns what the cluster has in place of workers that a command did not find: the task with the most similar name, or
// the workers that the task has.
func (t Target) Hint(state *cluster.State) string {
	info := t.info(state)
	if info == nil {
		names := make([]string, len(state.Tasks))
		for i := range state.Tasks {
			names[i] = state.Tasks[i].Name
		}
		return Instead(t.Task, names, "tasks")
	}
	switch {
	case t.run != "" && !info.Runs:
		return fmt.Sprintf("task %s is continuous and has no runs", t.Task)
	case info.Runs:
		return fmt.Sprintf("`xconsumer runs %s` lists the runs of the task", t.Task)
	case info.WorkerNum == 0:
		return fmt.Sprintf("task %s has no workers", t.Task)
	case t.One && t.index >= info.WorkerNum && info.WorkerNum == 1:
		return fmt.Sprintf("task %s has one worker, %[1]s#0", t.Task)
	case t.One && t.index >= info.WorkerNum:
		return fmt.Sprintf("the workers of task %s are %[1]s#0 to %[1]s#%d", t.Task, info.WorkerNum-1)
	}
	return fmt.Sprintf("`xconsumer workers %s` lists its workers", t.Task)
}

// Instead suggests the known name that is most similar to an unknown one, and names the command that lists them:
// tasks or nodes.
func Instead(name string, known []string, command string) string {
	list := fmt.Sprintf("`xconsumer %s` lists the %[1]s", command)
	if near := spelling.Nearest(name, known); near != "" {
		return fmt.Sprintf("did you mean %q? %s", near, list)
	}
	return list
}
