// Package operation writes what people want of a cluster: other numbers of workers, nodes that take
// no work, slots that start anew. It decides nothing; leaders read it and act.
//
// # The model
//
// There are three kinds of wish. An override of a task and a mark of a node stay until they are taken
// back. An order is for once, and names what it is about so that it is void when it is done: a
// term, members that are gone, grants by their tokens. Every write is made at the version that was
// read; refused ones, and those of which nobody knows the outcome, are decided anew from what is
// read then.
//
// # Versions that begin again
//
// A version proves nothing about a key that was deleted and made again in between: it begins at 0 as before. So nobody
// deletes a record that others write by its version. Orders, settings and the audit stay for ever; a wish that is taken
// back, a task that is deleted, is written so. Only a leader removes what is of no use any longer: the record of a
// deleted task of which nothing is left, the mark of a node that is not there and of which nothing is wanted. It does so
// in a commit that also sets the record of what was removed ([schema.Removed]), and whoever writes a task or a mark
// reads that one first and checks its version in the commit. Then no pair of writers goes wrong:
//
//   - Operator and operator: between the read of a record and the write nobody has removed it, or the check fails;
//     and who does not remove makes its version rise, so that the write fails by that.
//   - Operator and leader: a removal in between fails the check of the operator's write; a write in between has made the
//     version rise, and the removal fails. The leader's other writes, a quarantine, are made at versions that it read under
//     its epoch, within which it alone has removed anything.
//   - Leader and leader: both set the epoch at the version that they read, so that of two that read the same one writes.
//
// A change that is applied in one commit checks the epoch, which every removal sets, instead. What one asks for of
// a revision is bound to the task's generation as well, which is never used again. A hand that deletes such a record, or
// an earlier version of this program, which deletes marks and orders, is not held to this.
//
// Promised when a function returns nil: the wish is in the store. Not promised: when it is fulfilled.
package operation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Operator writes wishes over a session.
type Operator struct {
	Session coord.Session
	Keys    schema.Keys
	By      string // who wants it, for people
	// line is the line of the audit that goes with every write, nil for none.
	line *cluster.AuditLine
	// earlier is what was removed as it was read before, nil for who reads it for every write. It need not be the
	// latest, only older than what is written.
	earlier *removals
}

// removals is what was removed, with the operation that fails if anything was removed since it was read.
type removals struct {
	rec   *schema.Removed
	guard []coord.Op
}

// record is a pointer to a record type.
type record[R any] interface {
	*R
	schema.Record
}

// change makes a record what it should be. It is given the record as it is, with its version, or a new one and
// false if there is none; it returns false if that need not be made.
type change[P any] func(rec P, exists bool, version int64) (keep bool, err error)

// edit brings one record up to date and returns the version that it has then. Where nobody knows the outcome of a
// write the record is read again: what it was to be, at the version that it was to have, is what was written.
func edit[R any, P record[R]](ctx context.Context, o Operator, key string, change change[P]) (version int64, err error) {
	var unknown *coord.Op
	for {
		if unknown != nil {
			if o.audited(ctx) {
				return version, nil
			}
			if r, err := o.Session.Get(ctx, key); err == nil && r.Version == version && bytes.Equal(r.Value, unknown.Value) {
				return version, nil
			}
		}
		removed, guard, err := o.removed(ctx, key)
		if err != nil {
			return 0, err
		}
		op, at, err := editOp[R](ctx, o, key, removed, change)
		if err != nil || op.Key == "" {
			return at, err
		}
		ops, err := o.withAudit(ctx, append(slices.Clip(guard), op)...)
		if err != nil {
			return at, err
		}
		_, err = o.Session.Commit(ctx, ops...)
		_, checked := coord.FailedCheck(err)
		switch {
		case err == nil:
			return at, nil
		case errors.Is(err, coord.ErrTooLarge):
			return at, fmt.Errorf("%w: write %s: %w", cluster.ErrTooLarge, key, err)
		case errors.Is(err, coord.ErrUnauthorized), errors.Is(err, coord.ErrSessionEnded), ctx.Err() != nil:
			return at, fmt.Errorf("write %s: %w", key, err)
		case !checked && !errors.Is(err, coord.ErrUnknown):
			return at, fmt.Errorf("write %s: %w", key, err)
		case !checked:
			unknown, version = &op, at
		case o.earlier != nil:
			*o.earlier = removals{} // it may be that which has failed
		}
	}
}

// removed reads what was removed, and returns the operation that fails if a leader removes anything after that. Of
// records that nobody removes it is not read.
func (o Operator) removed(ctx context.Context, key string) (*schema.Removed, []coord.Op, error) {
	rec := new(schema.Removed)
	if dir := schema.Dir(key); dir != o.Keys.Tasks() && dir != o.Keys.Marks() {
		return rec, nil, nil
	}
	if o.earlier != nil {
		if o.earlier.rec == nil {
			read := o
			read.earlier = nil
			rec, guard, err := read.removed(ctx, key)
			if err != nil {
				return nil, nil, err
			}
			*o.earlier = removals{rec, guard}
		}
		return o.earlier.rec, o.earlier.guard, nil
	}
	stored, err := o.Session.Get(ctx, o.Keys.Removed())
	switch {
	case errors.Is(err, coord.ErrNotFound): // no check proves that: it is made
		return rec, []coord.Op{coord.Create(o.Keys.Removed(), schema.Encode(rec, 0))}, nil
	case err != nil:
		return nil, nil, err
	}
	if err := schema.Decode(o.Keys.Removed(), stored, rec); err != nil {
		return nil, nil, fmt.Errorf("%w; mend or delete it first", err)
	}
	return rec, []coord.Op{coord.Check(o.Keys.Removed(), stored.Version)}, nil
}

// editOp returns the write that brings a record up to date, the zero value if it is, and the version that it has
// then: none if there is no record, nor has to be. What was removed was read before.
func editOp[R any, P record[R]](ctx context.Context, o Operator, key string, removed *schema.Removed, change change[P]) (op coord.Op, version int64, err error) {
	stored, err := o.Session.Get(ctx, key)
	exists := err == nil
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return coord.Op{}, 0, err
	}
	rec := P(new(R))
	if exists {
		if err := schema.Decode(key, stored, rec); err != nil {
			return coord.Op{}, 0, fmt.Errorf("%w; mend or delete it first", err)
		}
	}
	if task, ok := any(rec).(*schema.Task); ok && !exists {
		task.Generation = removed.Generation
	}
	before := schema.Encode(rec, stored.Version)
	keep, err := change(rec, exists, stored.Version)
	switch {
	case err != nil:
		return coord.Op{}, 0, err
	case !exists && !keep:
		return coord.Op{}, none, nil
	case !exists:
		return coord.Create(key, schema.Encode(rec, 0)), 0, nil
	case string(schema.Encode(rec, stored.Version)) == string(before):
		return coord.Op{}, stored.Version, nil
	}
	return coord.Set(key, schema.Encode(rec, stored.Version+1), stored.Version), stored.Version + 1, nil
}

// Do notes a wish of an operator who sees the cluster as it is in the snapshot. It returns the revision that
// the record has which says it, "" if none has to; of a run, its id.
func (o Operator) Do(ctx context.Context, s *view.Snapshot, op cluster.Operation) (revision string, err error) {
	o = o.asking(op.By, op.From, op.String())
	switch op.Kind {
	case cluster.OpRunNow:
		return o.runNow(ctx, s, op)
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpDeclare, cluster.OpPatch, cluster.OpDelete:
		return o.changeTask(ctx, op)
	}
	version, err := o.do(ctx, s, op)
	if err != nil {
		return "", err
	}
	return revisionOf(version), nil
}

// none is the version of a record that is not there and was not to be.
const none = -1

func revisionOf(version int64) string {
	if version == none {
		return ""
	}
	return strconv.FormatInt(version, 10)
}

func (o Operator) do(ctx context.Context, s *view.Snapshot, op cluster.Operation) (version int64, err error) {
	switch op.Kind {
	case cluster.OpCordon:
		return o.setMark(ctx, s, op.Node, cordon)
	case cluster.OpUncordon:
		return o.setMark(ctx, s, op.Node, uncordon)
	case cluster.OpDrain:
		if op.Deadline < 0 {
			return 0, fmt.Errorf("%w: deadline: %v is less than 0s", cluster.ErrChange, op.Deadline)
		}
		return o.setMark(ctx, s, op.Node, drain(slotsOf(s, op.Node), op.Deadline))
	case cluster.OpLabel:
		return o.label(ctx, s, op)
	case cluster.OpEvict:
		return o.evict(ctx, s, op.Node)
	case cluster.OpMove:
		return o.move(ctx, s, op)
	case cluster.OpRestart:
		return o.restart(ctx, s, op)
	case cluster.OpStepDown:
		if s.Epoch.Rec == nil || s.Epoch.Rec.Leader == "" {
			return 0, fmt.Errorf("%w: nobody leads", cluster.ErrChange)
		}
		return o.order(ctx, func(r *schema.Orders) { r.StepDown = max(r.StepDown, s.Epoch.Rec.Term) })
	case cluster.OpMoveNow:
		return o.moveNow(ctx, vanished(s))
	}
	return 0, fmt.Errorf("%w: %q is no operation", cluster.ErrChange, op.Kind)
}
