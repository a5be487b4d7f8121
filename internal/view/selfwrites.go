package view

import (
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// Assignments that the owner has written itself are read again, which arms their watches, when it has written none for
// selfWrittenQuiet, or after selfWrittenMost.
const (
	selfWrittenQuiet = 100 * time.Millisecond
	selfWrittenMost  = 2 * time.Second
)

// selfWrites are the assignments that the owner of a view has written and not read since.
type selfWrites struct {
	assignments map[string]bool // by key
	hinted      map[string]bool // those whose watch has fired
	since, due  time.Duration   // of the first of them, and when they are to be read
}

func (o *selfWrites) add(key string, now time.Duration) {
	if len(o.assignments) == 0 {
		o.since = now
	}
	o.assignments[key] = true
	o.due = min(now+selfWrittenQuiet, o.since+selfWrittenMost)
}

func (o *selfWrites) drop(key string) {
	delete(o.assignments, key)
	delete(o.hinted, key)
}

func (o *selfWrites) clear() {
	clear(o.assignments)
	clear(o.hinted)
}

// deferReads leaves out the assignments that the owner has written itself, until they are due.
func (o *selfWrites) deferReads(keys []string, now time.Duration) []string {
	if len(o.assignments) > 0 && now >= o.due {
		keys = slices.AppendSeq(keys, maps.Keys(o.hinted))
		slices.Sort(keys)
		o.clear()
		return slices.Compact(keys)
	}
	return slices.DeleteFunc(keys, func(key string) bool {
		if o.assignments[key] {
			o.hinted[key] = true
		}
		return o.assignments[key]
	})
}

// Due returns when deferred keys will have to be read, 0 if there are none.
func (v *View) Due() time.Duration {
	if len(v.selfWritten.hinted) == 0 {
		return 0
	}
	return v.selfWritten.due
}

// goneSelfWritten returns, for the members of these keys that are gone although the reads of their assignments were deferred, the
// assignments and the other keys.
func (es *entries) goneSelfWritten(keys []string) (assignments, rest []string) {
	for _, key := range keys {
		memberID := schema.Base(key)
		p := es.snap.Peers[memberID]
		assignment := es.keys.Assignment(memberID)
		if p != nil && es.selfWritten.assignments[assignment] && (p.Status.Absent || p.Member.Absent) {
			es.selfWritten.drop(assignment)
			assignments = append(assignments, assignment)
			rest = append(rest, es.keys.Status(memberID), es.keys.Member(memberID))
		}
	}
	return assignments, rest
}

// same reports whether a read has brought nothing new.
func (es *entries) same(key string, r coord.Record, err error) bool {
	if err != nil || schema.Dir(key) != es.keys.Assignments() {
		return false
	}
	p := es.snap.Peers[schema.Base(key)]
	return p != nil && p.Assignment.Good() && p.Assignment.Version == r.Version && schema.Same(p.Assignment.Rec, r.Value)
}

// PutTaskRuns stores a record of runs that the owner has committed itself; nil if it was deleted.
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

// PutSpecChunk stores a record of specs of so many bytes that the owner has committed itself.
func (v *View) PutSpecChunk(number int64, rec *schema.SpecChunk, version int64, size int) {
	key := v.keys.SpecChunk(number)
	v.hints.Watch(key)
	v.hints.Mark(key) // reading it arms its watch
	v.snap.SpecChunks[number] = Entry[schema.SpecChunk]{Rec: rec, RecAt: version, Version: version, Size: size, Read: v.session.Now()}
	v.storeSpecs(number, rec)
}

// DropSpecChunk drops a record of specs that the owner has deleted itself.
func (v *View) DropSpecChunk(number int64) { v.dropSpecChunk(number) }

// PutEpoch stores the epoch as the owner has committed it.
func (v *View) PutEpoch(rec *schema.Epoch, version int64) {
	v.snap.Epoch = Entry[schema.Epoch]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutSuspects stores the record of suspects as the owner has committed it.
func (v *View) PutSuspects(rec *schema.Suspects, version int64) {
	v.snap.Suspects = Entry[schema.Suspects]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutRemoved stores the record of removals as the owner has committed it.
func (v *View) PutRemoved(rec *schema.Removed, version int64) {
	v.snap.Removed = Entry[schema.Removed]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutRequests stores the record of requests as the owner has committed it.
func (v *View) PutRequests(rec *schema.Requests, version int64) {
	v.snap.Requests = Entry[schema.Requests]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutAssignment stores an assignment of so many bytes that the owner has committed itself.
func (v *View) PutAssignment(memberID string, rec *schema.Assignment, version int64, size int) {
	p := *v.snap.Peers[memberID]
	p.Assignment = Entry[schema.Assignment]{Rec: rec, RecAt: version, Version: version, Size: size, Read: v.session.Now()}
	v.snap.Peers[memberID] = &p
	if len(specs.Unresolved(rec.Granted)) > 0 {
		v.unresolved[memberID] = true
	} else {
		delete(v.unresolved, memberID)
	}
	v.selfWritten.add(v.keys.Assignment(memberID), p.Assignment.Read)
}

// ForgetTask drops a task whose record was removed.
func (v *View) ForgetTask(name string) { v.forgetTask(name) }

// ForgetMark drops a mark that was removed.
func (v *View) ForgetMark(node string) { v.forgetMark(node) }

// Forget drops a member that the owner has reaped, or of which nothing is left.
func (v *View) Forget(memberID string) { v.drop(memberID) }
