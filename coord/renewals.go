package coord

import (
	"context"
	"fmt"
	"time"
)

// Renewals computes [Info].Base for a service in which one server counts the sessions, and the others report
// to it only from time to time, at most Spacing apart, which clients they have heard from. There one committed
// write does not prove enough: the session was alive, but may be about to end. Once a second write has
// committed that was sent Spacing after the answer to the first one, the service is known to have counted from
// the first.
//
// Spacing counts from the answer and not from the send. A first write that is delayed on its way reaches its
// server just before its answer, and the report of the server may come after a second write that follows at once.
//
// The zero value of the other fields is a session that has not begun. Renewals has no lock.
type Renewals struct {
	Spacing time.Duration

	base           time.Duration
	sent, answered time.Duration // of the last write that counts
}

// Begin starts with the request that created the session: the service counts from its commit.
func (r *Renewals) Begin(sent, answered time.Duration) (base time.Duration) {
	r.base, r.sent, r.answered = sent, sent, answered
	return r.base
}

// Renewed records a write that has committed, and returns the new base. A write that follows too soon does not count.
func (r *Renewals) Renewed(sent, answered time.Duration) (base time.Duration) {
	if sent-r.answered >= r.Spacing {
		r.base, r.sent, r.answered = r.sent, sent, answered
	}
	return r.base
}

// CommitRenewal is the common part of the backends' [Session.Renew]. It commits op, which must be a Set, and returns the
// time on the lease clock just before the request was sent and just after it was answered.
func CommitRenewal(ctx context.Context, s Session, op Op) (sent, answered time.Duration, err error) {
	if op.Kind != KindSet {
		return 0, 0, fmt.Errorf("renew: %w: %s", ErrInvalid, op.Kind)
	}
	sent = s.Now()
	if _, err := s.Commit(ctx, op); err != nil {
		return 0, 0, err
	}
	return sent, s.Now(), nil
}
