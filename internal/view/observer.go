package view

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// watchFor is how long the cluster is watched after the last request of a reader. There is no other such time: a reader that
// serves others asks as long as they do.
const watchFor = 60 * time.Second

// readPause is the pause after each reading of an observer's own view.
const readPause = 10 * time.Millisecond

// serviceWait is how long a request waits for the service before it is answered from the last known snapshot.
const serviceWait = 2 * time.Second

// Observer is the only cache of the cluster in a node: numbered snapshots, from the leader's view while this node leads, otherwise
// from a view of its own that is open while readers ask. The zero value is ready. Its methods may be called from any goroutine.
type Observer struct {
	mu      sync.Mutex
	session coord.Session   // to read with, nil without
	leading *Snapshot       // of the leader, nil while this node does not lead
	own     *Snapshot       // of the observer's own view
	last    *Snapshot       // the last of either
	beats   map[string]beat // heartbeats as read, by member
	asked   time.Time       // when a reader asked last
	number  int64           // of the present snapshot; rises with every snapshot, and with every WakeReaders
	since   int64           // the first number that answers the readers; above number until there is such a snapshot
	begun   int64           // the number of the first snapshot that was read in this watch
	paused  bool            // nothing was read since the last watch ended: the next snapshot begins another one
	changed chan struct{}   // closed and replaced when any of it changes
}

// update changes the observer and wakes waiting readers.
func (o *Observer) update(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := o.current()
	f()
	if now := o.current(); now != before && now != nil {
		o.number++
		o.last = now
		if o.paused {
			o.begun, o.paused = o.number, false
		}
	}
	o.wake()
}

// wake wakes waiting readers. The caller holds the lock.
func (o *Observer) wake() {
	if o.changed != nil {
		close(o.changed)
	}
	o.changed = make(chan struct{})
}

// WakeReaders publishes the present snapshot under a new number, because what this node knows in addition to it has changed.
func (o *Observer) WakeReaders() {
	o.update(o.renumber)
}

// renumber gives the present snapshot a new number, unless a new snapshot is awaited, which will get one. The caller holds the lock.
func (o *Observer) renumber() {
	if o.number >= o.since {
		o.number++
	}
}

// current returns the present snapshot, nil if there is none.
func (o *Observer) current() *Snapshot {
	if o.leading != nil {
		return o.leading
	}
	return o.own
}

// numbered returns the present or the last snapshot, with its numbers; nil if there is none. The caller holds the lock.
func (o *Observer) numbered() *Snapshot {
	known := o.current()
	if known == nil { // nothing can be read now
		known = o.last
	}
	if known == nil {
		return nil
	}
	snap := *known
	snap.Number, snap.WatchedSince = o.number, o.begun
	if o.paused { // the snapshot is of an earlier watch
		snap.WatchedSince = o.number + 1
	}
	return &snap
}

// isAsked reports whether a reader has asked within the last minute. The caller holds the lock.
func (o *Observer) isAsked() bool { return time.Since(o.asked) < watchFor }

// KeepFresh has the cluster watched for a minute from now on. It returns the number of the first snapshot of this watch: a reader
// that has received this snapshot or a later one is up to date. If nothing can be read for a while, the last snapshot takes its place.
func (o *Observer) KeepFresh() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	resumes := !o.isAsked()
	o.asked = time.Now()
	if !resumes {
		return o.since
	}
	o.since, o.begun = o.number, o.number
	if o.current() == nil {
		o.paused = true
		o.since++
		if o.session == nil {
			o.settleForLast()
		} else {
			time.AfterFunc(serviceWait, func() { o.update(o.settleForLast) })
		}
	}
	o.wake()
	return o.since
}

// settleForLast ends the wait for the first snapshot of a watch if there is an earlier one. The caller holds the lock.
func (o *Observer) settleForLast() {
	if o.last != nil {
		o.number = max(o.number, o.since)
	}
}

// Next returns the cluster once its number is above seen, 0 for none, while readers ask. It does not ask itself: while no reader
// does, it waits.
func (o *Observer) Next(ctx context.Context, seen int64) (*Snapshot, error) {
	for {
		o.mu.Lock()
		watched := o.isAsked() && o.number >= o.since
		snap, changed := o.numbered(), o.changes()
		o.mu.Unlock()
		if watched && snap != nil && snap.Number > seen {
			return snap, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

// changes returns a channel that is closed when anything changes. The caller holds the lock.
func (o *Observer) changes() <-chan struct{} {
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.changed
}

// Use sets the session to read with. Changes between the last snapshot and the first one of the new session may be missed: a watch
// of the cluster does not continue from one session to the next.
func (o *Observer) Use(s coord.Session) {
	o.update(func() { o.session, o.own, o.beats, o.paused = s, nil, nil, true })
}

// Share sets the snapshot of this node's leader, which readers then receive; nil when this node no longer leads.
func (o *Observer) Share(s *Snapshot) {
	o.update(func() { o.leading = s })
}

// Leading returns the snapshot of this node's leader, nil while this node does not lead. It reads nothing.
func (o *Observer) Leading() *Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leading
}

// Snapshot asks, and returns the present snapshot. It waits for the first one.
func (o *Observer) Snapshot(ctx context.Context) (*Snapshot, error) {
	o.KeepFresh()
	timeout := time.NewTimer(serviceWait)
	defer timeout.Stop()
	waited := false
	for {
		o.mu.Lock()
		snap, changed := o.numbered(), o.changes()
		known := o.current() != nil || o.session == nil || waited
		o.mu.Unlock()
		if known && snap != nil {
			return snap, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		case <-timeout.C:
			waited = true
		}
	}
}

// wanted returns the session to read with if a reader has asked lately, and a channel that is closed when that may have changed.
func (o *Observer) wanted() (s coord.Session, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leading == nil && o.session != nil && o.isAsked() {
		s = o.session
	}
	return s, o.changes()
}

// Run keeps the observer's own view while readers ask.
func (o *Observer) Run(ctx context.Context, cluster string, keys schema.Keys) {
	var listening sync.WaitGroup
	listening.Go(func() { o.listen(ctx, keys) })
	defer listening.Wait()
	for ctx.Err() == nil {
		session, changed := o.wanted()
		if session == nil {
			select {
			case <-ctx.Done():
			case <-changed:
			}
			continue
		}
		o.watch(ctx, cluster, keys, session)
		o.update(func() { o.own = nil })
	}
}

// watch keeps one view up to date until no reader needs it or it fails.
func (o *Observer) watch(ctx context.Context, cluster string, keys schema.Keys, session coord.Session) {
	v := New(cluster, session, keys)
	defer v.Close()
	check := time.NewTicker(watchFor / 2)
	defer check.Stop()
	for {
		if _, err := v.Refresh(ctx); err != nil {
			select { // the session is over: do not spin until the observer has the next one
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			return
		}
		snap := v.Snapshot()
		o.update(func() { o.own = snap })
		select { // readers that only look need not see every step of a change
		case <-ctx.Done():
			return
		case <-time.After(readPause):
		}
		if !o.idle(ctx, v, session, check.C) {
			return
		}
	}
}

// idle waits until the view has something to read. It returns false if no reader needs the view: a session that has ended gives no
// hints.
func (o *Observer) idle(ctx context.Context, v *View, session coord.Session, check <-chan time.Time) bool {
	for {
		still, changed := o.wanted()
		if still != session {
			return false
		}
		select {
		case <-ctx.Done():
			return false
		case <-changed:
		case <-v.C():
			return true
		case <-check:
			v.MarkAll()
			return true
		}
	}
}
