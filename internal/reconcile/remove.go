package reconcile

import (
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// MaxRemoved bounds what one commit removes. With the four operations that every one of these has it is below coord.MaxOps.
const MaxRemoved = 80

// Removal are records that are of no use any longer: of tasks that were deleted, and marks of nodes that are not there.
type Removal struct {
	Tasks, Marks []string
	// Record is what is remembered of them.
	Record *schema.Removed
}

// Empty reports whether nothing is removed.
func (r *Removal) Empty() bool { return r.Record == nil }

// Writes reports whether a decision changes anything else.
func (d *Decision) Writes() bool {
	return len(d.Assignments) > 0 || d.Suspects != nil || d.Requests != nil || len(d.TaskRuns) > 0 || len(d.Marks) > 0
}

// remove decides what is removed when there is nothing else to do. Of a deleted task that is when its agenda has been
// dropped, with the records of its runs, and no assignment lists a slot of it: nothing of it can run or note anything.
// Package operation says why these records may be removed at all.
func remove(f *facts, c *commit) {
	e := f.Snapshot.Removed
	if f.DryRun || c.out.Blocked != "" || c.out.StepDown || c.out.Evict != "" || c.out.Writes() {
		return
	}
	if e.Err != nil || !e.Absent && e.Rec == nil {
		return
	}
	listed, nodes, whole := f.inUse()
	if !whole {
		return
	}
	rec := schema.Removed{}
	if !e.Absent {
		rec = *e.Rec
	}
	out := &c.out.Remove
	for _, name := range slices.Sorted(maps.Keys(f.Snapshot.Tasks)) {
		_, runs := f.Snapshot.TaskRuns[name]
		t := f.Snapshot.Tasks[name]
		gone := t.Good() && t.Rec.Deleted && !runs && !listed[name]
		if gone && !f.Unremovable["tasks/"+name] && len(out.Tasks) < MaxRemoved {
			out.Tasks = append(out.Tasks, name)
			rec.Add(t.Rec)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(f.Snapshot.Marks)) {
		m := f.Snapshot.Marks[node]
		gone := m.Good() && !m.Rec.Wanted() && !nodes[node]
		if gone && !f.Unremovable["marks/"+node] && len(out.Tasks)+len(out.Marks) < MaxRemoved {
			out.Marks = append(out.Marks, node)
		}
	}
	if len(out.Tasks)+len(out.Marks) > 0 {
		out.Record = &rec
	}
}

// inUse returns the tasks of which an assignment lists slots, and the nodes that there are; whole is false if that
// is not known of every member.
func (f *facts) inUse() (tasks, nodes map[string]bool, whole bool) {
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
