package coord

import (
	"context"
	"errors"
	"sort"
	"time"
)

// ErrNoHistory is returned by [LastWrite] where the service does not show when a key was written last: it keeps no former
// states, it has forgotten this one, or the key exists.
var ErrNoHistory = errors.New("the service does not show the last write of this key")

// Historian is a [Session] of a service that keeps the former states of its keys. It is not part of the contract: without it, callers
// do what is right for a service that keeps none.
type Historian interface {
	// LastWrite returns a time on the lease clock by which the last write of a key had been committed for certain. The key was
	// created before, has been deleted since, and is never created again. The time is the arrival here of the first answer to a
	// renewal of this session that showed the write, or something later. It is never the time of a request: what an
	// answer shows may have been committed at any moment before it arrived.
	//
	// The error matches [ErrNoHistory] if no such time is known.
	LastWrite(ctx context.Context, key string) (committedBy time.Duration, err error)
}

// LastWrite asks a session for the last write of a deleted key; see [Historian].
func LastWrite(ctx context.Context, s Session, key string) (committedBy time.Duration, err error) {
	if h, ok := s.(Historian); ok {
		return h.LastWrite(ctx, key)
	}
	return 0, ErrNoHistory
}

// Revisions are the revisions of a service that the answers to the renewals of one session have shown, with the times on the
// lease clock at which these answers arrived. A backend uses it for [Historian].
//
// An answer with revision r proves that everything up to r had been committed when it arrived. It proves nothing about the time
// of its request, nor about the revisions after r.
//
// The zero value has none. Revisions has no lock.
type Revisions struct{ answers []revisionAt }

type revisionAt struct {
	revision int64
	at       time.Duration
}

// maxRevisions bounds what a session remembers. With the shortest possible interval of heartbeats it is more than a minute, and
// with the usual one more than eight.
const maxRevisions = 256

// Answered records an answer that arrived at a time. If the service is behind an earlier answer, it has lost its history
// (it was restored from a copy, for example), and revisions before and after that cannot be compared.
func (r *Revisions) Answered(revision int64, at time.Duration) {
	if n := len(r.answers); n > 0 {
		switch last := r.answers[n-1]; {
		case revision < last.revision:
			r.answers = nil
		case revision == last.revision:
			return
		}
	}
	if len(r.answers) == maxRevisions {
		r.answers = append(r.answers[:0], r.answers[1:]...)
	}
	r.answers = append(r.answers, revisionAt{revision, at})
}

// CommittedBy returns the time of the first answer that showed a revision, given another answer that has arrived now and shows
// the revision head. It returns false if the service has lost its history.
func (r *Revisions) CommittedBy(revision, head int64, now time.Duration) (at time.Duration, ok bool) {
	if n := len(r.answers); n > 0 && r.answers[n-1].revision > head || revision > head {
		return 0, false
	}
	first := sort.Search(len(r.answers), func(i int) bool { return r.answers[i].revision >= revision })
	if first == len(r.answers) {
		return now, true
	}
	return r.answers[first].at, true
}

// Oldest returns the least revision that an answer has shown, 0 for none.
func (r *Revisions) Oldest() int64 {
	if len(r.answers) == 0 {
		return 0
	}
	return r.answers[0].revision
}

// Clone returns a copy.
func (r *Revisions) Clone() Revisions {
	return Revisions{append([]revisionAt(nil), r.answers...)}
}
