package view

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// linger is how long the cluster is watched after the last question. It is the only such time: a reader that shows the
// cluster to others asks as long as they do.
const linger = 60 * time.Second

// rest follows each reading of an observer's own view.
const rest = 10 * time.Millisecond

// stale is how long a question waits for the service before it is answered from what was known
// before.
const stale = 2 * time.Second

// Observer is the one cache of the cluster in a node: numbered snapshots, from the leader's view while this node leads,
// else from a view of its own that is open while readers ask. The zero value is ready. Its
// methods may be called from any goroutine.
type Observer struct {
	mu      sync.Mutex
	session coord.Session   // to read with, nil without
	leading *Snapshot       // the leader's, nil while this node does not lead
	own     *Snapshot       // the observer's
	last    *Snapshot       // what was known last, of whatever origin
	beats   map[string]beat // heartbeats as read, by member
	asked   time.Time       // when a reader asked last
	number  int64           // of what is known; rises with every snapshot, and when readers are to look at the same one again
	since   int64           // the number from which on a snapshot is an answer; above number until there is one
	begun   int64           // the number of the first snapshot that was read in this watch
	paused  bool            // nothing was read since the last watch ended: the next snapshot begins another one
	changed chan struct{}   // closed and replaced when any of it changes
}

// update changes the observer and wakes those who wait.
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

// wake wakes those who wait. The caller has taken the lock.
func (o *Observer) wake() {
	if o.changed != nil {
		close(o.changed)
	}
	o.changed = make(chan struct{})
}

// WakeReaders has readers look at the same cluster again: what this node knows besides it has changed.
func (o *Observer) WakeReaders() {
	o.update(o.renumber)
}

// renumber gives what is known another number, unless something new is awaited, which will have one. The caller has taken the lock.
func (o *Observer) renumber() {
	if o.number >= o.since {
		o.number++
	}
}

// current returns what is known now, nil for nothing.
func (o *Observer) current() *Snapshot {
	if o.leading != nil {
		return o.leading
	}
	return o.own
}

// numbered returns what is known, or was known last, with its numbers; nil for nothing. The caller has taken the lock.
func (o *Observer) numbered() *Snapshot {
	known := o.current()
	if known == nil { // nothing can be read at present
		known = o.last
	}
	if known == nil {
		return nil
	}
	snap := *known
	snap.Number, snap.WatchedSince = o.number, o.begun
	if o.paused { // it is of an earlier watch
		snap.WatchedSince = o.number + 1
	}
	return &snap
}

// isAsked reports whether a reader has asked lately. The caller has taken the lock.
func (o *Observer) isAsked() bool { return time.Since(o.asked) < linger }

// KeepFresh has the cluster watched for a minute from now on. It returns the number of the first snapshot of this watch: who has
// that one or a later one is up to date. If nothing can be read for a while, what was known before is that snapshot.
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
			time.AfterFunc(stale, func() { o.update(o.settleForLast) })
		}
	}
	o.wake()
	return o.since
}

// settleForLast gives up waiting for the first snapshot of a watch where an earlier one is known. The caller has taken the lock.
func (o *Observer) settleForLast() {
	if o.last != nil {
		o.number = max(o.number, o.since)
	}
}

// Next returns the cluster once its number is above one that was seen, 0 for none, as long as readers ask. It does not ask
// itself: while no reader does, it waits.
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

// changes returns a channel that is closed when anything changes. The caller has taken the lock.
func (o *Observer) changes() <-chan struct{} {
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	return o.changed
}

// Use names the session to read with. What happened between the last snapshot and the first one that is read with it may have
// been missed: a watch of the cluster does not go on from one session to the next.
func (o *Observer) Use(s coord.Session) {
	o.update(func() { o.session, o.own, o.beats, o.paused = s, nil, nil, true })
}

// Share makes what the leader of this node has read the answer to readers; nil when it leads no longer.
func (o *Observer) Share(s *Snapshot) {
	o.update(func() { o.leading = s })
}

// Leading returns what this node's leader has read, nil while it does not lead. Nothing is read for it.
func (o *Observer) Leading() *Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leading
}

// Snapshot asks, and returns the cluster as known, waiting for the first knowledge.
func (o *Observer) Snapshot(ctx context.Context) (*Snapshot, error) {
	o.KeepFresh()
	patience := time.NewTimer(stale)
	defer patience.Stop()
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
		case <-patience.C:
			waited = true
		}
	}
}

// wanted returns the session to read with if a reader asked lately, and a channel that is closed when that may have changed.
func (o *Observer) wanted() (s coord.Session, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.leading == nil && o.session != nil && o.isAsked() {
		s = o.session
	}
	return s, o.changes()
}

// Run keeps the observer's own view for as long as it is wanted.
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

// watch keeps one view up to date until no reader needs it any longer or it fails.
func (o *Observer) watch(ctx context.Context, cluster string, keys schema.Keys, session coord.Session) {
	v := New(cluster, session, keys)
	defer v.Close()
	check := time.NewTicker(linger / 2)
	defer check.Stop()
	for {
		if _, err := v.Refresh(ctx); err != nil {
			select { // the session is over; do not spin until that is known here
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
		case <-time.After(rest):
		}
		if !o.idle(ctx, v, session, check.C) {
			return
		}
	}
}

// idle waits until the view has something to read again. It returns false if no reader needs it any longer:
// a session that has ended gives no hints.
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
