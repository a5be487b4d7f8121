package leader

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// remove removes records, after the checkpoints of the tasks.
func (l *leading) remove(ctx context.Context, r round.Removal) error {
	tasks := map[string]bool{}
	for _, name := range r.Tasks {
		tasks[name] = true
	}
	if swept, err := l.sweepTasks(ctx, tasks); swept || err != nil {
		return err
	}
	snap := l.view.Snapshot()
	ops, epoch := l.fencedBy(snap, max(snap.Epoch.Rec.NextToken, l.nextToken))
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
// there were any: then the decision is made again. Nobody writes such a checkpoint any longer: no assignment
// lists a slot of the run.
func (l *leading) sweep(ctx context.Context, d round.Decision) (swept bool, err error) {
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
	case l.Keys.Assignments(), l.Keys.Completions(), l.Keys.TaskRuns(), schema.Dir(l.Keys.Decision(0)),
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
	ops, epoch := l.fencedBy(snap, max(snap.Epoch.Rec.NextToken, l.nextToken))
	before := len(ops)
	for _, dir := range dirs {
		entries, err := l.Session.List(ctx, dir)
		if err != nil {
			return false, err
		}
		entries = slices.DeleteFunc(entries, func(e coord.Entry) bool { return l.unremovable[l.below(dir+"/"+e.Name)] })
		for _, e := range entries[:min(len(entries), round.MaxRemoved+before-len(ops))] {
			r, err := l.Session.Get(ctx, dir+"/"+e.Name)
			if err != nil {
				return false, fmt.Errorf("sweep: %w", err)
			}
			l.beginStep(ctx)
			ops = append(ops, coord.Delete(dir+"/"+e.Name, r.Version))
		}
	}
	if len(ops) == before {
		return false, nil
	}
	return true, l.commit(ctx, snap, epoch, ops)
}
