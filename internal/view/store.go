package view

import (
	"fmt"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// entries are the records of a view, with the watches on them. They read nothing: a View does, and stores the results here.
type entries struct {
	keys        schema.Keys
	hints       *coord.Hints
	snap        Snapshot
	leader      bool
	selfWritten selfWrites
	// unresolved are the members whose assignments name specs that were not found.
	unresolved map[string]bool
	// droppedSpecs are the numbers of records of specs that were deleted. They are not used again.
	droppedSpecs map[int64]bool
}

func (es *entries) peerKeys(memberID string) [3]string {
	return [3]string{es.keys.Assignment(memberID), es.keys.Status(memberID), es.keys.Member(memberID)}
}

// put stores a record that was read.
func (es *entries) put(key string, r coord.Record, err error, at time.Duration) {
	switch {
	case key == es.keys.Epoch():
		es.snap.Epoch = decode[schema.Epoch](es.snap.Epoch, key, r, err, at)
		return
	case key == es.keys.Settings():
		es.snap.Settings = decode[schema.Settings](es.snap.Settings, key, r, err, at)
		return
	case key == es.keys.Suspects():
		es.snap.Suspects = decode[schema.Suspects](es.snap.Suspects, key, r, err, at)
		return
	case key == es.keys.Removed():
		es.snap.Removed = decode[schema.Removed](es.snap.Removed, key, r, err, at)
		return
	case key == es.keys.Requests():
		es.snap.Requests = decode[schema.Requests](es.snap.Requests, key, r, err, at)
		return
	case schema.Dir(key) == es.keys.Marks():
		es.putMark(key, r, err, at)
		return
	case schema.Dir(key) == es.keys.TaskRuns():
		es.putTaskRuns(key, r, err, at)
		return
	case schema.Dir(key) == schema.Dir(es.keys.SpecChunk(0)):
		es.putSpecChunk(key, r, err, at)
		return
	case schema.Dir(key) == es.keys.Tasks():
		name := schema.Base(key)
		old := es.snap.Tasks[name]
		e := decode[schema.Task](old, key, r, err, at)
		if e.Good() {
			e.Err = CheckName(key, e.Rec)
			if e.Err != nil {
				e.Rec, e.RecAt = old.Rec, old.RecAt
			}
		}
		if e.Absent && (e.Rec == nil || e.Rec.Deleted) { // removed on purpose: the list shows when there is a new one
			es.forgetTask(name)
			return
		}
		es.snap.Tasks[name] = e
		return
	}
	memberID := schema.Base(key)
	old := es.snap.Peers[memberID]
	if old == nil {
		return
	}
	p := *old
	switch key {
	case es.keys.Assignment(memberID):
		p.Assignment = decode[schema.Assignment](p.Assignment, key, r, err, at)
		if rec := p.Assignment.Rec; rec != nil && rec != old.Assignment.Rec {
			es.resolve(memberID, rec)
		}
	case es.keys.Status(memberID):
		p.Status = decode[schema.Status](p.Status, key, r, err, at)
	case es.keys.Member(memberID):
		p.Member = decode[schema.Member](p.Member, key, r, err, at)
	case es.keys.CompletionsOf(memberID):
		p.Completions = decode[schema.Completions](p.Completions, key, r, err, at)
	}
	// A member that joins has all keys at once, and assignments are read first.
	p.AssignmentMissing = p.AssignmentMissing ||
		p.Assignment.Absent && (key == es.keys.Status(memberID) && !p.Status.Absent || key == es.keys.Member(memberID) && !p.Member.Absent)
	if p.Live() {
		p.LostAt = 0
	} else if p.LostAt == 0 {
		p.LostAt = at
	}
	es.snap.Peers[memberID] = &p
}

// putMark stores a mark. A removed one is dropped: the list shows when there is a new one.
func (es *entries) putMark(key string, r coord.Record, err error, at time.Duration) {
	name := schema.Base(key)
	e := decode[schema.Mark](es.snap.Marks[name], key, r, err, at)
	if e.Absent {
		es.forgetMark(name)
		return
	}
	es.snap.Marks[name] = e
}

// putTaskRuns stores a record of runs. A deleted one is dropped, like a mark.
func (es *entries) putTaskRuns(key string, r coord.Record, err error, at time.Duration) {
	task := schema.Base(key)
	e := decode[schema.TaskRuns](es.snap.TaskRuns[task], key, r, err, at)
	if e.Absent {
		es.hints.Unwatch(key)
		delete(es.snap.TaskRuns, task)
		return
	}
	es.snap.TaskRuns[task] = e
}

// putSpecChunk stores a record of specs, and gives them to the grants that lacked them, or that were given others before a hand edited
// the record. A deleted record is dropped, and its number is not used again. The grants that name it keep their specs.
func (es *entries) putSpecChunk(key string, r coord.Record, err error, at time.Duration) {
	number, ok := schema.SpecChunkNumber(key)
	if !ok {
		return
	}
	old := es.snap.SpecChunks[number]
	e := decode[schema.SpecChunk](old, key, r, err, at)
	if e.Absent {
		es.dropSpecChunk(number)
		return
	}
	if e.Good() && (es.droppedSpecs[number] || old.Rec != nil && e.Version < old.RecAt) { // its versions may name other specs now
		e.Rec, e.RecAt = old.Rec, old.RecAt
		e.Err = fmt.Errorf("%s: it was deleted and made again", key)
	}
	es.snap.SpecChunks[number] = e
	if e.Rec != old.Rec {
		es.unresolve(number, e.Rec)
		es.storeSpecs(number, e.Rec)
	}
}

// dropSpecChunk drops a record of specs that is gone.
func (es *entries) dropSpecChunk(number int64) {
	es.hints.Unwatch(es.keys.SpecChunk(number))
	delete(es.snap.SpecChunks, number)
	es.droppedSpecs[number] = true
	es.snap.StoredSpecs = es.snap.StoredSpecs.With(number, nil)
}

// storeSpecs puts a chunk into the table of specs.
func (es *entries) storeSpecs(number int64, chunk *schema.SpecChunk) {
	es.snap.StoredSpecs = es.snap.StoredSpecs.With(number, chunk)
	for memberID := range es.unresolved {
		p := *es.snap.Peers[memberID]
		rec := *p.Assignment.Rec
		rec.Granted = slices.Clone(rec.Granted)
		es.resolve(memberID, &rec)
		p.Assignment.Rec = &rec
		es.snap.Peers[memberID] = &p
	}
}

// unresolve takes the specs from the grants that name a chunk, of members for whose grants it has others now.
func (es *entries) unresolve(number int64, chunk *schema.SpecChunk) {
	table := specs.Table{}.With(number, chunk)
	for memberID, p := range es.snap.Peers {
		if p.Assignment.Rec == nil || !slices.ContainsFunc(p.Assignment.Rec.Granted, func(h schema.Granted) bool {
			s := table.Find(h.Task, h.Ref)
			return h.Ref.Chunk == number && h.Spec != nil && (s == nil || s.Spec != *h.Spec || s.Generation != h.Generation)
		}) {
			continue
		}
		peer, rec := *p, *p.Assignment.Rec
		rec.Granted = slices.Clone(rec.Granted)
		for i := range rec.Granted {
			if h := &rec.Granted[i]; h.Ref.Chunk == number {
				h.Spec = nil
			}
		}
		peer.Assignment.Rec = &rec
		es.snap.Peers[memberID], es.unresolved[memberID] = &peer, true
	}
}

// resolve gives the grants of an assignment that was read just now their specs.
func (es *entries) resolve(memberID string, rec *schema.Assignment) {
	if es.snap.StoredSpecs.Resolve(rec.Granted) {
		delete(es.unresolved, memberID)
	} else {
		es.unresolved[memberID] = true
	}
}

// forget drops members and tasks that have nothing left in the store.
func (es *entries) forget() {
	for memberID, p := range es.snap.Peers {
		missed := es.leader && (p.Assignment.Rec != nil || p.AssignmentMissing)
		if p.Assignment.Absent && p.Status.Absent && p.Member.Absent && !missed {
			es.drop(memberID)
		}
	}
	if es.leader { // leaders remove tasks themselves, and a task that was deleted manually stays in force
		return
	}
	for name, e := range es.snap.Tasks {
		if e.Absent && !es.snap.listed(name) {
			es.forgetTask(name)
		}
	}
}

func (es *entries) drop(memberID string) {
	delete(es.snap.Peers, memberID)
	delete(es.unresolved, memberID)
	for _, key := range es.peerKeys(memberID) {
		es.selfWritten.drop(key)
		es.hints.Unwatch(key)
	}
	es.hints.Unwatch(es.keys.CompletionsOf(memberID))
}

// forgetTask drops a task whose record was removed.
func (es *entries) forgetTask(name string) {
	es.hints.Unwatch(es.keys.Task(name))
	delete(es.snap.Tasks, name)
}

// forgetMark drops a mark that was removed.
func (es *entries) forgetMark(node string) {
	es.hints.Unwatch(es.keys.Mark(node))
	delete(es.snap.Marks, node)
}

// recordPtr is a pointer to a record type, as schema.Decode needs it.
type recordPtr[R any] interface {
	*R
	schema.Record
}

// decode makes an entry of a reading; an unusable record leaves the last good one. To detect an unchanged record, it compares the
// bytes as well: a key that was deleted and created again manually has old versions with other content.
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
	e.Err = schema.Decode(key, r, P(rec))
	if e.Err == nil {
		e.Rec, e.RecAt = rec, r.Version
	}
	return e
}
