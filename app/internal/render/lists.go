package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// Tasks lists the tasks, with a column for overrides if a task has one.
func Tasks(tasks []cluster.TaskDetail) Table {
	infos := make([]cluster.TaskInfo, len(tasks))
	for i := range tasks {
		infos[i] = tasks[i].TaskInfo
	}
	rows := tasksOf(infos)
	if !slices.ContainsFunc(tasks, func(t cluster.TaskDetail) bool { return overrideText(t.Override) != "" }) {
		return rows
	}
	rows[0] = slices.Insert(rows[0], 3, "OVERRIDE") // after the number of workers
	for i := range tasks {
		rows[i+1] = slices.Insert(rows[i+1], 3, dash(overrideText(tasks[i].Override)))
	}
	return rows
}

// overrideText returns the override of a task in words, "" for none.
func overrideText(o cluster.Override) string {
	var list []string
	if o.WorkerNum != nil {
		list = append(list, plural.Of(*o.WorkerNum, "worker"))
	}
	switch {
	case o.Paused == nil:
	case *o.Paused:
		list = append(list, "paused")
	default:
		list = append(list, "resumed")
	}
	return strings.Join(list, ", ")
}

// Nodes lists nodes, without the columns that are empty for all of them.
func Nodes(list []cluster.NodeInfo) Table {
	t := Table{{"NODE", "STATE", "VERSION", "SLOTS", "LOAD", "CAPACITY", "WORKS", "LABELS", "ADDRESS"}}
	for _, n := range list {
		name := n.Name
		if n.Leader {
			name += " (leader)"
		}
		works, labels := strings.Join(n.Works, ","), labelText(n.Labels)
		t.Add(name, nodeState(n), n.Version, n.Slots, n.Load, number(n.Capacity), works, labels, addressOf(&n))
	}
	return t.withoutEmpty("VERSION", "CAPACITY", "WORKS", "LABELS")
}

// addressOf returns the address where other machines reach a node. The one that it listens on may be a wildcard.
func addressOf(n *cluster.NodeInfo) string { return cmp.Or(n.Advertise, n.Address) }

// Runs lists runs; those under way with the failed attempts of their workers.
func Runs(list []cluster.RunInfo, workers []cluster.WorkerInfo) Table {
	t := Table{{"RUN", "STATE", "DONE", "FAILED", "OF", "BEGAN", "TOOK", "BY", "ERROR OR REASON"}}
	for _, r := range list {
		if r.State == cluster.RunSkipped {
			t.Add(r.ID, r.State, "-", "-", "-", "-", "", "", oneLine(r.Reason))
			continue
		}
		took := ""
		if !r.Ended.IsZero() {
			took = r.Ended.Sub(r.Began).Round(time.Millisecond).String()
		}
		t.Add(r.ID, r.State, r.Done, r.Failed, r.WorkerNum, Time(r.Began), took, r.By, oneLine(cmp.Or(r.Error, retried(&r, workers))))
	}
	return t
}

// retried describes the worker of a run under way that has failed most often and is tried again, "" if none has failed.
func retried(r *cluster.RunInfo, workers []cluster.WorkerInfo) string {
	var most *cluster.WorkerInfo
	for i := range workers {
		w := &workers[i]
		if w.Task == r.Task && w.Run == r.ID && w.Restarts > 0 && w.State != cluster.WorkerGivenUp &&
			(most == nil || w.Restarts > most.Restarts) {
			most = w
		}
	}
	if most == nil {
		return ""
	}
	return fmt.Sprintf("%d: %s so far: %s", most.Index, plural.Of(most.Restarts, "failed attempt"), most.Error)
}

// NoRuns returns why a task has no runs, and the command that helps.
func NoRuns(t *cluster.TaskDetail) string {
	none := fmt.Sprintf("task %s has no runs yet", t.Name)
	switch {
	case !t.Runs:
		return fmt.Sprintf("task %s is continuous and has no runs; see `xconsumer workers %[1]s` and `xconsumer logs %[1]s`", t.Name)
	case t.Paused:
		return fmt.Sprintf("%s: it is paused; `xconsumer resume %s` lets it run", none, t.Name)
	case !t.NextRun.IsZero():
		return fmt.Sprintf("%s; the first one is due at %s (%s)", none, t.NextRun.Local().Format("2006-01-02 15:04:05 MST"), t.Schedule)
	case t.Reason != "":
		return none + ": " + t.Reason
	}
	return fmt.Sprintf("%s; `xconsumer run-now %s` begins one", none, t.Name)
}

// Workers lists workers.
func Workers(list []cluster.WorkerInfo) Table {
	t := Table{{"WORKER", "NODE", "STATE", "SINCE", "TOKEN", "RESTARTS", "LAST ERROR"}}
	for i := range list {
		w := &list[i]
		t.Add(w.Slot(), w.Node, w.State, Time(w.Since), w.Token, w.Restarts, oneLine(w.Error))
	}
	return t
}
