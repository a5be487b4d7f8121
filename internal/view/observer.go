package view

import (
	"context"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// linger is how long a view is kept up to date after the last question.
const linger = 60 * time.Second

// rest follows each reading of an observer's own view.
const rest = 10 * time.Millisecond

// stale is how long a question waits for the service before it is answered from what was known
// before.
const stale = 2 * time.Second

// Observer answers what the cluster looks like: from the leader's view while this node leads,
// else from a view of its own that is open while somebody asks. The zero value is ready. Its
// methods may be called from any goroutine.
type Observer struct {
	mu      sync.Mutex
	session coord.Session   // to read with, nil without
	leading *Snapshot       // the leader's, nil while this node does not lead
	own     *Snapshot       // the observer's
	last    *Snapshot       // what was known last, of whatever origin
	beats   map[string]beat // heartbeats as read, by member
	asked   time.Time
	number  int64         // rises with every snapshot, and when the same one is to be told otherwise
	changed chan struct{} // closed and replaced when any of it changes
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
	}
	if o.changed != nil {
		close(o.changed)
	}
	o.changed = make(chan struct{})
}

// Retell has the same cluster told again: what is known besides of who tells, or of who is silent, is different.
func (o *Observer) Retell() {
	o.update(func() { o.number++ })
}

// current returns what is known now, nil for nothing.
func (o *Observer) current() *Snapshot {
	if o.leading != nil {
		return o.leading
	}
	return o.own
}

// Next returns the cluster once it is not any more as it was with a number, 0 for none, and the number that it
// has then. While it waits the cluster is watched.
func (o *Observer) Next(ctx context.Context, seen int64) (*Snapshot, int64, error) {
	again := time.NewTicker(linger / 3)
	defer again.Stop()
	if seen == 0 {
		if _, err := o.Snapshot(ctx); err != nil {
			return nil, 0, err
		}
	}
	o.update(func() { o.asked = time.Now() })
	for {
		o.mu.Lock()
		snap, number, changed := o.current(), o.number, o.changed
		if snap == nil { // nothing can be read at present
			snap = o.last
		}
		o.mu.Unlock()
		if snap != nil && (number != seen || seen == 0) {
			return snap, max(number, 1), nil
		}
		select {
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		case <-changed:
		case <-again.C:
			o.update(func() { o.asked = time.Now() })
		}
	}
}

// Use names the session to read with.
func (o *Observer) Use(s coord.Session) {
	o.update(func() { o.session, o.own, o.beats = s, nil, nil })
}

// Publish is given what the leader has read; nil when it leads no more.
func (o *Observer) Publish(s *Snapshot) {
	o.update(func() { o.leading = s })
}

// Leading returns what this node's leader has read, nil while it does not lead. Nothing is read for it.
func (o *Observer) Leading() *Snapshot {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.leading
}

// Snapshot returns the cluster as known, waiting for the first knowledge.
func (o *Observer) Snapshot(ctx context.Context) (*Snapshot, error) {
	o.update(func() { o.asked = time.Now() })
	patience := time.NewTimer(stale)
	defer patience.Stop()
	waited := false
	for {
		o.mu.Lock()
		snap, changed := o.current(), o.changed
		if snap == nil && (o.session == nil || waited) {
			snap = o.last
		}
		o.mu.Unlock()
		if snap != nil {
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

// wanted returns the session to read with if somebody asked lately, and a channel that tells
// when that may have changed.
func (o *Observer) wanted() (s coord.Session, changed <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed == nil {
		o.changed = make(chan struct{})
	}
	if o.leading == nil && o.session != nil && time.Since(o.asked) < linger {
		s = o.session
	}
	return s, o.changed
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

// watch keeps one view up to date until nobody wants it any more or it fails.
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
		select { // who only looks does not read every step of a change while it is being made
		case <-ctx.Done():
			return
		case <-time.After(rest):
		}
		if !o.idle(ctx, v, session, check.C) {
			return
		}
	}
}

// idle waits until the view has something to read again. It returns false if nobody wants it any more:
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
