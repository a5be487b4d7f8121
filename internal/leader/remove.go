package leader

import (
	"context"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// remove removes the records of deleted tasks, after their checkpoints, and marks without content.
func (l *leading) remove(ctx context.Context, r round.Removal) error {
	tasks := map[string]bool{}
	for _, name := range r.Tasks {
		tasks[name] = true
	}
	if swept, err := l.sweeper.tasks(ctx, tasks); swept || err != nil {
		return err
	}
	snap := l.view.Snapshot()
	ops, epoch := l.commits.fencedBy(snap, max(snap.Epoch.Rec.NextToken, l.commits.nextToken), snap.Epoch.Rec.BalanceAt)
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
	if err := l.commits.plain(ctx, snap, epoch, ops); err != nil {
		return err
	}
	l.view.PutRemoved(r.Record, version)
	for _, name := range r.Tasks {
		l.view.ForgetTask(name)
	}
	for _, node := range r.Marks {
		l.view.ForgetMark(node)
	}
	l.Log.Info("removed obsolete records", "tasks", len(r.Tasks), "marks", len(r.Marks))
	return nil
}
