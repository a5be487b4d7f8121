// Package operation writes what people ask of a cluster: other numbers of workers, nodes that take no work, slots that start
// again. It decides nothing. Leaders read what it has written, and act.
//
// # The model
//
// [Effect] defines what operations do: a snapshot goes in, and the snapshot after them comes out. A plan compares the two. A
// commit reads the records afresh, applies the same function, and writes the records that differ. What a node's file declares
// ([Operator.Declare]) is a change of a snapshot as well, and is committed in the same way; it is never planned. An eviction has a
// commit of its own, which also deletes keys; its record is that of Effect.
//
// There are three kinds of record. The override of a task and the mark of a node stay until they are taken back. A request is
// served once. It names what it is about, so that it is void when that is gone: a term, members, grants by their tokens. Every write
// names the version that was read. If it is refused, or if its outcome is unknown, the records are read again and the write is
// decided again.
//
// # Versions that begin again
//
// A version proves nothing about a key that was deleted and made again in between: it begins at 0 as before. So an operator
// never deletes a record that others write by its version. Requests, settings and the audit stay for ever. A request that is taken
// back is written so, and so is a task that is deleted. Only a leader removes what is of no use any longer: the record of a
// deleted task of which nothing is left, or the mark of a node that is gone and of which nothing is asked. It does so in a commit
// that also sets the record of what was removed ([schema.Removed]). An operator that writes a task or a mark reads that record first,
// and checks its version in the commit. Then no pair of writers goes wrong:
//
//   - Operator and operator: if the record was removed between the read and the write, the check fails. Any other change in between
//     has made the record's version rise, and the write fails by that.
//   - Operator and leader: a removal in between fails the check of the operator's write; a write in between has made the
//     version rise, and the removal fails. The leader's other writes, a quarantine, are made at versions that it read under
//     its epoch, within which it alone has removed anything.
//   - Leader and leader: both set the epoch at the version that they read, so that of two that read the same one writes.
//
// A plan that is applied in one commit checks the epoch instead, which every removal sets. An operation that is bound to a revision
// is bound to the task's generation as well, which is never used again. A record that is deleted by hand, or by an earlier version
// of this program, which deletes marks and requests, is not protected by this.
//
// Guaranteed when a function returns nil: what was asked for is in the store. Not guaranteed: when it is done.
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
	By      string // who asks, for people
	// line is the line of the audit that goes with every write, nil for none.
	line *cluster.AuditLine
	// differs names what two operations can differ in that read the same in the audit.
	differs string
	// earlier caches what was removed, for several writes. Nil: it is read for every write. It need not be the latest; it must
	// have been read before the records that are written.
	earlier *removals
	// planned: a plan is applied. The write is refused if what the plan was made from has changed since.
	planned bool
	stamp   Stamp // of what is asked for
}

// removals is what was removed, with the operation that fails if anything was removed since it was read.
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

// wrong refuses a field of an operation.
func wrong(field string, err error) error {
	return fmt.Errorf("%w: %w", cluster.ErrChange, &cluster.FieldError{Field: field, Err: err})
}

// removed reads what was removed, and returns the operations that fail if a leader removes anything after that.
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
	case errors.Is(err, coord.ErrNotFound): // no check proves that: it is made
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
	damaged bool // it cannot be used
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

// write returns the operation that makes a record what it should be, the zero value if it is, and the version that it has
// then: none if there is no record, and none is to be kept.
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

// inPlace is what the audit adds to a write that has replaced what could not be read.
const inPlace = ", in place of a record that could not be used"

// decode reads a record, of a task only one that declares this task.
func decode(key string, from coord.Record, rec schema.Record) error {
	err := schema.Decode(key, from, rec)
	if task, ok := rec.(*schema.Task); ok && err == nil {
		err = view.CheckName(key, task)
	}
	return err
}

// What replaces a record that cannot be used.
const (
	taskRemedy  = "`xconsumer apply` of its file, or `xconsumer delete`, replaces it"
	markRemedy  = "`xconsumer uncordon` replaces it"
	otherRemedy = "correct the record in the store, or delete its key there"
)

// Do records an operation, and returns the new revision of the record that it changed: of a run-now the run's id, and "" if nothing
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
		return "", wrong("kind", errors.New("lose can be planned, and not be done"))
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

// none is the version of a record that is not there and was not to be.
const none = -1

func revisionOf(version int64) string {
	if version == none {
		return ""
	}
	return strconv.FormatInt(version, 10)
}
