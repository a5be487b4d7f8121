package view

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A member whose session lives but whose heartbeats do not arrive has no lease, and none of its workers run: the service hears the
// node, and the node hears nothing. Only the heartbeat shows that: a member with a lease has written it less than a session
// timeout ago. Heartbeats are not watched. They are read now and then, while readers ask for the cluster. A member is silent if
// its heartbeat has not changed for its whole session timeout by this node's clock. So it takes a session timeout of asking to
// detect that.
const (
	beatsPerTimeout = 4                     // how often heartbeats are read
	beatsEach       = 20 * time.Millisecond // the least time between two reads
)

// beat is a heartbeat as read.
type beat struct {
	version     int64
	since, read time.Duration // when this version was read first and last, by the lease clock
}

// listen reads heartbeats while readers ask.
func (o *Observer) listen(ctx context.Context, keys schema.Keys) {
	for {
		o.mu.Lock()
		session, snap, asked := o.session, o.current(), o.isAsked()
		o.mu.Unlock()
		pause := time.Second
		if session != nil && snap != nil && asked {
			pause = max(session.Info().Timeout/beatsPerTimeout, time.Duration(len(snap.Peers))*beatsEach)
			o.readBeats(ctx, session, keys, snap)
		} else {
			o.mu.Lock()
			o.beats = nil
			o.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (o *Observer) readBeats(ctx context.Context, s coord.Session, keys schema.Keys, snap *Snapshot) {
	o.mu.Lock()
	old := o.beats
	o.mu.Unlock()
	beats := make(map[string]beat, len(snap.Peers))
	for _, memberID := range slices.Sorted(maps.Keys(snap.Peers)) {
		if !snap.Peers[memberID].Live() {
			continue
		}
		at := s.Now() // before the send: the reading is at least as late
		r, err := s.Get(ctx, keys.Heartbeat(memberID))
		now := s.Now()
		b, known := old[memberID]
		switch {
		case errors.Is(err, coord.ErrNotFound):
			continue
		case err != nil:
			return // nothing is known of any member
		case !known || b.version != r.Version:
			b = beat{version: r.Version, since: now}
		}
		b.read = at
		beats[memberID] = b
	}
	silent := snap.silent(beats)
	if maps.Equal(silent, snap.silent(old)) {
		o.mu.Lock()
		o.beats = beats
		o.mu.Unlock()
		return
	}
	o.update(func() {
		o.beats = beats
		o.renumber()
	})
}

// silent returns the members whose heartbeats show that they have no lease.
func (snap *Snapshot) silent(beats map[string]beat) map[string]bool {
	silent := map[string]bool{}
	for memberID, b := range beats {
		p := snap.Peers[memberID]
		if p == nil || p.Member.Rec == nil {
			continue
		}
		if timeout := time.Duration(p.Member.Rec.SessionTimeout); timeout > 0 && b.read-b.since >= timeout {
			silent[memberID] = true
		}
	}
	return silent
}

// Heard returns a snapshot in which those members are silent whose heartbeats show that they have no lease. Without is a member that
// is known by other means to have none, "" for no member.
func (o *Observer) Heard(snap *Snapshot, without string) *Snapshot {
	o.mu.Lock()
	silent, beats := snap.silent(o.beats), o.beats
	o.mu.Unlock()
	silent[without] = true
	heard := *snap
	heard.Peers = maps.Clone(heard.Peers)
	for memberID := range silent {
		if p := snap.Peers[memberID]; p != nil && !p.Silent {
			quiet := *p
			quiet.Silent = true
			if quiet.LostAt == 0 {
				quiet.LostAt = beats[memberID].since
			}
			heard.Peers[memberID] = &quiet
		}
	}
	return &heard
}
