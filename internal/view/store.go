package view

import (
	"context"
	"errors"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// store stores a record that was read.
func (v *View) store(key string, r coord.Record, err error, at time.Duration) {
	switch {
	case key == v.keys.Epoch():
		v.snap.Epoch = decode[schema.Epoch](v.snap.Epoch, key, r, err, at)
		return
	case key == v.keys.Settings():
		v.snap.Settings = decode[schema.Settings](v.snap.Settings, key, r, err, at)
		return
	case key == v.keys.Suspects():
		v.snap.Suspects = decode[schema.Suspects](v.snap.Suspects, key, r, err, at)
		return
	case key == v.keys.Removed():
		v.snap.Removed = decode[schema.Removed](v.snap.Removed, key, r, err, at)
		return
	case key == v.keys.Requests():
		v.snap.Requests = decode[schema.Requests](v.snap.Requests, key, r, err, at)
		return
	case schema.Dir(key) == v.keys.Marks():
		v.storeMark(key, r, err, at)
		return
	case schema.Dir(key) == v.keys.TaskRuns():
		v.storeTaskRuns(key, r, err, at)
		return
	case schema.Dir(key) == v.keys.Tasks():
		name := schema.Base(key)
		old := v.snap.Tasks[name]
		e := decode[schema.Task](old, key, r, err, at)
		if e.Good() {
			if e.Err = CheckName(key, e.Rec); e.Err != nil {
				e.Rec, e.RecAt = old.Rec, old.RecAt
			}
		}
		if e.Absent && (e.Rec == nil || e.Rec.Deleted) { // removed, as it was to be: the list tells when there is a new one
			v.ForgetTask(name)
			return
		}
		v.snap.Tasks[name] = e
		return
	}
	memberID := schema.Base(key)
	old := v.snap.Peers[memberID]
	if old == nil {
		return
	}
	p := *old
	switch key {
	case v.keys.Assignment(memberID):
		p.Assignment = decode[schema.Assignment](p.Assignment, key, r, err, at)
	case v.keys.Status(memberID):
		p.Status = decode[schema.Status](p.Status, key, r, err, at)
	case v.keys.Member(memberID):
		p.Member = decode[schema.Member](p.Member, key, r, err, at)
	case v.keys.CompletionsOf(memberID):
		p.Completions = decode[schema.Completions](p.Completions, key, r, err, at)
	}
	// Who joins has all keys at once, and assignments are read first.
	p.AssignmentMissing = p.AssignmentMissing ||
		p.Assignment.Absent && (key == v.keys.Status(memberID) && !p.Status.Absent || key == v.keys.Member(memberID) && !p.Member.Absent)
	if p.Live() {
		p.LostAt = 0
	} else if p.LostAt == 0 {
		p.LostAt = at
	}
	v.snap.Peers[memberID] = &p
}

// storeMark stores a mark. One that was removed is forgotten: the list tells when there is a new one.
func (v *View) storeMark(key string, r coord.Record, err error, at time.Duration) {
	name := schema.Base(key)
	e := decode[schema.Mark](v.snap.Marks[name], key, r, err, at)
	if e.Absent {
		v.ForgetMark(name)
		return
	}
	v.snap.Marks[name] = e
}

// storeTaskRuns stores an agenda. One that was deleted is forgotten, like a mark.
func (v *View) storeTaskRuns(key string, r coord.Record, err error, at time.Duration) {
	task := schema.Base(key)
	e := decode[schema.TaskRuns](v.snap.TaskRuns[task], key, r, err, at)
	if e.Absent {
		v.hints.Unwatch(key)
		delete(v.snap.TaskRuns, task)
		return
	}
	v.snap.TaskRuns[task] = e
}

// forget drops members and tasks of whom nothing is left in the store.
func (v *View) forget() {
	for memberID, p := range v.snap.Peers {
		missed := v.leader && (p.Assignment.Rec != nil || p.AssignmentMissing)
		if p.Assignment.Absent && p.Status.Absent && p.Member.Absent && !missed {
			v.drop(memberID)
		}
	}
	if v.leader { // it removes tasks itself, and what a hand deleted stays in force
		return
	}
	for name, e := range v.snap.Tasks {
		if e.Absent && !v.snap.listed(name) {
			v.ForgetTask(name)
		}
	}
}

func (v *View) drop(memberID string) {
	delete(v.snap.Peers, memberID)
	for _, key := range v.peerKeys(memberID) {
		v.selfWritten.drop(key)
		v.hints.Unwatch(key)
	}
	v.hints.Unwatch(v.keys.CompletionsOf(memberID))
}

// ReadEpoch reads the epoch now.
func (v *View) ReadEpoch(ctx context.Context) (Entry[schema.Epoch], error) {
	at := v.session.Now()
	r, err := v.session.Get(ctx, v.keys.Epoch())
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return Entry[schema.Epoch]{}, err
	}
	v.store(v.keys.Epoch(), r, err, at)
	return v.snap.Epoch, nil
}

// PutTaskRuns notes an agenda that the owner has committed itself, nil that it was deleted.
func (v *View) PutTaskRuns(task string, rec *schema.TaskRuns, version int64) {
	key := v.keys.TaskRunsOf(task)
	if rec == nil {
		v.hints.Unwatch(key)
		delete(v.snap.TaskRuns, task)
		return
	}
	if _, known := v.snap.TaskRuns[task]; !known {
		v.hints.Watch(key)
		v.hints.Mark(key) // reading it arms its watch
	}
	v.snap.TaskRuns[task] = Entry[schema.TaskRuns]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutEpoch notes what the owner has committed itself.
func (v *View) PutEpoch(rec *schema.Epoch, version int64) {
	v.snap.Epoch = Entry[schema.Epoch]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutSuspects notes what the owner has committed itself.
func (v *View) PutSuspects(rec *schema.Suspects, version int64) {
	v.snap.Suspects = Entry[schema.Suspects]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// ForgetTask forgets a task whose record was removed.
func (v *View) ForgetTask(name string) {
	v.hints.Unwatch(v.keys.Task(name))
	delete(v.snap.Tasks, name)
}

// ForgetMark forgets a mark that was removed.
func (v *View) ForgetMark(node string) {
	v.hints.Unwatch(v.keys.Mark(node))
	delete(v.snap.Marks, node)
}

// PutRemoved notes what the owner has committed itself.
func (v *View) PutRemoved(rec *schema.Removed, version int64) {
	v.snap.Removed = Entry[schema.Removed]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutRequests notes what the owner has committed itself.
func (v *View) PutRequests(rec *schema.Requests, version int64) {
	v.snap.Requests = Entry[schema.Requests]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutAssignment notes an assignment of so many bytes that the owner has committed itself.
func (v *View) PutAssignment(memberID string, rec *schema.Assignment, version int64, size int) {
	p := *v.snap.Peers[memberID]
	p.Assignment = Entry[schema.Assignment]{Rec: rec, RecAt: version, Version: version, Size: size, Read: v.session.Now()}
	v.snap.Peers[memberID] = &p
	v.selfWritten.add(v.keys.Assignment(memberID), p.Assignment.Read)
}

// Forget notes that the owner has reaped a member, or knows that nothing of it is left.
func (v *View) Forget(memberID string) { v.drop(memberID) }

// recordPtr is a pointer to a record type, as schema.Decode wants it.
type recordPtr[R any] interface {
	*R
	schema.Record
}

// decode makes an entry of what was read; what cannot be used leaves the last good record. What is as it was is told by
// its bytes as well: a key that was deleted and made again, as a hand may do in one go, has old versions with other content.
func decode[R any, P recordPtr[R]](old Entry[R], key string, r coord.Record, err error, at time.Duration) Entry[R] {
	e := Entry[R]{Rec: old.Rec, RecAt: old.RecAt, Version: r.Version, Size: len(r.Value), Read: at}
	if err != nil {
		e.Absent, e.Version = true, 0
		return e
	}
	if old.Good() && old.Version == r.Version && schema.Same(P(old.Rec), r.Value) {
		old.Read = at
		return old
	}
	rec := new(R)
	if e.Err = schema.Decode(key, r, P(rec)); e.Err == nil {
		e.Rec, e.RecAt = rec, r.Version
	}
	return e
}
