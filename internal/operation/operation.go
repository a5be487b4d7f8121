// Package operation writes the operations that people ask for: scale, drain, restart and so on. It decides nothing. Leaders read
// the records that it has written, and act.
//
// # The model
//
// [Effect] defines the effect of operations: it takes a snapshot, and returns the snapshot after them. A plan compares the two. A
// commit reads the records again, applies the same function, and writes the records that differ. The declarations of a node's
// file ([Operator.Declare]) are a change of a snapshot as well, and are committed in the same way; they are never planned. An
// eviction has a commit of its own, which also deletes keys; its record is that of Effect.
//
// There are three kinds of record. The override of a task and the mark of a node stay until they are taken back. A request is
// served once. It names its object, so that it is void when that is gone: a term, members, grants by their tokens. Every write
// names the version that was read. If it is refused or its outcome is unknown, the records are read again and the write is
// decided again.
//
// # Versions that begin again
//
// A version proves nothing about a key that was deleted and created in between: it begins at 0 again. So an operator never deletes a
// record that others write by its version. Requests, settings and the audit are never deleted. Taking back a request and deleting
// a task are writes. Only a leader removes obsolete records: the record of a deleted task without remains, or an empty mark of a
// node that is gone. It does so in a commit that also sets the record of removals ([schema.Removed]). An operator that writes a task
// or a mark reads that record first, and checks its version in the commit. Then every pair of writers is safe:
//
//   - Operator and operator: if the record was removed between the read and the write, the check fails. Any other change in between
//     has raised the record's version, so the write fails.
//   - Operator and leader: a removal in between fails the check of the operator's write; a write in between has raised the version,
//     so the removal fails. The leader's other writes, of a quarantine, name versions that it read under its epoch, within which
//     it alone has removed anything.
//   - Leader and leader: both set the epoch at the version that they read, so of two that read the same one writes.
//
// A plan that is applied in one commit checks the epoch instead, which every removal sets. An operation that is bound to a revision
// is also bound to the task's generation, which is never used again. A record that is deleted manually, or by an earlier version
// of this program, which deletes marks and requests, is not protected by this.
//
// Guaranteed when a function returns nil: the operation is in the store. Not guaranteed: when it is carried out.
package operation

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Operator plans operations, and writes what they do over a session.
type Operator struct {
	Session coord.Session
	Keys    schema.Keys
	By      string // the caller, for people
	// line is written to the audit with every write; nil for none.
	line *cluster.AuditLine
	// differs names the differences between two operations that have the same text in the audit.
	differs string
	// earlier caches the record of removals for several writes. If nil, it is read for every write. It need not be the latest, but must
	// have been read before the records that are written.
	earlier *removals
	// planned: a plan is applied. The write is refused if the records that the plan was made from have changed.
	planned bool
	stamp   Stamp // of the operation
}

// removals is the record of removals, with the operation that fails if anything was removed since it was read.
type removals struct {
	rec       *schema.Removed
	unremoved []coord.Op
}

// record is a pointer to a record type.
type record[R any] interface {
	*R
	schema.Record
}

// refused reports whether an error is about the operation, and not about the store.
func refused(err error) bool {
	for _, of := range []error{
		cluster.ErrChange, cluster.ErrNoTask, cluster.ErrNoNode, cluster.ErrNoSlot, cluster.ErrExists, cluster.ErrMovedOn,
		cluster.ErrKeyReused, cluster.ErrOutcomeUnknown, schema.ErrCorrupt, schema.ErrForeign,
	} {
		if errors.Is(err, of) {
			return true
		}
	}
	return false
}

// wrong returns the error of a field of an operation.
func wrong(field string, err error) error {
	return fmt.Errorf("%w: %w", cluster.ErrChange, &cluster.FieldError{Field: field, Err: err})
}

// removed reads the record of removals, and returns the operations that fail if a leader removes anything after that.
func (o Operator) removed(ctx context.Context) (rec *schema.Removed, unremoved []coord.Op, err error) {
	if o.earlier != nil {
		if o.earlier.rec == nil {
			read := o
			read.earlier = nil
			rec, unremoved, err := read.removed(ctx)
			if err != nil {
				return nil, nil, err
			}
			*o.earlier = removals{rec, unremoved}
		}
		return o.earlier.rec, o.earlier.unremoved, nil
	}
	rec = new(schema.Removed)
	stored, err := o.Session.Get(ctx, o.Keys.Removed())
	switch {
	case errors.Is(err, coord.ErrNotFound): // no check proves its absence: it is created
		return rec, []coord.Op{coord.Create(o.Keys.Removed(), schema.Encode(rec, 0))}, nil
	case err != nil:
		return nil, nil, err
	}
	if err := schema.Decode(o.Keys.Removed(), stored, rec); err != nil {
		return nil, nil, unusable(err, otherRemedy)
	}
	return rec, []coord.Op{coord.Check(o.Keys.Removed(), stored.Version)}, nil
}

// place is where a record is stored, as it was read.
type place struct {
	key     string
	exists  bool
	damaged bool // the record cannot be used
	version int64
	before  []byte // the record, if it can be used
}

// load reads a record.
func load[R any, P record[R]](ctx context.Context, o Operator, key string) (view.Entry[R], place, error) {
	stored, err := o.Session.Get(ctx, key)
	switch {
	case errors.Is(err, coord.ErrNotFound):
		return view.Entry[R]{Absent: true}, place{key: key}, nil
	case err != nil:
		return view.Entry[R]{}, place{}, err
	}
	entry, at := view.Entry[R]{Version: stored.Version}, place{key: key, exists: true, version: stored.Version}
	rec := P(new(R))
	entry.Err = decode(key, stored, rec)
	if entry.Err != nil {
		at.damaged = true
		return entry, at, nil //nolint:nilerr // the entry has the error
	}
	entry.Rec, entry.RecAt, at.before = rec, stored.Version, schema.Encode(rec, stored.Version)
	return entry, at, nil
}

// write returns the operation that gives a record its new content, the zero value if nothing changes, and the record's new version:
// none if there is no record and none is to be kept.
func (p place) write(rec schema.Record, keep bool) (op coord.Op, version int64, err error) {
	switch {
	case keep && schema.Size(rec) > schema.Bound(rec) && schema.Size(rec) > len(p.before):
		return coord.Op{}, 0, fmt.Errorf(
			"%w: %s would have %d bytes, at most %d",
			cluster.ErrTooLarge,
			p.key,
			schema.Size(rec),
			schema.Bound(rec),
		)
	case !p.exists && !keep:
		return coord.Op{}, none, nil
	case !p.exists:
		return coord.Create(p.key, schema.Encode(rec, 0)), 0, nil
	case !p.damaged && string(schema.Encode(rec, p.version)) == string(p.before):
		return coord.Op{}, p.version, nil
	}
	return coord.Set(p.key, schema.Encode(rec, p.version+1), p.version), p.version + 1, nil
}

// inPlace is what the audit adds to a write that replaces an unreadable record.
const inPlace = ", in place of a record that could not be used"

// decode reads a record; of a task, only one that declares this task.
func decode(key string, from coord.Record, rec schema.Record) error {
	err := schema.Decode(key, from, rec)
	if task, ok := rec.(*schema.Task); ok && err == nil {
		err = view.CheckName(key, task)
	}
	return err
}

// The remedies for a record that cannot be used.
const (
	taskRemedy  = "`xconsumer apply` of its file, or `xconsumer delete`, replaces it"
	markRemedy  = "`xconsumer uncordon` replaces it"
	otherRemedy = "correct the record in the store, or delete its key there"
)

// Do records an operation, and returns the new revision of the record that it changed; of a run-now the run's ID, and "" if nothing
// had to change. The snapshot is the cluster that the caller saw.
//
// If the audit remembers the operation by its key, nothing is written, and Do returns what it returned then. If the key was given
// with another operation, the error matches cluster.ErrKeyReused. If it is unknown whether the operation was written, the error
// matches cluster.ErrOutcomeUnknown.
func (o Operator) Do(ctx context.Context, s *view.Snapshot, op cluster.Operation) (revision string, err error) {
	if err := validate(op); err != nil {
		return "", err
	}
	o = o.operating(op)
	switch op.Kind {
	case cluster.OpLose:
		return "", wrong("kind", errors.New("lose can only be planned"))
	case cluster.OpEvict:
		return o.commitEvict(ctx, s, op.Node)
	}
	revision, _, err = o.commit(ctx, s, []target{touched(op)}, func(_ context.Context, s *view.Snapshot) (*view.Snapshot, error) {
		return one(s, op, o.stamp)
	})
	if err != nil && !refused(err) {
		err = fmt.Errorf("write: %w", err)
	}
	return revision, err
}

// Repeated returns what Do or Apply returned for an operation that the audit remembers by its key, and whether there is one.
func (o Operator) Repeated(ctx context.Context, op cluster.Operation) (revision string, repeated bool, err error) {
	if op.Key == "" {
		return "", false, nil
	}
	if err := validate(op); err != nil {
		return "", false, err
	}
	return o.operating(op).repeated(ctx)
}

func (o Operator) repeated(ctx context.Context) (revision string, repeated bool, err error) {
	_, done, err := o.readAudit(ctx)
	if done == nil {
		return "", false, err
	}
	return done.Revision, true, nil
}

func (o Operator) operating(op cluster.Operation) Operator {
	o.differs = "conditions"
	switch op.Kind {
	case cluster.OpRunNow:
		o.differs = "params"
	case cluster.OpDeclare, cluster.OpPatch:
		o.differs = "fields of the declaration, or conditions"
	case cluster.OpDrain:
		o.differs = "deadlines"
	}
	o = o.asking(op.Caller, op.String(), op)
	if op.Kind == cluster.OpRunNow {
		o.stamp.Run = newRun(o.stamp.At)
		o.line.Revision = o.stamp.Run
	}
	if op.Task != "" {
		o.line.Tasks = []string{op.Task}
	}
	if op.Node != "" {
		o.line.Nodes = []string{op.Node}
	}
	return o
}

// none is the version of a record that is absent and stays so.
const none = -1

func revisionOf(version int64) string {
	if version == none {
		return ""
	}
	return strconv.FormatInt(version, 10)
}
