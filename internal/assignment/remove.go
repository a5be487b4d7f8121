package assignment

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Bounds of what one commit removes. With the four operations that every one of these has it is below coord.MaxOps.
const maxRemoved = 80

// Removal are records that are of no use any longer: of tasks that were deleted, and marks of nodes that are not there.
type Removal struct {
	Tasks, Marks []string
	// Record is what is remembered of them.
	Record *schema.Removed
}

func (r *Removal) empty() bool { return r.Record == nil }

// writes reports whether a decision changes anything else.
func (d *Decision) writes() bool {
	return len(d.Docs) > 0 || d.Suspects != nil || d.Orders != nil || len(d.Agendas) > 0 || len(d.Marks) > 0
}

// remove decides what is removed when there is nothing else to do. Of a deleted task that is when its agenda has been
// dropped, with the records of its runs, and no document lists a slot of it: nothing of it can run or note anything.
// Package operation says why these records may be removed at all.
func (d *decider) remove() {
	e := d.Snapshot.Removed
	if d.Unsettled || d.out.Blocked != "" || d.out.StepDown || d.out.Evict != "" || d.out.writes() || e.Err != nil || !e.Absent && e.Rec == nil {
		return
	}
	listed, nodes, whole := d.inUse()
	if !whole {
		return
	}
	rec := schema.Removed{}
	if !e.Absent {
		rec = *e.Rec
	}
	out := &d.out.Remove
	for _, name := range slices.Sorted(maps.Keys(d.Snapshot.Tasks)) {
		_, runs := d.Snapshot.Agendas[name]
		if t := d.Snapshot.Tasks[name]; t.Good() && t.Rec.Deleted && !runs && !listed[name] && !d.Stays["tasks/"+name] && len(out.Tasks) < maxRemoved {
			out.Tasks = append(out.Tasks, name)
			rec.Add(t.Rec)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(d.Snapshot.Marks)) {
		if m := d.Snapshot.Marks[node]; m.Good() && !m.Rec.Wanted() && !nodes[node] && !d.Stays["marks/"+node] && len(out.Tasks)+len(out.Marks) < maxRemoved {
			out.Marks = append(out.Marks, node)
		}
	}
	if len(out.Tasks)+len(out.Marks) > 0 {
		out.Record = &rec
	}
}

// inUse returns the tasks of which a document lists slots, and the nodes that there are; whole is false if that
// is not known of every member.
func (d *decider) inUse() (tasks, nodes map[string]bool, whole bool) {
	tasks, nodes = map[string]bool{}, map[string]bool{}
	for _, p := range d.Snapshot.Peers {
		if !p.Doc.Good() {
			return nil, nil, false
		}
		nodes[p.Doc.Rec.Node] = true
		for _, list := range [][]schema.Held{p.Doc.Rec.Slots, p.Doc.Rec.Releasing} {
			for i := range list {
				task, _ := cluster.SplitRun(list[i].Task)
				tasks[task] = true
			}
		}
	}
	return tasks, nodes, true
}

// remove removes records, after the checkpoints of the tasks.
func (l *leading) remove(ctx context.Context, r Removal) error {
	tasks := map[string]bool{}
	for _, name := range r.Tasks {
		tasks[name] = true
	}
	if swept, err := l.sweepTasks(ctx, tasks); swept || err != nil {
		return err
	}
	snap := l.view.Snapshot()
	ops, epoch := l.guard(snap, max(snap.Epoch.Rec.NextToken, l.nextToken))
	version := int64(0)
	if old := snap.Removed; old.Absent {
		ops = append(ops, coord.Create(l.Keys.Removed(), schema.Encode(r.Record, 0)))
	} else {
		version = old.Version + 1
		ops = append(ops, coord.Set(l.Keys.Removed(), schema.Encode(r.Record, version), old.Version))
	}
	for _, name := range r.Tasks {
		ops = append(ops, coord.Delete(l.Keys.Task(name), snap.Tasks[name].Version))
	}
	for _, node := range r.Marks {
		ops = append(ops, coord.Delete(l.Keys.Mark(node), snap.Marks[node].Version))
	}
	if err := l.commit(ctx, snap, epoch, ops); err != nil {
		return err
	}
	l.view.PutRemoved(r.Record, version)
	for _, name := range r.Tasks {
		l.view.ForgetTask(name)
	}
	for _, node := range r.Marks {
		l.view.ForgetMark(node)
	}
	l.Log.Info("removed what is of no use any longer", "tasks", len(r.Tasks), "marks", len(r.Marks))
	return nil
}

// commit makes a commit that moves no slot.
func (l *leading) commit(ctx context.Context, snap *view.Snapshot, epoch *schema.Epoch, ops []coord.Op) error {
	ring := l.record(epoch, nil)
	if err := l.submit(ctx, append(ops, ring...)); err != nil {
		return err
	}
	l.recorded(ring)
	l.view.PutEpoch(epoch, snap.Epoch.Version+1)
	l.nextToken, l.committed = epoch.NextToken, snap.Epoch.Version+1
	return nil
}

// sweep deletes checkpoints of runs whose records a decision deletes, as many as go into one commit, and reports whether
// there were any: then the decision is made again. Nobody writes such a checkpoint any longer: no document
// lists a slot of the run.
func (l *leading) sweep(ctx context.Context, d Decision) (swept bool, err error) {
	for _, run := range d.DropRuns {
		dir := schema.Dir(l.Keys.Checkpoint(cluster.Slot{Task: cluster.RunTask(run.Task, run.ID)}))
		if swept, err := l.sweepDirs(ctx, []string{dir}); swept || err != nil {
			return swept, err
		}
	}
	return false, nil
}

// sweepTasks does the same for tasks and all their runs, whatever has become of these.
func (l *leading) sweepTasks(ctx context.Context, tasks map[string]bool) (swept bool, err error) {
	if len(tasks) == 0 {
		return false, nil
	}
	found, err := l.Session.List(ctx, l.Keys.Checkpoints())
	if err != nil {
		return false, err
	}
	var dirs []string
	for _, e := range found {
		if task, _ := cluster.SplitRun(e.Name); tasks[task] {
			dirs = append(dirs, l.Keys.Checkpoints()+"/"+e.Name)
		}
	}
	return l.sweepDirs(ctx, dirs)
}

// below returns a key without the cluster's root.
func (l *leading) below(key string) string { return strings.TrimPrefix(key, l.Keys.Root()+"/") }

// mustGo reports whether a key that cannot be deleted, since there are keys below it, holds up everything else: a record
// that only leaders write, or one of a member, which has none below it while a session holds it. Those that people
// write stay where they are.
func (l *leading) mustGo(key string) bool {
	switch schema.Dir(key) {
	case l.Keys.Docs(), l.Keys.Dones(), l.Keys.Agendas(), schema.Dir(l.Keys.Decision(0)),
		l.Keys.Members(), schema.Dir(l.Keys.Status("")), schema.Dir(l.Keys.Heartbeat("")), schema.Dir(l.Keys.Name("")), l.Keys.Elections():
		return true
	}
	return false
}

// clearBelow deletes what a hand has made below a record that is to be deleted: a service with a tree of keys refuses to
// delete it before. What is further down goes first.
func (l *leading) clearBelow(ctx context.Context, key string) error {
	for {
		_, err := l.sweepDirs(ctx, []string{key})
		failed, checked := coord.FailedCheck(err)
		if !checked || failed.Op.Kind != coord.KindDelete || !errors.Is(err, coord.ErrInvalid) {
			return err
		}
		key = failed.Op.Key
	}
}

// sweepDirs deletes what is below some keys, as much as goes into one commit.
func (l *leading) sweepDirs(ctx context.Context, dirs []string) (swept bool, err error) {
	snap := l.view.Snapshot()
	ops, epoch := l.guard(snap, max(snap.Epoch.Rec.NextToken, l.nextToken))
	before := len(ops)
	for _, dir := range dirs {
		entries, err := l.Session.List(ctx, dir)
		if err != nil {
			return false, err
		}
		entries = slices.DeleteFunc(entries, func(e coord.Entry) bool { return l.stays[l.below(dir+"/"+e.Name)] })
		for _, e := range entries[:min(len(entries), maxRemoved+before-len(ops))] {
			r, err := l.Session.Get(ctx, dir+"/"+e.Name)
			if err != nil {
				return false, fmt.Errorf("sweep: %w", err)
			}
			l.works(ctx)
			ops = append(ops, coord.Delete(dir+"/"+e.Name, r.Version))
		}
	}
	if len(ops) == before {
		return false, nil
	}
	return true, l.commit(ctx, snap, epoch, ops)
}
