// Package view reads a cluster from the store and keeps that up to date. It is the only input of the leader, of the API and of the
// console.
//
// # The model
//
// A [View] has the last record of every key that matters, with the version and the time of the reading. Watches mark keys that are
// worth reading again; [View.Refresh] reads the marked ones. The result is a [Snapshot].
//
// Freshness: a record is as old as its last read, and every change after that read gives a hint. Assignments are read before the
// statuses and members that they are compared with: a member that is absent when it is read after its assignment has really
// gone, since MemberIDs are never used again.
//
// A leader has the assignments that it has just written, so the watches that fire for them bring nothing new. It reads them again
// when it has written nothing for a moment, and before that only those of members that are gone.
//
// Specs are read after the assignments that name them, so they are found there: see [schema.SpecRef].
//
// An unusable record leaves the last good one in force, and the snapshot names it.
package view

import (
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/specs"
)

// Entry is a key as last read.
type Entry[R any] struct {
	Rec     *R            // the last good record, nil if there was none; never changed
	RecAt   int64         // the version that Rec was read at
	Version int64         // of the key
	Size    int           // of the value at Version, in bytes
	Absent  bool          // the key did not exist
	Err     error         // why the record at Version cannot be used; nil if it is Rec
	Read    time.Duration // when it was read, on the session's lease clock
}

// Good reports whether the record at the key's present version is usable.
func (e Entry[R]) Good() bool { return e.Rec != nil && !e.Absent && e.Err == nil }

// Exists reports whether the key was there when it was last read, usable or not.
func (e Entry[R]) Exists() bool { return !e.Absent && (e.Rec != nil || e.Err != nil) }

// Peer is the known records of one member.
type Peer struct {
	Assignment Entry[schema.Assignment]
	Status     Entry[schema.Status]
	Member     Entry[schema.Member]
	// Completions is read after the others, by leaders only: it contains all ends that the member has recorded by the time of its
	// status.
	Completions Entry[schema.Completions]
	// Silent: the member has sent no heartbeat for so long that it can have no lease, although its session lives. Leaders do not
	// use this: their promise depends on the session.
	Silent bool
	// LostAt is when the member was first seen to be gone, or last heard if it is silent, on the lease clock; 0 otherwise.
	LostAt time.Duration
	// LastHeartbeat is a time, on the lease clock, by which the last heartbeat of a member that is gone or evicted had been committed;
	// 0 if the service does not show it. Only leaders read it. However the member's session ended, its lease counts from before
	// that heartbeat.
	LastHeartbeat time.Duration
	// AssignmentMissing: the member has no assignment, because that was deleted manually. It is unknown what it granted.
	AssignmentMissing bool
	// Superseded are releases that the stored assignment lists and that another one supersedes; Assignment does not list them.
	Superseded []schema.Releasing
}

// Live reports whether the member's keys exist, as far as they were read, and the member is not closed.
func (p *Peer) Live() bool {
	closed := p.Assignment.Good() && p.Assignment.Rec.Closed != nil
	return !closed && !p.Member.Absent && !p.Status.Absent
}

// Snapshot is a cluster as it was read. It must not be changed.
type Snapshot struct {
	// Number rises with every change of an Observer, and WatchedSince is the number of the first snapshot of its present watch.
	// Both are 0 in a View's own snapshots.
	Number, WatchedSince int64

	Cluster  string
	Epoch    Entry[schema.Epoch]
	Settings Entry[schema.Settings]
	Suspects Entry[schema.Suspects]
	Requests Entry[schema.Requests]
	Removed  Entry[schema.Removed]         // read by leaders only
	Marks    map[string]Entry[schema.Mark] // by node name, also empty ones until they are removed
	Peers    map[string]*Peer              // by MemberID; the values are replaced, not changed
	Tasks    map[string]Entry[schema.Task]
	TaskRuns map[string]Entry[schema.TaskRuns] // by task, without deleted ones
	// SpecChunks are the records of specs by number, without deleted ones, and StoredSpecs what the usable ones contain. Grants
	// have their specs from there.
	SpecChunks  map[int64]Entry[schema.SpecChunk]
	StoredSpecs specs.Table
}

// View keeps a snapshot up to date. One goroutine owns it.
type View struct {
	entries
	session coord.Session
	// progress is called with every answer to a read; nil for none.
	progress func()

	superseded hiding

	listsWait bool // reads of lists were deferred by the last Refresh
	changed   bool // the present Refresh has read something new
}

// Option changes what a view reads.
type Option func(*View)

// ForLeader makes a view that a leader decides by. It does not read the epoch, which the leader has from its own commits. It keeps an
// assignment that is absent, or was missing from the first, until Forget is called for its member, since the slots that this
// assignment granted may still run.
func ForLeader() Option { return func(v *View) { v.leader = true } }

// Progress has a function called with every answer to a read, from any goroutine: a Refresh may be thousands of reads.
func Progress(f func()) Option { return func(v *View) { v.progress = f } }

// New returns an empty view; the first Refresh reads everything.
func New(cluster string, session coord.Session, keys schema.Keys, options ...Option) *View {
	v := &View{
		session: session,
		entries: entries{
			keys:        keys,
			hints:       coord.NewHints(session),
			selfWritten: selfWrites{assignments: map[string]bool{}, hinted: map[string]bool{}},
			snap: Snapshot{
				Cluster:  cluster,
				Peers:    map[string]*Peer{},
				Tasks:    map[string]Entry[schema.Task]{},
				Marks:    map[string]Entry[schema.Mark]{},
				TaskRuns: map[string]Entry[schema.TaskRuns]{},

				SpecChunks: map[int64]Entry[schema.SpecChunk]{},
			},
			unresolved:   map[string]bool{},
			droppedSpecs: map[int64]bool{},
		},
	}
	for _, o := range options {
		o(v)
	}
	first := []string{
		keys.Assignments(), keys.Members(), keys.Tasks(), keys.Settings(), keys.Suspects(), keys.Marks(), keys.Requests(), keys.TaskRuns(),
		schema.Dir(keys.SpecChunk(0)),
	}
	if v.leader {
		first = append(first, keys.Removed())
	} else {
		first = append(first, keys.Epoch())
	}
	for _, key := range first {
		v.hints.Watch(key)
		v.hints.Mark(key)
	}
	return v
}

// C receives a value when there are keys to refresh.
func (v *View) C() <-chan struct{} { return v.hints.C() }

// Close ends the watches.
func (v *View) Close() { v.hints.Close() }

// MarkAll makes the next Refresh read everything again.
func (v *View) MarkAll() {
	v.selfWritten.clear()
	v.hints.MarkAll()
}

// MarkPeer makes the next Refresh read everything of a member again.
func (v *View) MarkPeer(memberID string) {
	for _, key := range v.peerKeys(memberID) {
		v.selfWritten.drop(key)
		v.hints.Mark(key)
	}
}

// MarkNode makes the next Refresh read the mark of a node.
func (v *View) MarkNode(node string) {
	v.hints.Watch(v.keys.Mark(node))
	v.hints.Mark(v.keys.Mark(node))
}

// Snapshot returns the present records, without releases that are superseded. The snapshot does not change when the view does.
func (v *View) Snapshot() *Snapshot {
	s := v.snap
	s.Peers, s.Tasks, s.Marks, s.TaskRuns = maps.Clone(s.Peers), maps.Clone(s.Tasks), maps.Clone(s.Marks), maps.Clone(s.TaskRuns)
	s.SpecChunks = maps.Clone(s.SpecChunks)
	v.superseded.hide(s.Peers)
	return &s
}
