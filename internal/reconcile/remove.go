package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// remove removes obsolete records when there is nothing else to do. A deleted task is obsolete when its agenda has been dropped, with
// the records of its runs, and no assignment lists a slot of it: nothing of it can run or write a checkpoint. Package operation
// explains why these records may be removed at all.
func remove(f *round.Facts, draft *round.Draft) {
	e := f.Snapshot.Removed
	if f.DryRun || draft.Out.Blocked != "" || draft.Out.StepDown || draft.Out.Evict != "" || draft.Out.Writes() {
		return
	}
	if e.Err != nil || !e.Absent && e.Rec == nil {
		return
	}
	listed, nodes, whole := inUse(f)
	if !whole {
		return
	}
	rec := schema.Removed{}
	if !e.Absent {
		rec = *e.Rec
	}
	out := &draft.Out.Remove
	for _, name := range slices.Sorted(maps.Keys(f.Snapshot.Tasks)) {
		_, runs := f.Snapshot.TaskRuns[name]
		t := f.Snapshot.Tasks[name]
		obsolete := t.Good() && t.Rec.Deleted && !runs && !listed[name]
		if obsolete && !f.Unremovable["tasks/"+name] && len(out.Tasks) < round.MaxRemoved {
			out.Tasks = append(out.Tasks, name)
			rec.Add(t.Rec)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(f.Snapshot.Marks)) {
		m := f.Snapshot.Marks[node]
		obsolete := m.Good() && !m.Rec.Wanted() && !nodes[node]
		if obsolete && !f.Unremovable["marks/"+node] && len(out.Tasks)+len(out.Marks) < round.MaxRemoved {
			out.Marks = append(out.Marks, node)
		}
	}
	if len(out.Tasks)+len(out.Marks) > 0 {
		out.Record = &rec
	}
}

// inUse returns the tasks of which an assignment lists slots, and the nodes that have a member; whole is false if that is unknown for
// some member.
func inUse(f *round.Facts) (tasks, nodes map[string]bool, whole bool) {
	tasks, nodes = map[string]bool{}, map[string]bool{}
	for _, p := range f.Snapshot.Peers {
		if !p.Assignment.Good() {
			return nil, nil, false
		}
		nodes[p.Assignment.Rec.Node] = true
		for h := range p.Assignment.Rec.Ranges() {
			task, _ := cluster.SplitRun(h.Task)
			tasks[task] = true
		}
	}
	return tasks, nodes, true
}
