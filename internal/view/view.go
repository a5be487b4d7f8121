// Package view reads a cluster from the store and keeps what it read up to date: the one
// input of the leader, of the API and of the console.
//
// # The model
//
// A [View] holds the last record of every key that matters, each with the version and the
// time it was read at. Watches mark keys as worth reading again; [View.Refresh] reads those
// that are marked. What it read is a [Snapshot].
//
// Freshness: a record is as old as its last read, and no change after that read goes without
// a hint. Documents are read before the statuses and members that they are compared with: a
// member that is absent when read after its document has really gone, since GUIDs are never
// used again.
//
// A record that cannot be used leaves the last good one in force; the snapshot names it.
package view

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// parallel bounds how many reads are under way at once; the sessions pipeline them.
const parallel = 32

// Entry is a key as last read.
type Entry[R any] struct {
	Rec     *R            // the last good record, nil if there was none; never changed
	RecAt   int64         // the version that Rec was read at
	Version int64         // of the key
	Absent  bool          // the key did not exist
	Err     error         // why the record at Version cannot be used; nil if it is Rec
	Read    time.Duration // when it was read, on the session's lease clock
}

// Good tells whether the record at the key's present version is usable.
func (e Entry[R]) Good() bool { return e.Rec != nil && !e.Absent && e.Err == nil }

// Peer is what is known of one member.
type Peer struct {
	Doc    Entry[schema.Doc]
	Status Entry[schema.Status]
	Member Entry[schema.Member]
	// Done is read after the others, by leaders only: what the member says to have ended by the time
	// of its status is in it.
	Done Entry[schema.Done]
}

// Live tells whether the member's keys exist, as far as they were read, and it is not closed.
func (p *Peer) Live() bool {
	closed := p.Doc.Good() && p.Doc.Rec.Closed != nil
	return !closed && !p.Member.Absent && !p.Status.Absent
}

// Snapshot is a cluster as read. It must not be changed.
type Snapshot struct {
	Cluster  string
	Epoch    Entry[schema.Epoch]
	Settings Entry[schema.Settings]
	Suspects Entry[schema.Suspects]
	Orders   Entry[schema.Orders]
	Marks    map[string]Entry[schema.Mark] // by node name; none that was taken back
	Peers    map[string]*Peer              // by GUID; the values are replaced, not changed
	Tasks    map[string]Entry[schema.Task]
	Agendas  map[string]Entry[schema.Agenda] // by task; none that was deleted
}

// View keeps a snapshot up to date. One goroutine owns it.
type View struct {
	session coord.Session
	keys    schema.Keys
	hints   *coord.Hints
	snap    Snapshot
	leader  bool

	listsWait bool // lists were put off by the last Refresh
}

// Option changes what a view reads.
type Option func(*View)

// ForLeader makes a view that a leader decides by. It does not read the epoch, which the
// leader's own commits tell; and it remembers a document that vanished until it is told to
// forget it, since whatever that document granted may still run.
func ForLeader() Option { return func(v *View) { v.leader = true } }

// New returns an empty view; the first Refresh reads everything.
func New(cluster string, session coord.Session, keys schema.Keys, options ...Option) *View {
	v := &View{
		session: session,
		keys:    keys,
		hints:   coord.NewHints(session),
		snap:    Snapshot{Cluster: cluster, Peers: map[string]*Peer{}, Tasks: map[string]Entry[schema.Task]{}, Marks: map[string]Entry[schema.Mark]{}, Agendas: map[string]Entry[schema.Agenda]{}},
	}
	for _, o := range options {
		o(v)
	}
	first := []string{keys.Docs(), keys.Members(), keys.Tasks(), keys.Settings(), keys.Suspects(), keys.Marks(), keys.Orders(), keys.Agendas()}
	if !v.leader {
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
func (v *View) MarkAll() { v.hints.MarkAll() }

// MarkPeer makes the next Refresh read everything of a member again.
func (v *View) MarkPeer(guid string) {
	for _, key := range v.peerKeys(guid) {
		v.hints.Mark(key)
	}
}

// MarkNode makes the next Refresh read what is wanted of a node.
func (v *View) MarkNode(node string) {
	v.hints.Watch(v.keys.Mark(node))
	v.hints.Mark(v.keys.Mark(node))
}

func (v *View) peerKeys(guid string) [3]string {
	return [3]string{v.keys.Doc(guid), v.keys.Status(guid), v.keys.Member(guid)}
}

// Snapshot returns what is known. It stays as it is when the view goes on.
func (v *View) Snapshot() *Snapshot {
	s := v.snap
	s.Peers, s.Tasks, s.Marks, s.Agendas = maps.Clone(s.Peers), maps.Clone(s.Tasks), maps.Clone(s.Marks), maps.Clone(s.Agendas)
	return &s
}

// Refresh reads what is marked: lists and documents first, then the rest. What is marked
// meanwhile is left for the next call, which C asks for. It fails only when ctx or the session
// has ended.
func (v *View) Refresh(ctx context.Context) error {
	keys := v.hints.Take()
	lists, docs, rest := v.sort(keys)
	// A changed document is worth acting on before the lists are read, which are longer. They
	// wait for one round at most.
	if v.listsWait = len(docs) > 0 && len(lists) > 0 && !v.listsWait; v.listsWait {
		v.remark(lists)
		lists = nil
	}
	for _, key := range lists {
		found, err := v.list(ctx, key)
		if err != nil {
			v.remark(keys)
			return err
		}
		docs, rest = v.add(found, docs, rest)
	}
	if err := v.read(ctx, docs); err != nil {
		v.remark(rest)
		return err
	}
	ended := v.ended(docs, rest)
	rest = slices.DeleteFunc(rest, v.isDone)
	if err := v.read(ctx, v.open(rest)); err != nil {
		v.remark(ended)
		return err
	}
	if err := v.read(ctx, ended); err != nil {
		return err
	}
	v.forget()
	return nil
}

// remark marks keys that were taken but not read.
func (v *View) remark(keys []string) {
	for _, key := range keys {
		v.hints.Mark(key)
	}
}

func (v *View) isDone(key string) bool { return schema.Dir(key) == v.keys.Dones() }

// ended returns which records of ended slots have to be read after these keys: a member's status tells
// nothing of the slots that it does not hold any more without them.
func (v *View) ended(docs, rest []string) (keys []string) {
	if !v.leader {
		return nil
	}
	for _, key := range slices.Concat(docs, rest) {
		guid := schema.Base(key)
		p := v.snap.Peers[guid]
		done := v.keys.Done(guid)
		if p == nil || slices.Contains(keys, done) || key != done && !slices.Contains(v.memberKeys(guid), key) {
			continue
		}
		if key == done || p.Done.Rec != nil && !p.Done.Absent || !p.Live() || hasRuns(p.Doc.Rec) {
			v.hints.Watch(done)
			keys = append(keys, done)
		}
	}
	return keys
}

func (v *View) memberKeys(guid string) []string {
	keys := v.peerKeys(guid)
	return keys[:]
}

// hasRuns tells whether a document lists slots of runs.
func hasRuns(doc *schema.Doc) bool {
	if doc == nil {
		return false
	}
	return slices.ContainsFunc(doc.Slots, isRun) || slices.ContainsFunc(doc.Releasing, isRun)
}

func isRun(h schema.Held) bool {
	_, run := cluster.SplitRun(h.Task)
	return run != ""
}

// open leaves out the statuses and members of closed documents: such a member is gone whatever
// they say.
func (v *View) open(keys []string) []string {
	return slices.DeleteFunc(keys, func(key string) bool {
		p := v.snap.Peers[schema.Base(key)]
		return p != nil && v.leader && p.Doc.Good() && p.Doc.Rec.Closed != nil && schema.Dir(key) != v.keys.Docs()
	})
}

func (v *View) sort(keys []string) (lists, docs, rest []string) {
	for _, key := range keys {
		switch {
		case key == v.keys.Docs(), key == v.keys.Members(), key == v.keys.Tasks(), key == v.keys.Marks(), key == v.keys.Agendas():
			lists = append(lists, key)
		default:
			docs, rest = v.add([]string{key}, docs, rest)
		}
	}
	return lists, docs, rest
}

func (v *View) add(keys, docs, rest []string) ([]string, []string) {
	for _, key := range keys {
		to := &rest
		if schema.Dir(key) == v.keys.Docs() {
			to = &docs
		}
		if !slices.Contains(*to, key) {
			*to = append(*to, key)
		}
	}
	return docs, rest
}

// list reads the children of a key and returns the keys that are new, watched.
func (v *View) list(ctx context.Context, key string) (fresh []string, err error) {
	entries, err := v.session.List(ctx, key)
	if err != nil {
		return nil, err
	}
	present := make(map[string]bool, len(entries))
	for _, e := range entries {
		present[e.Name] = true
	}
	switch key {
	case v.keys.Tasks():
		for name := range present {
			if _, known := v.snap.Tasks[name]; !known {
				fresh = append(fresh, v.keys.Task(name))
			}
		}
	case v.keys.Marks():
		for name := range present {
			if _, known := v.snap.Marks[name]; !known {
				fresh = append(fresh, v.keys.Mark(name))
			}
		}
	case v.keys.Agendas():
		for name := range present {
			if _, known := v.snap.Agendas[name]; !known {
				fresh = append(fresh, v.keys.Agenda(name))
			}
		}
	default:
		for guid := range present {
			if v.snap.Peers[guid] == nil {
				v.snap.Peers[guid] = &Peer{}
				keys := v.peerKeys(guid)
				fresh = append(fresh, keys[:]...)
			}
		}
	}
	slices.Sort(fresh)
	for _, k := range fresh {
		v.hints.Watch(k)
	}
	return fresh, nil
}

// read reads keys in parallel and notes them one after the other.
func (v *View) read(ctx context.Context, keys []string) error {
	type answer struct {
		r   coord.Record
		err error
		at  time.Duration
	}
	answers := make([]answer, len(keys))
	var wait sync.WaitGroup
	next := make(chan int)
	for range min(parallel, len(keys)) {
		wait.Go(func() {
			for i := range next {
				at := v.session.Now() // before the send: the record is at least as fresh
				r, err := v.session.Get(ctx, keys[i])
				answers[i] = answer{r, err, at}
			}
		})
	}
	for i := range keys {
		next <- i
	}
	close(next)
	wait.Wait()
	for i, a := range answers {
		if a.err != nil && !errors.Is(a.err, coord.ErrNotFound) {
			for _, key := range keys[i:] {
				v.hints.Mark(key)
			}
			return a.err
		}
		v.note(keys[i], a.r, a.err, a.at)
	}
	return nil
}

// note files a record that was read.
func (v *View) note(key string, r coord.Record, err error, at time.Duration) {
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
	case key == v.keys.Orders():
		v.snap.Orders = decode[schema.Orders](anew(v.snap.Orders), key, r, err, at)
		return
	case schema.Dir(key) == v.keys.Marks():
		v.noteMark(key, r, err, at)
		return
	case schema.Dir(key) == v.keys.Agendas():
		v.noteAgenda(key, r, err, at)
		return
	case schema.Dir(key) == v.keys.Tasks():
		name := schema.Base(key)
		old := v.snap.Tasks[name]
		e := decode[schema.Task](old, key, r, err, at)
		if e.Good() && e.Rec.Spec.Name != name {
			e.Err = errName(key, e.Rec.Spec.Name)
			e.Rec, e.RecAt = old.Rec, old.RecAt
		}
		v.snap.Tasks[name] = e
		return
	}
	guid := schema.Base(key)
	old := v.snap.Peers[guid]
	if old == nil {
		return
	}
	p := *old
	switch key {
	case v.keys.Doc(guid):
		p.Doc = decode[schema.Doc](p.Doc, key, r, err, at)
	case v.keys.Status(guid):
		p.Status = decode[schema.Status](p.Status, key, r, err, at)
	case v.keys.Member(guid):
		p.Member = decode[schema.Member](p.Member, key, r, err, at)
	case v.keys.Done(guid):
		p.Done = decode[schema.Done](anew(p.Done), key, r, err, at)
	}
	v.snap.Peers[guid] = &p
}

// forget drops members of whom nothing is left in the store.
func (v *View) forget() {
	for guid, p := range v.snap.Peers {
		missed := v.leader && p.Doc.Rec != nil
		if p.Doc.Absent && p.Status.Absent && p.Member.Absent && !missed {
			v.drop(guid)
		}
	}
}

func (v *View) drop(guid string) {
	delete(v.snap.Peers, guid)
	for _, key := range v.peerKeys(guid) {
		v.hints.Unwatch(key)
	}
	v.hints.Unwatch(v.keys.Done(guid))
}

// noteMark files a mark. One that was taken back is forgotten: the list tells when there is a new
// one.
func (v *View) noteMark(key string, r coord.Record, err error, at time.Duration) {
	name := schema.Base(key)
	e := decode[schema.Mark](anew(v.snap.Marks[name]), key, r, err, at)
	if e.Absent {
		v.hints.Unwatch(key)
		delete(v.snap.Marks, name)
		return
	}
	v.snap.Marks[name] = e
}

// noteAgenda files an agenda. One that was deleted is forgotten, like a mark.
func (v *View) noteAgenda(key string, r coord.Record, err error, at time.Duration) {
	task := schema.Base(key)
	e := decode[schema.Agenda](anew(v.snap.Agendas[task]), key, r, err, at)
	if e.Absent {
		v.hints.Unwatch(key)
		delete(v.snap.Agendas, task)
		return
	}
	v.snap.Agendas[task] = e
}

// PutAgenda notes an agenda that the owner has committed itself, nil that it was deleted.
func (v *View) PutAgenda(task string, rec *schema.Agenda, version int64) {
	key := v.keys.Agenda(task)
	if rec == nil {
		v.hints.Unwatch(key)
		delete(v.snap.Agendas, task)
		return
	}
	if _, known := v.snap.Agendas[task]; !known {
		v.hints.Watch(key)
		v.hints.Mark(key) // reading it arms its watch
	}
	v.snap.Agendas[task] = Entry[schema.Agenda]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// ReadEpoch reads the epoch now.
func (v *View) ReadEpoch(ctx context.Context) (Entry[schema.Epoch], error) {
	at := v.session.Now()
	r, err := v.session.Get(ctx, v.keys.Epoch())
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return Entry[schema.Epoch]{}, err
	}
	v.note(v.keys.Epoch(), r, err, at)
	return v.snap.Epoch, nil
}

// PutEpoch notes what the owner has committed itself.
func (v *View) PutEpoch(rec *schema.Epoch, version int64) {
	v.snap.Epoch = Entry[schema.Epoch]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutSuspects notes what the owner has committed itself.
func (v *View) PutSuspects(rec *schema.Suspects, version int64) {
	v.snap.Suspects = Entry[schema.Suspects]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutOrders notes what the owner has committed itself; no orders are no record.
func (v *View) PutOrders(rec *schema.Orders, version int64) {
	if rec.Empty() {
		v.snap.Orders = Entry[schema.Orders]{Absent: true, Read: v.session.Now()}
		return
	}
	v.snap.Orders = Entry[schema.Orders]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
}

// PutDoc notes a document that the owner has committed itself.
func (v *View) PutDoc(guid string, rec *schema.Doc, version int64) {
	p := *v.snap.Peers[guid]
	p.Doc = Entry[schema.Doc]{Rec: rec, RecAt: version, Version: version, Read: v.session.Now()}
	v.snap.Peers[guid] = &p
}

// Forget notes that the owner has buried a member, or knows that nothing of it is left.
func (v *View) Forget(guid string) { v.drop(guid) }

// recordPtr is a pointer to a record type, as schema.Decode wants it.
type recordPtr[R any] interface {
	*R
	schema.Record
}

// anew has an entry's record decoded again whatever its version: a key that is deleted when nothing is
// left of it, and created again, has old versions with other content.
func anew[R any](e Entry[R]) Entry[R] {
	e.Version = -1
	return e
}

// decode makes an entry of what was read; what cannot be used leaves the last good record.
func decode[R any, P recordPtr[R]](old Entry[R], key string, r coord.Record, err error, at time.Duration) Entry[R] {
	e := Entry[R]{Rec: old.Rec, RecAt: old.RecAt, Version: r.Version, Read: at}
	if err != nil {
		e.Absent, e.Version = true, 0
		return e
	}
	if old.Good() && old.Version == r.Version {
		old.Read = at
		return old
	}
	rec := new(R)
	if e.Err = schema.Decode(key, r, P(rec)); e.Err == nil {
		e.Rec, e.RecAt = rec, r.Version
	}
	return e
}
