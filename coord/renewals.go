package coord

import (
	"context"
	"fmt"
	"time"
)

// Renewals works out [Info].Base for services whose servers tell the one that counts sessions whom
// they have heard of only now and then, at most Spacing apart. There one committed write proves too
// little: the session was alive, but may be about to end all the same. Once a second write that was
// sent Spacing after the first one's answer has committed, too, the service is known to have counted
// from the first.
//
// The answer, not the send: a first write that is held up on its way reaches its server just before
// its answer, and what the server tells may come after a second write that follows at once.
//
// The zero value of the other fields is a session that has not begun. It has no lock.
type Renewals struct {
	Spacing time.Duration

	base           time.Duration
	sent, answered time.Duration // of the last write that counts
}

// Begin starts with the request that made the session: the service counts from its commit.
func (r *Renewals) Begin(sent, answered time.Duration) (base time.Duration) {
	r.base, r.sent, r.answered = sent, sent, answered
	return r.base
}

// Renewed takes in a write that has committed. Writes that follow too soon count for nothing.
func (r *Renewals) Renewed(sent, answered time.Duration) (base time.Duration) {
	if sent-r.answered >= r.Spacing {
		r.base, r.sent, r.answered = r.sent, sent, answered
	}
	return r.base
}

// CommitRenewal is what the backends' [Session.Renew] have in common: it commits op, which must be a Set, over their own
// Commit, and returns the lease clock just before the request was sent and just after it was answered.
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
