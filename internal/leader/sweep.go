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
)

// sweeper deletes keys below other keys: checkpoints before their runs and tasks, and keys that were created manually below a
// record that must be deleted.
type sweeper struct {
	*Leader
	commits     *commits
	unremovable map[string]bool // as in round.World
}

// runs deletes the checkpoints of runs whose records a decision deletes, as many as fit into one commit. It reports whether there
// were any; the decision is then made again. No worker can write such a checkpoint, since no assignment lists a slot of the run.
func (s *sweeper) runs(ctx context.Context, d round.Decision) (swept bool, err error) {
	for _, run := range d.DropRuns {
		dir := schema.Dir(s.Keys.Checkpoint(cluster.Slot{Task: cluster.RunTask(run.Task, run.ID)}))
		swept, err = s.dirs(ctx, []string{dir})
		if swept || err != nil {
			return swept, err
		}
	}
	return false, nil
}

// tasks deletes the checkpoints of tasks and of all their runs, in the same way as runs.
func (s *sweeper) tasks(ctx context.Context, names map[string]bool) (swept bool, err error) {
	if len(names) == 0 {
		return false, nil
	}
	found, err := s.Session.List(ctx, schema.Dir(schema.Dir(s.Keys.Checkpoint(cluster.Slot{}))))
	if err != nil {
		return false, err
	}
	var dirs []string
	for _, e := range found {
		if task, _ := cluster.SplitRun(e.Name); names[task] {
			dirs = append(dirs, schema.Dir(schema.Dir(s.Keys.Checkpoint(cluster.Slot{})))+"/"+e.Name)
		}
	}
	return s.dirs(ctx, dirs)
}

// below returns a key without the cluster's root.
func (s *sweeper) below(key string) string { return strings.TrimPrefix(key, s.Keys.Root()+"/") }

// mustGo reports whether a key that cannot be deleted, because there are keys below it, blocks everything else. Such a key is a
// record that only leaders write, or a record of a member, which has no keys below it while a session owns it. Records that
// operators write stay.
func (s *sweeper) mustGo(key string) bool {
	switch schema.Dir(key) {
	case s.Keys.Assignments(), s.Keys.Completions(), s.Keys.TaskRuns(), schema.Dir(s.Keys.Decision(0)),
		s.Keys.Members(), schema.Dir(s.Keys.Status("")), schema.Dir(s.Keys.Heartbeat("")), schema.Dir(s.Keys.Name("")), s.Keys.Elections():
		return true
	}
	return false
}

// clearBelow deletes keys that were created manually below a record that is to be deleted; a service with a tree of keys refuses
// to delete the record before. The deepest keys go first.
func (s *sweeper) clearBelow(ctx context.Context, key string) error {
	for {
		_, err := s.dirs(ctx, []string{key})
		failed, checked := coord.FailedCheck(err)
		if !checked || failed.Op.Kind != coord.KindDelete || !errors.Is(err, coord.ErrInvalid) {
			return err
		}
		key = failed.Op.Key
	}
}

// dirs deletes the keys below some keys, as many as fit into one commit.
func (s *sweeper) dirs(ctx context.Context, dirs []string) (swept bool, err error) {
	snap := s.commits.view.Snapshot()
	ops, epoch := s.commits.fencedBy(snap, max(snap.Epoch.Rec.NextToken, s.commits.nextToken), snap.Epoch.Rec.BalanceAt)
	before := len(ops)
	for _, dir := range dirs {
		entries, err := s.Session.List(ctx, dir)
		if err != nil {
			return false, err
		}
		entries = slices.DeleteFunc(entries, func(e coord.Entry) bool { return s.unremovable[s.below(dir+"/"+e.Name)] })
		for _, e := range entries[:min(len(entries), round.MaxRemoved+before-len(ops))] {
			r, err := s.Session.Get(ctx, dir+"/"+e.Name)
			if err != nil {
				return false, fmt.Errorf("sweep: %w", err)
			}
			s.beginStep(ctx)
			ops = append(ops, coord.Delete(dir+"/"+e.Name, r.Version))
		}
	}
	if len(ops) == before {
		return false, nil
	}
	return true, s.commits.plain(ctx, snap, epoch, ops)
}
