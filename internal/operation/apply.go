package operation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Plan returns the effect of operations on a cluster, computed by Effect. The same snapshot and operations give the same plan.
// Without a session, it cannot see which tasks were deleted before their records were removed.
func (o Operator) Plan(ctx context.Context, s *view.Snapshot, ops cluster.Operations) (cluster.Plan, error) {
	from := *s
	for _, op := range ops {
		if op.Kind != cluster.OpDeclare || s.Tasks[op.Task].Rec != nil || o.Session == nil {
			continue
		}
		removed, _, err := o.removed(ctx)
		if err != nil {
			return cluster.Plan{}, Unanswered(err)
		}
		from.Removed = view.Entry[schema.Removed]{Rec: removed}
		break
	}
	next, err := Effect(ctx, &from, ops, Stamp{By: o.By})
	if err != nil {
		return cluster.Plan{}, err
	}
	plan := explain.WhatIf(s, next)
	plan.Reverts = reverts(&from, ops)
	return plan, nil
}

// Apply writes the effect of operations in one commit. The commit requires that the snapshot is at a revision, that no leader has
// written since the snapshot was read, and that no other client has written the tasks and marks that change. Other records that
// the plan was made from, such as other tasks, may have changed between the reading of the snapshot and the commit.
//
// Apply returns the new revision of the record of each operation, "" if there is no record; and nothing if the same was done
// before with the same key. Operations that end a membership are refused: they can be planned with others, but are done alone.
func (o Operator) Apply(
	ctx context.Context,
	s *view.Snapshot,
	ops cluster.Operations,
	revision string,
	caller cluster.Caller,
) (revisions []string, err error) {
	if err := valid(ops); err != nil {
		return nil, err
	}
	for i, op := range ops {
		if op.Kind == cluster.OpEvict || op.Kind == cluster.OpLose {
			return nil, wrong(fmt.Sprintf("operations[%d].kind", i), fmt.Errorf("%s can only be planned with others", op.Kind))
		}
	}
	if now := explain.Revision(s); now != revision {
		return nil, fmt.Errorf("%w: it is at revision %s, not %s", cluster.ErrMovedOn, now, revision)
	}
	o = o.applying(ops, caller)
	o.planned = true
	targets := make([]target, len(ops))
	for i, op := range ops {
		targets[i] = touched(op)
	}
	_, revisions, err = o.commit(ctx, s, targets, func(ctx context.Context, s *view.Snapshot) (*view.Snapshot, error) {
		return Effect(ctx, s, ops, o.stamp)
	})
	switch {
	case errors.Is(err, cluster.ErrTooLarge):
		return nil, fmt.Errorf("%w; change fewer tasks and nodes at once", err)
	case err != nil:
		return nil, err
	}
	return revisions, nil
}

// RepeatedList reports whether the audit remembers operations by their key.
func (o Operator) RepeatedList(ctx context.Context, ops cluster.Operations, caller cluster.Caller) (repeated bool, err error) {
	if caller.Key == "" {
		return false, nil
	}
	if err := valid(ops); err != nil {
		return false, err
	}
	_, repeated, err = o.applying(ops, caller).repeated(ctx)
	return repeated, err
}

func (o Operator) applying(ops cluster.Operations, caller cluster.Caller) Operator {
	o.differs = "declarations"
	o = o.asking(caller, inAudit(ops), ops)
	o.line.Tasks, o.line.Nodes = ops.About()
	return o
}

// inAudit returns the text of operations in the audit. The audit cuts long texts. So the text of a long list begins with the number
// of operations of each kind, and no operation is hidden behind others.
func inAudit(ops cluster.Operations) string {
	what := ops.String()
	if len(what) <= schema.MaxAuditWhat {
		return what
	}
	counts := map[cluster.OperationKind]int{}
	for _, op := range ops {
		counts[op.Kind]++
	}
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", counts[kind], kind))
	}
	return fmt.Sprintf("%d operations (%s): %s", len(ops), strings.Join(kinds, ", "), what)
}
