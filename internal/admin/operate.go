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

// Do records what an operator asks for in the store, and returns when it is there: leaders carry it out as budgets and
// delays allow. It returns the revision of the record that holds it, which is what Operation.If takes for a task, or ""
// where nothing was asked for and there is no record. It may be called from any goroutine, on any node that is a member.
// The error matches those of package cluster or of package coord, and cluster.ErrOutcomeUnknown where the operation may
// have been recorded or not. With Operation.Key it may then be called again, on any node, and is recorded once.
func (a *Admin) Do(ctx context.Context, op cluster.Operation) (revision string, err error) {
	session := a.Presence.Session()
	if session == nil {
		return "", fmt.Errorf("%s: %w", op, cluster.ErrNotMember)
	}
	operator := operation.Operator{Session: session, Keys: a.Keys, By: a.Node}
	if revision, repeated, err := operator.Repeated(ctx, op); err != nil || repeated { // before it is judged by what it has changed
		return revision, prefix(op, err)
	}
	snap, err := a.Observer.Snapshot(ctx)
	if err == nil {
		revision, err = operator.Do(ctx, snap, op)
	}
	return revision, prefix(op, err)
}

// prefix says of an error what was asked for, unless it names that itself; nil of none.
func prefix(what fmt.Stringer, err error) error {
	named := errors.Is(err, cluster.ErrNoTask) || errors.Is(err, cluster.ErrNoNode) || errors.Is(err, cluster.ErrNoSlot)
	if err != nil && !named {
		err = fmt.Errorf("%s: %w", what, operation.Unanswered(err))
	}
	return err
}

// Repeated returns what Do returned for an operation that was asked for earlier, also of another node, with the same key,
// and whether there is one that is remembered. The error matches cluster.ErrKeyReused if the key was given with something else.
func (a *Admin) Repeated(ctx context.Context, op cluster.Operation) (revision string, repeated bool, err error) {
	session := a.Presence.Session()
	if session == nil {
		return "", false, prefix(op, cluster.ErrNotMember)
	}
	revision, repeated, err = operation.Operator{Session: session, Keys: a.Keys, By: a.Node}.Repeated(ctx, op)
	return revision, repeated, prefix(op, err)
}

// Plan returns what operations would do, without doing them. With the same cluster and operations the plan is the same.
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

// Apply does operations that were planned, in one commit, and returns the revision that the record of each has then. It
// returns none if the same was done already with the same Caller.Key. The error matches cluster.ErrMovedOn if the
// cluster, or a record that is to change, is no longer as it was when the plan was made.
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
	v := view.New(a.Cluster, session, a.Keys) // what the observer knows may be older than the plan
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

// Log returns the last lines that a slot's worker has written on this node, n at most, also of one that has
// left. The error matches cluster.ErrNoSlot if there was none.
func (a *Admin) Log(slot cluster.Slot, last int) ([]cluster.LogLine, error) {
	tail := a.Logs.Of(slot)
	if tail == nil {
		return nil, fmt.Errorf("%w: %s has not run on %s", cluster.ErrNoSlot, slot, a.Node)
	}
	return tail.Last(last), nil
}

// FollowLog waits until a slot's worker has written a line with a number from first on, and returns what
// there is from it. It returns none when ctx ends.
func (a *Admin) FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error) {
	tail := a.Logs.Of(slot)
	if tail == nil {
		return nil, fmt.Errorf("%w: %s has not run on %s", cluster.ErrNoSlot, slot, a.Node)
	}
	return tail.Since(ctx, first), nil
}

// Runs returns the runs of a task and the firings that were skipped, by the instants of their firings, the last one last.
// Of the runs that are over as many are kept as the task's KeepRuns says. The error matches cluster.ErrNoTask,
// cluster.ErrNotMember, or one of package coord.
func (a *Admin) Runs(ctx context.Context, task string) ([]cluster.RunInfo, error) {
	session := a.Presence.Session()
	if session == nil {
		return nil, fmt.Errorf("runs of %s: %w", task, cluster.ErrNotMember)
	}
	runs, err := report.Runs(ctx, session, a.Keys, task)
	return runs, operation.Unanswered(err)
}
