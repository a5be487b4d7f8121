// Package view reads a cluster from the store and keeps what it read up to date: the one
// input of the leader, of the API and of the console.
//
// # The model
//
// A [View] has the last record of every key that matters, each with the version and the
// time it was read at. Watches mark keys as worth reading again; [View.Refresh] reads those
// that are marked. What it read is a [Snapshot].
//
// Freshness: a record is as old as its last read, and no change after that read goes without
// a hint. Assignments are read before the statuses and members that they are compared with: a
// member that is absent when read after its assignment has really gone, since MemberIDs are never
// used again.
//
// A leader knows the assignments that it has just written, and learns nothing from the watches that fire for them: it
// reads them again when it has written nothing for a moment, and before that only those of members that are gone.
//
// A record that cannot be used leaves the last good one in force; the snapshot names it.
package view

import (
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
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

// Peer is what is known of one member.
type Peer struct {
	Assignment Entry[schema.Assignment]
	Status     Entry[schema.Status]
	Member     Entry[schema.Member]
	// Completions is read after the others, by leaders only: what the member says to have ended by the time
	// of its status is in it.
	Completions Entry[schema.Completions]
	// Silent: it has proven nothing for so long that it can have no lease, although its session goes on. Leaders do not
	// go by it: their promise is the session's.
	Silent bool
	// LostAt is when it was first seen to be gone, or heard last if it is silent, on the lease clock; 0 while it is not.
	LostAt time.Duration
	// AssignmentMissing: it was seen without its assignment, which was deleted by hand. It is unknown what that granted.
	AssignmentMissing bool
}

// Live reports whether the member's keys exist, as far as they were read, and it is not closed.
func (p *Peer) Live() bool {
	closed := p.Assignment.Good() && p.Assignment.Rec.Closed != nil
	return !closed && !p.Member.Absent && !p.Status.Absent
}

// Snapshot is a cluster as read. It must not be changed.
type Snapshot struct {
	// Number rises whenever an Observer knows something else, and WatchedSince is the number of the first snapshot since
	// it has watched the cluster without a pause. Both are 0 in a View's own.
	Number, WatchedSince int64

	Cluster  string
	Epoch    Entry[schema.Epoch]
	Settings Entry[schema.Settings]
	Suspects Entry[schema.Suspects]
	Requests Entry[schema.Requests]
	Removed  Entry[schema.Removed]         // read by leaders only
	Marks    map[string]Entry[schema.Mark] // by node name; those that want nothing, too, until they are removed
	Peers    map[string]*Peer              // by MemberID; the values are replaced, not changed
	Tasks    map[string]Entry[schema.Task]
	TaskRuns map[string]Entry[schema.TaskRuns] // by task; none that was deleted
}

// View keeps a snapshot up to date. One goroutine owns it.
type View struct {
	entries
	session coord.Session
	// progress is called with every answer to a read, nil if that is not needed.
	progress func()

	listsWait bool // reads of lists were deferred by the last Refresh
	changed   bool // the present Refresh has read something new
}

// Option changes what a view reads.
type Option func(*View)

// ForLeader makes a view that a leader decides by. It does not read the epoch, which the leader knows from its own commits. It
// remembers an assignment that is absent, or was missing from the first, until Forget is called for its member, since what that
// assignment granted may still run.
func ForLeader() Option { return func(v *View) { v.leader = true } }

// Progress makes a view say that an answer to a read has come, from any goroutine: a Refresh may be thousands of reads.
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
			},
		},
	}
	for _, o := range options {
		o(v)
	}
	first := []string{
		keys.Assignments(), keys.Members(), keys.Tasks(), keys.Settings(), keys.Suspects(), keys.Marks(), keys.Requests(), keys.TaskRuns(),
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

// C receives when there is something to refresh.
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

// MarkNode makes the next Refresh read what is wanted of a node.
func (v *View) MarkNode(node string) {
	v.hints.Watch(v.keys.Mark(node))
	v.hints.Mark(v.keys.Mark(node))
}

// Snapshot returns what is known. It stays as it is when the view goes on.
func (v *View) Snapshot() *Snapshot {
	s := v.snap
	s.Peers, s.Tasks, s.Marks, s.TaskRuns = maps.Clone(s.Peers), maps.Clone(s.Tasks), maps.Clone(s.Marks), maps.Clone(s.TaskRuns)
	return &s
}
