package view

import (
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
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

// Due is when there will be something to refresh that was deferred, 0 if there is nothing.
func (v *View) Due() time.Duration {
	if len(v.selfWritten.hinted) == 0 {
		return 0
	}
	return v.selfWritten.due
}

// goneSelfWritten returns, of the members of these keys, the assignments and the other keys of those that are gone although the reads
// of their assignments were deferred.
func (v *View) goneSelfWritten(keys []string) (assignments, rest []string) {
	for _, key := range keys {
		memberID := schema.Base(key)
		p := v.snap.Peers[memberID]
		if assignment := v.keys.Assignment(memberID); p != nil && v.selfWritten.assignments[assignment] && (p.Status.Absent || p.Member.Absent) {
			v.selfWritten.drop(assignment)
			assignments = append(assignments, assignment)
			rest = append(rest, v.keys.Status(memberID), v.keys.Member(memberID))
		}
	}
	return assignments, rest
}

// same reports whether a read has brought nothing new.
func (v *View) same(key string, r coord.Record, err error) bool {
	if err != nil || schema.Dir(key) != v.keys.Assignments() {
		return false
	}
	p := v.snap.Peers[schema.Base(key)]
	return p != nil && p.Assignment.Good() && p.Assignment.Version == r.Version && schema.Same(p.Assignment.Rec, r.Value)
}
