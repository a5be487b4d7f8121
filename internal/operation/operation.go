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
// Promised when a function returns nil: the wish is in the store. Not promised: when it is fulfilled.
package operation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
}

// record is a pointer to a record type.
type record[R any] interface {
	*R
	schema.Record
}

// change makes a record what it should be. It is given the record as it is, with its version, or a zero one and
// false if there is none; it returns false to have it deleted.
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
		op, at, err := editOp[R](ctx, o, key, change)
		if err != nil || op.Key == "" {
			return at, err
		}
		ops, err := o.withAudit(ctx, op)
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
		}
	}
}

// editOp returns the write that brings a record up to date, the zero value if it is, and the version that it has
// then: after a deletion that which would follow, none if there was no record either.
func editOp[R any, P record[R]](ctx context.Context, o Operator, key string, change change[P]) (op coord.Op, version int64, err error) {
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
	before := schema.Encode(rec, stored.Version)
	keep, err := change(rec, exists, stored.Version)
	switch {
	case err != nil:
		return coord.Op{}, 0, err
	case !exists && !keep:
		return coord.Op{}, none, nil
	case !exists:
		return coord.Create(key, schema.Encode(rec, 0)), 0, nil
	case !keep:
		return coord.Delete(key, stored.Version), stored.Version + 1, nil
	case string(schema.Encode(rec, stored.Version)) == string(before):
		return coord.Op{}, stored.Version, nil
	}
	return coord.Set(key, schema.Encode(rec, stored.Version+1), stored.Version), stored.Version + 1, nil
}

// Do notes a wish of an operator who sees the cluster as it is in the snapshot. It returns the revision that
// the record has which says it, "" if none has to; of a run, its id.
func (o Operator) Do(ctx context.Context, s *view.Snapshot, op cluster.Operation) (revision string, err error) {
	o = o.asking(op.By, op.From, op.String())
	if op.Kind == cluster.OpRunNow {
		return o.runNow(ctx, s, op)
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
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpDeclare, cluster.OpPatch, cluster.OpDelete:
		return o.changeTask(ctx, op)
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
