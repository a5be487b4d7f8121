package operation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// commit reads the records that an effect changes, applies the effect, and writes them. It is the only way in which an operator
// changes records of tasks, marks, requests and settings. It returns their new revisions in the order of the targets, "" where
// there is none. Revision is the one that write returns: the last of them, "" for a plan.
func (o Operator) commit(
	ctx context.Context,
	s *view.Snapshot,
	targets []target,
	effect func(context.Context, *view.Snapshot) (*view.Snapshot, error),
) (revision string, revisions []string, err error) {
	revision, err = o.write(ctx, func(ctx context.Context) ([]coord.Op, string, error) {
		f, err := o.fresh(ctx, s, targets)
		if err != nil {
			return nil, "", err
		}
		if o.planned && f.moved(s) {
			return nil, "", fmt.Errorf("%w: a record that is to change was written meanwhile", cluster.ErrMovedOn)
		}
		next, err := effect(ctx, f.snapshot)
		if err != nil {
			return nil, "", err
		}
		var writes []coord.Op
		writes, revisions, err = f.writes(next)
		if err != nil {
			return nil, "", err
		}
		if !o.planned {
			revision = last(revisions)
		}
		return f.unlessRemoved(s, writes), revision, nil
	})
	return revision, revisions, err
}

// fresh is a snapshot in which the records that are to change are up to date.
type fresh struct {
	Operator
	snapshot  *view.Snapshot
	targets   []target
	unremoved []coord.Op       // fails if a leader removes any of these records after this
	places    map[string]place // by key
}

// fresh reads the records that are to change.
func (o Operator) fresh(ctx context.Context, s *view.Snapshot, targets []target) (f fresh, err error) {
	base := newEditor(s, o.stamp)
	f = fresh{Operator: o, snapshot: base.Snapshot, targets: targets, places: map[string]place{}}
	for _, t := range targets {
		key := f.key(t)
		if _, read := f.places[key]; read || key == "" {
			continue
		}
		if t.record == markRecord && known(s, t.name) != nil {
			continue // the operation is refused
		}
		if f.unremoved == nil && (t.record == taskRecord || t.record == markRecord) { // leaders remove only these
			f.snapshot.Removed.Rec, f.unremoved, err = o.removed(ctx)
			if err != nil {
				return f, err
			}
		}
		f.places[key], err = f.load(ctx, key, t)
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// unlessRemoved returns writes with a check that fails if a leader has removed anything since the records were read. It checks the
// record of removals; for a plan, the epoch, which every removal sets as well.
func (f *fresh) unlessRemoved(s *view.Snapshot, writes []coord.Op) []coord.Op {
	switch {
	case len(writes) == 0:
		return nil
	case f.planned:
		return append([]coord.Op{coord.Check(f.Keys.Epoch(), s.Epoch.Version)}, writes...)
	}
	return append(slices.Clip(f.unremoved), writes...)
}

// moved reports whether a record that is to change differs from an earlier snapshot: a task, a mark, or the settings. Requests do
// not count: new ones are added to the existing ones.
func (f *fresh) moved(since *view.Snapshot) bool {
	for _, t := range f.targets {
		at, read := f.places[f.key(t)]
		if !read {
			continue
		}
		var there bool
		var version int64
		switch t.record {
		case taskRecord:
			entry, known := since.Tasks[t.name]
			there, version = known && !entry.Absent, entry.Version
		case markRecord:
			entry, known := since.Marks[t.name]
			there, version = known && !entry.Absent, entry.Version
		case settingsRecord:
			there, version = since.Settings.Exists(), since.Settings.Version
		default:
			continue
		}
		if at.exists != there || there && at.version != version {
			return true
		}
	}
	return false
}

// key returns the key of a record, "" for no record.
func (f *fresh) key(t target) string {
	switch t.record {
	case taskRecord:
		return f.Keys.Task(t.name)
	case markRecord:
		return f.Keys.Mark(t.name)
	case requestsRecord:
		return f.Keys.Requests()
	case settingsRecord:
		return f.Keys.Settings()
	}
	return ""
}

// load reads a record. If a task's record cannot be used or was deleted manually, its last known content comes from the snapshot.
func (f *fresh) load(ctx context.Context, key string, t target) (at place, err error) {
	switch t.record {
	case taskRecord:
		last := f.snapshot.Tasks[t.name]
		entry, at, err := load[schema.Task](ctx, f.Operator, key)
		if entry.Err != nil || entry.Absent && f.snapshot.Unusable(t.name) != "" {
			entry.Rec, entry.RecAt = last.Rec, last.RecAt
		}
		f.snapshot.Tasks[t.name] = entry
		return at, err
	case markRecord:
		f.snapshot.Marks[t.name], at, err = load[schema.Mark](ctx, f.Operator, key)
	case settingsRecord:
		f.snapshot.Settings, at, err = load[schema.Settings](ctx, f.Operator, key)
	default:
		f.snapshot.Requests, at, err = load[schema.Requests](ctx, f.Operator, key)
	}
	return at, err
}

// writes returns the writes that give the records the content of another snapshot, and their new revisions, by target.
func (f *fresh) writes(next *view.Snapshot) (writes []coord.Op, revisions []string, err error) {
	written := map[string]string{}
	for _, t := range f.targets {
		key := f.key(t)
		revision, known := written[key]
		if !known {
			var write coord.Op
			write, revision, err = f.writeOf(next, key, t)
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

// writeOf returns the write of a record. A record that is absent before and after is not created.
func (f *fresh) writeOf(next *view.Snapshot, key string, t target) (write coord.Op, revision string, err error) {
	at := f.places[key]
	version := int64(none)
	switch t.record {
	case taskRecord:
		if rec := next.Tasks[t.name].Rec; rec != nil {
			write, version, err = at.write(rec, true)
			return write, rec.Revision(version), err
		}
	case markRecord:
		rec := next.Marks[t.name].Rec
		write, version, err = at.write(rec, rec.Wanted())
	case requestsRecord:
		if rec := next.Requests.Rec; rec != nil {
			write, version, err = at.write(rec, !rec.Empty())
		}
	case settingsRecord:
		if rec := next.Settings.Rec; rec != nil {
			write, version, err = at.write(rec, true)
		}
	}
	return write, revisionOf(version), err
}

// replaced adds to the audit that a write replaces an unusable record.
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
