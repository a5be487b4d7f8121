package operation

import (
	"context"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// fresh is a snapshot in which the records that operations change are as they were just read.
type fresh struct {
	Operator
	snapshot  *view.Snapshot
	ops       cluster.Operations
	unremoved []coord.Op       // fails if a leader removes any of these records after this
	places    map[string]place // by key
}

// fresh reads the records that operations change.
func (o Operator) fresh(ctx context.Context, s *view.Snapshot, ops cluster.Operations) (f fresh, err error) {
	base := newEditor(s, o.stamp)
	f = fresh{Operator: o, snapshot: base.Snapshot, ops: ops, places: map[string]place{}}
	for _, op := range ops {
		key := f.key(op)
		if _, read := f.places[key]; read || key == "" {
			continue
		}
		if record, name := touched(op); record == markRecord && known(s, name) != nil {
			continue // which is refused
		}
		if f.unremoved == nil && key != o.Keys.Requests() {
			removed, guard, err := o.removed(ctx, key)
			if err != nil {
				return f, err
			}
			f.unremoved, base.Removed = guard, view.Entry[schema.Removed]{Rec: removed}
		}
		f.places[key], err = f.load(ctx, key, op)
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// moved reports whether a task or a mark that operations change is not as it was in an earlier snapshot. Requests are added to
// those that are there, whoever has made them.
func (f *fresh) moved(since *view.Snapshot) bool {
	for _, op := range f.ops {
		at, read := f.places[f.key(op)]
		if !read {
			continue
		}
		var there bool
		var version int64
		switch record, name := touched(op); record {
		case taskRecord:
			entry, known := since.Tasks[name]
			there, version = known && !entry.Absent, entry.Version
		case markRecord:
			entry, known := since.Marks[name]
			there, version = known && !entry.Absent, entry.Version
		default:
			continue
		}
		if at.exists != there || there && at.version != version {
			return true
		}
	}
	return false
}

// key returns the key of the record that an operation changes, "" if it is none.
func (f *fresh) key(op cluster.Operation) string {
	switch record, name := touched(op); record {
	case taskRecord:
		return f.Keys.Task(name)
	case markRecord:
		return f.Keys.Mark(name)
	case requestsRecord:
		return f.Keys.Requests()
	}
	return ""
}

// load reads the record that an operation changes. Of one that cannot be used, or was deleted by hand, what was in it is known
// from the snapshot.
func (f *fresh) load(ctx context.Context, key string, op cluster.Operation) (at place, err error) {
	switch record, _ := touched(op); record {
	case taskRecord:
		last := f.snapshot.Tasks[op.Task]
		entry, at, err := load[schema.Task](ctx, f.Operator, key)
		if entry.Err != nil || entry.Absent && f.snapshot.Unusable(op.Task) != "" {
			entry.Rec, entry.RecAt = last.Rec, last.RecAt
		}
		f.snapshot.Tasks[op.Task] = entry
		return at, err
	case markRecord:
		f.snapshot.Marks[op.Node], at, err = load[schema.Mark](ctx, f.Operator, key)
	default:
		f.snapshot.Requests, at, err = load[schema.Requests](ctx, f.Operator, key)
	}
	return at, err
}

// writes returns the writes that make the records those of another snapshot, and the revisions that they have then, by
// operation.
func (f *fresh) writes(next *view.Snapshot) (writes []coord.Op, revisions []string, err error) {
	written := map[string]string{}
	for _, op := range f.ops {
		key := f.key(op)
		revision, known := written[key]
		if !known {
			var write coord.Op
			write, revision, err = f.writeOf(next, key, op)
			if err != nil {
				return nil, nil, err
			}
			if write.Key != "" {
				writes = append(writes, write)
				f.replaced(key)
			}
			written[key] = revision
		}
		revisions = append(revisions, revision)
	}
	return writes, revisions, nil
}

// writeOf returns the write of the record that an operation changes.
func (f *fresh) writeOf(next *view.Snapshot, key string, op cluster.Operation) (write coord.Op, revision string, err error) {
	at := f.places[key]
	version := int64(none)
	switch record, _ := touched(op); record {
	case taskRecord:
		rec := next.Tasks[op.Task].Rec
		write, version, err = at.write(rec, true)
		return write, rec.Revision(version), err
	case markRecord:
		rec := next.Marks[op.Node].Rec
		write, version, err = at.write(rec, rec.Wanted())
	case requestsRecord:
		if rec := next.Requests.Rec; rec != nil {
			write, version, err = at.write(rec, !rec.Empty())
		}
	}
	return write, revisionOf(version), err
}

// replaced adds to the audit that a record is written which could not be used.
func (f *fresh) replaced(key string) {
	if f.places[key].damaged && f.line != nil && !strings.HasSuffix(f.line.What, inPlace) {
		f.line.What += inPlace
	}
}

// last returns the last of the revisions, "" if there is none.
func last(revisions []string) string {
	if len(revisions) == 0 {
		return ""
	}
	return revisions[len(revisions)-1]
}
