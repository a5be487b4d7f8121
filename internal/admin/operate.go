package admin

import (
	"context"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/report"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Do is that of xconsumer.Admin.
func (a *Admin) Do(ctx context.Context, op cluster.Operation) (revision string, err error) {
	session := a.Presence.Session()
	if session == nil {
		return "", fmt.Errorf("%s: %w", op, cluster.ErrNotMember)
	}
	operator := operation.Operator{Session: session, Keys: a.Keys, By: a.Node}
	if revision, repeated, err := operator.Repeated(ctx, op); err != nil ||
		repeated { // first, since an operation that was done may be invalid in the state that it has led to
		return revision, prefix(op, err)
	}
	snap, err := a.Observer.Snapshot(ctx)
	if err == nil {
		revision, err = operator.Do(ctx, snap, op)
	}
	return revision, prefix(op, err)
}

// prefix adds the requested operation to an error that does not name its object itself. It returns nil for nil.
func prefix(what fmt.Stringer, err error) error {
	named := errors.Is(err, cluster.ErrNoTask) || errors.Is(err, cluster.ErrNoNode) || errors.Is(err, cluster.ErrNoSlot)
	if err != nil && !named {
		err = fmt.Errorf("%s: %w", what, operation.Unanswered(err))
	}
	return err
}

// Repeated is that of xconsumer.Admin.
func (a *Admin) Repeated(ctx context.Context, op cluster.Operation) (revision string, repeated bool, err error) {
	session := a.Presence.Session()
	if session == nil {
		return "", false, prefix(op, cluster.ErrNotMember)
	}
	revision, repeated, err = operation.Operator{Session: session, Keys: a.Keys, By: a.Node}.Repeated(ctx, op)
	return revision, repeated, prefix(op, err)
}

// Plan is that of xconsumer.Admin. For the same cluster and the same operations, the plan is the same.
func (a *Admin) Plan(ctx context.Context, ops cluster.Operations) (cluster.Plan, error) {
	snap, err := a.Observer.Snapshot(ctx)
	if err != nil {
		return cluster.Plan{}, fmt.Errorf("plan: %w", operation.Unanswered(err))
	}
	plan, err := operation.Operator{Session: a.Presence.Session(), Keys: a.Keys, By: a.Node}.Plan(ctx, snap, ops)
	if err != nil {
		return cluster.Plan{}, fmt.Errorf("plan: %w", err)
	}
	return plan, nil
}

// Apply is that of xconsumer.Admin.
func (a *Admin) Apply(ctx context.Context, ops cluster.Operations, revision string, caller cluster.Caller) (revisions []string, err error) {
	session := a.Presence.Session()
	if session == nil {
		return nil, fmt.Errorf("apply: %w", cluster.ErrNotMember)
	}
	operator := operation.Operator{Session: session, Keys: a.Keys, By: a.Node}
	if repeated, err := operator.RepeatedList(ctx, ops, caller); err != nil {
		return nil, fmt.Errorf("apply: %w", operation.Unanswered(err))
	} else if repeated {
		return nil, nil
	}
	v := view.New(a.Cluster, session, a.Keys) // the observer's snapshot may be older than the plan
	defer v.Close()
	if _, err := v.Refresh(ctx); err != nil {
		return nil, fmt.Errorf("apply: %w", operation.Unanswered(err))
	}
	snap := v.Snapshot()
	if earlier, err := a.Observer.Snapshot(ctx); err == nil {
		snap.Recall(earlier)
	}
	revisions, err = operator.Apply(ctx, snap, ops, revision, caller)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", operation.Unanswered(err))
	}
	return revisions, nil
}

// Log is that of xconsumer.Admin.
func (a *Admin) Log(slot cluster.Slot, last int) ([]cluster.LogLine, error) {
	tail := a.Logs.Of(slot)
	if tail == nil {
		return nil, fmt.Errorf("%w: %s has not run on %s", cluster.ErrNoSlot, slot, a.Node)
	}
	return tail.Last(last), nil
}

// FollowLog is that of xconsumer.Admin.
func (a *Admin) FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error) {
	tail := a.Logs.Of(slot)
	if tail == nil {
		return nil, fmt.Errorf("%w: %s has not run on %s", cluster.ErrNoSlot, slot, a.Node)
	}
	return tail.Since(ctx, first), nil
}

// Runs is that of xconsumer.Admin.
func (a *Admin) Runs(ctx context.Context, task string) ([]cluster.RunInfo, error) {
	session := a.Presence.Session()
	if session == nil {
		return nil, fmt.Errorf("runs of %s: %w", task, cluster.ErrNotMember)
	}
	runs, err := report.Runs(ctx, session, a.Keys, task)
	return runs, operation.Unanswered(err)
}
