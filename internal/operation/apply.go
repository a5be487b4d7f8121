package operation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Apply makes a change in one commit, provided that no leader has written since the epoch was at a
// version, nor anybody any of what it changes, and returns the revisions that its records have then. What cannot
// be done but only happens is refused.
func (o Operator) Apply(ctx context.Context, s *view.Snapshot, c cluster.Change) (cluster.Revisions, error) {
	if len(c.Lose) > 0 || len(c.Labels) > 0 {
		field := "lose"
		if len(c.Lose) == 0 {
			field = "labels"
		}
		return cluster.Revisions{}, wrong(field, errors.New("the loss of a node or other labels can only be asked about"))
	}
	if err := c.Validate(); err != nil {
		return cluster.Revisions{}, fmt.Errorf("%w: %w", cluster.ErrChange, err)
	}
	o = o.applying(c)
	o.planned = true
	var written cluster.Revisions
	_, err := o.write(ctx, func(ctx context.Context) ([]coord.Op, string, error) {
		b := batch{
			Operator: o, snapshot: s, ops: []coord.Op{coord.Check(o.Keys.Epoch(), s.Epoch.Version)},
			written: cluster.Revisions{Tasks: map[string]string{}, Marks: map[string]string{}},
		}
		var err error
		if b.removed, _, err = o.removed(ctx, o.Keys.Task("")); err == nil { // the epoch tells of later ones
			err = b.add(ctx, c)
		}
		if written = b.written; err != nil || len(b.ops) == 1 {
			return nil, "", err
		}
		return b.ops, "", nil
	})
	switch {
	case errors.Is(err, cluster.ErrTooLarge):
		return cluster.Revisions{}, fmt.Errorf("%w; change fewer tasks and nodes at once", err)
	case err != nil:
		return cluster.Revisions{}, err
	}
	return written, nil
}

// RepeatedChange reports whether the audit remembers a change by its key.
func (o Operator) RepeatedChange(ctx context.Context, c cluster.Change) (repeated bool, err error) {
	if c.Key == "" {
		return false, nil
	}
	_, repeated, err = o.applying(c).repeated(ctx)
	return repeated, err
}

func (o Operator) applying(c cluster.Change) Operator {
	o.differs = "declarations"
	o = o.asking(c.By, c.From, c.String(), c.Key, c)
	o.line.Tasks, o.line.Nodes = c.About()
	return o
}

// batch gathers the writes of a change.
type batch struct {
	Operator
	snapshot *view.Snapshot
	ops      []coord.Op
	removed  *schema.Removed
	written  cluster.Revisions // that there are after it
}

func (b *batch) add(ctx context.Context, c cluster.Change) error {
	tasks := map[string][]cluster.Operation{}
	add := func(op cluster.Operation) { tasks[op.Task] = append(tasks[op.Task], op) }
	for _, spec := range c.Tasks {
		add(cluster.Declare(spec))
	}
	for task, workers := range c.Scale {
		add(cluster.Scale(task, workers))
	}
	for _, task := range c.Pause {
		add(cluster.Pause(task))
	}
	for _, task := range c.Resume {
		add(cluster.Resume(task))
	}
	for _, task := range c.Delete {
		add(cluster.Delete(task))
	}
	for task, changes := range tasks {
		var next *schema.Task
		o := b.mendingTask(b.snapshot, task, changes[0].Kind)
		op, version, err := editOp(ctx, o, b.Keys.Task(task), b.removed, func(rec *schema.Task, exists bool, _ int64) (bool, error) {
			next = rec
			exists = exists && !rec.Deleted || !exists && b.snapshot.Unusable(task) != "" && changes[0].Kind == cluster.OpDelete
			for _, change := range changes {
				if err := applyToTask(rec, exists, change); err != nil {
					if at := slices.IndexFunc(c.Tasks, func(t cluster.TaskSpec) bool { return t.Name == task }); at >= 0 && change.Kind == cluster.OpDeclare {
						return false, &cluster.FieldError{Field: fmt.Sprintf("tasks[%d]", at), Err: err}
					}
					if field, ok := errors.AsType[*cluster.FieldError](err); ok && change.Kind == cluster.OpScale {
						return false, wrong("scale."+task, field.Err)
					}
					return false, fmt.Errorf("task %q: %w", task, err)
				}
				exists = true
			}
			return true, nil
		})
		if err := b.append(op, err); err != nil {
			return err
		}
		b.written.Tasks[task] = next.Revision(version)
	}
	return b.addMarks(ctx, c)
}

func (b *batch) addMarks(ctx context.Context, c cluster.Change) error {
	marks := map[string][]func(*schema.Mark){}
	for _, node := range c.Uncordon {
		marks[node] = append(marks[node], uncordon)
	}
	for _, node := range c.Cordon {
		marks[node] = append(marks[node], cordon)
	}
	for _, node := range c.Drain {
		marks[node] = append(marks[node], drain(slotsOf(b.snapshot, node), 0))
	}
	for node, changes := range marks {
		if err := known(b.snapshot, node); err != nil {
			return err
		}
		o := b.Operator
		if slices.Contains(c.Uncordon, node) {
			o = o.mending(b.Keys.Mark(node), &schema.Mark{})
		}
		op, version, err := editOp(ctx, o, b.Keys.Mark(node), b.removed, func(rec *schema.Mark, _ bool, _ int64) (keep bool, err error) {
			for _, change := range changes {
				keep = b.mark(rec, change)
			}
			return keep, nil
		})
		if err := b.append(op, err); err != nil {
			return err
		}
		b.written.Marks[node] = revisionOf(version)
	}
	return nil
}

func (b *batch) append(op coord.Op, err error) error {
	if err == nil && op.Key != "" {
		b.ops = append(b.ops, op)
	}
	return err
}
