// Package report describes a cluster to people: it renders the records that a view has read as the values that the API, the
// console and the command line show.
//
// # The model
//
//	view.Snapshot ─▶ State ─▶ cluster.State ─▶ ExplainUnplaced (runs the planner) ─▶ the answer
//	the store     ─▶ History, Runs, Records: read on request, and not kept up to date
//	cluster.State + decisions ─▶ Past: the same cluster as it was
//
// Nothing here decides, and nothing that decides reads it.
package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// State returns the cluster as people see it, without the reasons of unplaced slots: ExplainUnplaced adds them.
func State(s *view.Snapshot, keys schema.Keys) cluster.State {
	state := cluster.State{
		Cluster: s.Cluster,
		Nodes:   []cluster.NodeInfo{},
		Lost:    []cluster.NodeInfo{},
		Tasks:   []cluster.TaskInfo{},
		Workers: []cluster.WorkerInfo{},
		Errors:  append(s.Errors(keys), disputes(s, keys)...),
	}
	if s.Settings.Rec != nil {
		state.Settings = s.Settings.Rec.Spec
	}
	leader := ""
	if s.Epoch.Rec != nil {
		state.Term = s.Epoch.Rec.Term
		if s.Epoch.Err == nil && !s.Epoch.Absent { // else no term is in force
			leader = s.Epoch.Rec.Leader
			state.Deferred = deferral(s)
		}
	}
	placed := map[cluster.Slot]cluster.WorkerInfo{}
	specs := s.Specs()
	for memberID, p := range s.Peers {
		info := nodeInfo(p, memberID, specs)
		addMark(s, p, &info)
		if p.Live() && !p.Silent {
			if memberID == leader {
				info.Leader, state.Leader = true, info.Name
			}
			state.Nodes = append(state.Nodes, info)
		} else {
			state.Lost = append(state.Lost, info)
		}
		placeWorkers(p, info, placed)
	}
	order := func(a, b cluster.NodeInfo) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Member, b.Member))
	}
	slices.SortFunc(state.Nodes, order)
	slices.SortFunc(state.Lost, order)
	addTasks(s, &state, specs, placed)
	return state
}

// deferral returns why and until when moves for balance wait, nil if none does.
func deferral(s *view.Snapshot) *cluster.Deferral {
	at := s.Epoch.Rec.BalanceAt
	if at.IsZero() {
		return nil
	}
	why := explain.Quiet(s)
	return &cluster.Deferral{Code: why.Code, Reason: why.String(), Until: at}
}

// ExplainUnplaced fills in why slots of tasks have no place. It runs the planner as a leader would, at the cost of a
// decision. The snapshot must be the one that leaders decide from, in which no member is marked as silent.
func ExplainUnplaced(state *cluster.State, s *view.Snapshot) {
	reasons := explain.Reasons(s)
	for i := range state.Tasks {
		t := &state.Tasks[i]
		if why := reasons[t.Name]; why.Code != "" {
			t.Reason, t.ReasonCode = why.String(), why.Code
		}
	}
}

// Tasks returns the tasks of a state with their declarations, by name.
func Tasks(s *view.Snapshot, state *cluster.State) []cluster.TaskDetail {
	list := make([]cluster.TaskDetail, 0, len(state.Tasks))
	for _, info := range state.Tasks {
		task := cluster.TaskDetail{TaskInfo: info, Declared: cluster.TaskSpec{Name: info.Name}, Unusable: s.Unusable(info.Name)}
		if rec := s.Tasks[info.Name].Rec; rec != nil {
			task.Declared, task.Override = rec.Spec, rec.Override
		} else if task.Unusable != "" {
			task.Declared = s.Specs()[info.Name]
		}
		list = append(list, task)
	}
	return list
}

// addTasks fills in the tasks and all their workers, by name and index, including workers that are no longer needed.
func addTasks(s *view.Snapshot, state *cluster.State, specs map[string]cluster.TaskSpec, placed map[cluster.Slot]cluster.WorkerInfo) {
	against := s.Suspicions()
	tasks := map[string]*cluster.TaskInfo{}
	for name, e := range s.Tasks { // those without a run, too
		if e.Rec != nil && !e.Rec.Deleted && e.Rec.Effective().Runs() {
			tasks[name] = taskInfo(name, e.Rec.Effective())
			tasks[name].Revision = taskRevision(e)
			tasks[name].NextRun = nextRun(s, name, e.Rec.Effective())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(specs)) {
		spec := specs[name]
		base, id := cluster.SplitRun(name)
		task := tasks[base]
		if task == nil {
			task = taskInfo(name, spec)
			task.Revision = taskRevision(s.Tasks[name])
			tasks[base] = task
		}
		run := s.Run(name)
		for i := range spec.WorkerNum {
			slot := cluster.Slot{Task: name, Index: i}
			w, ok := placed[slot]
			delete(placed, slot)
			w.Task, w.Run, w.Index = base, id, i
			switch {
			case run != nil && run.Finished(i):
				w.State = cluster.WorkerDone
				if !run.Done.Contains(i) {
					w.State = cluster.WorkerGivenUp
				}
			case !ok:
				w.State = cluster.WorkerPending
				if why := withhold(&w, against[slot].TookDown); why != "" {
					task.Reason = why
					task.Add(w.State)
				} else {
					task.Unplaced++
				}
			default:
				task.Add(w.State)
			}
			state.Workers = append(state.Workers, w)
		}
	}
	addUndeclared(s, tasks, placed)
	for _, name := range slices.Sorted(maps.Keys(tasks)) {
		state.Tasks = append(state.Tasks, *tasks[name])
		addRunInfo(s, state, name)
	}
	for _, w := range placed {
		w.Task, w.Run = cluster.SplitRun(w.Task)
		state.Workers = append(state.Workers, w)
	}
	slices.SortFunc(state.Workers, func(a, b cluster.WorkerInfo) int { return a.Compare(&b) })
}

func revision[R any](e view.Entry[R]) string { return strconv.FormatInt(e.Version, 10) }

func taskRevision(e view.Entry[schema.Task]) string {
	if e.Rec == nil {
		return revision(e)
	}
	return e.Rec.Revision(e.Version)
}

// MarkRevisions returns the revisions of all marks, by node, including empty ones.
func MarkRevisions(s *view.Snapshot) map[string]string {
	list := map[string]string{}
	for node, e := range s.Marks {
		if e.Rec != nil {
			list[node] = revision(e)
		}
	}
	return list
}

func taskInfo(name string, spec cluster.TaskSpec) *cluster.TaskInfo {
	return &cluster.TaskInfo{
		Name:      name,
		WorkName:  spec.WorkName,
		WorkerNum: spec.WorkerNum,
		Paused:    spec.Paused,
		Runs:      spec.Runs(),
		Schedule:  schedule.Name(spec),
	}
}

// withhold sets the state and error of a slot that is withheld or permanently failed, and returns a description; "" for
// other slots.
func withhold(w *cluster.WorkerInfo, tookDown []string) string {
	switch {
	case len(tookDown) < schema.CrashesToWithhold:
		return ""
	case len(tookDown) < schema.CrashesToFail:
		w.State = cluster.WorkerWithheld
	default:
		w.State = cluster.WorkerGivenUp
	}
	w.Error = "took down " + strings.Join(tookDown, ", ")
	return fmt.Sprintf("%s %s: %s", w.Slot(), w.State, w.Error)
}

// addUndeclared adds the tasks that are not declared, and of which assignments grant slots.
func addUndeclared(s *view.Snapshot, tasks map[string]*cluster.TaskInfo, placed map[cluster.Slot]cluster.WorkerInfo) {
	for slot, w := range placed {
		if _, run := cluster.SplitRun(slot.Task); run != "" || s.Deleted(slot.Task) {
			continue
		}
		task := tasks[slot.Task]
		if task == nil {
			why := cluster.Reason{Code: cluster.WhyUndeclared}
			task = &cluster.TaskInfo{Name: slot.Task, Reason: why.String() + "; its workers are asked back", ReasonCode: why.Code}
			tasks[slot.Task] = task
		}
		if task.ReasonCode == cluster.WhyUndeclared {
			task.Add(w.State)
		}
	}
}
