// Package election lets one member lead at a time.
//
// # The model
//
// Every member has a candidate key with a sequence; the lowest leads: first in, first out.
// Each candidate watches only the one before it.
//
//	follower ──(lowest)──▶ bump epoch ──▶ leader: lead(ctx, term) ──▶ deposed ─┐
//	   ▲                                                                        │
//	   └────────────────────────────────────────────────────────────────────────┘
//
// A term is a value: the number that the leader wrote into the epoch, and the version of the epoch after that write. Every
// write of a leader is conditional on both its candidate key and the epoch, so a leader that has a successor and has not
// noticed it cannot write.
//
// A candidate key may be changed by another client: written, or deleted and created again. Its member then gives it up and
// stands again with a new key behind all others, because a leader's commits check the key at its first version. A candidate
// key that is not bound to the session of a live member would block the election for ever. The member behind it deletes it.
//
// Not guaranteed: that only one node believes that it leads. Two may, for a while; only one of them can commit.
package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Errors of elections.
var (
	// ErrDeposed is what lead returns when its term is over although ctx is not.
	ErrDeposed = errors.New("deposed")
	// ErrGone: the member's candidate key was deleted, so the member can no longer lead.
	ErrGone = errors.New("candidate key is gone")
	// ErrStepDown is what lead returns to let the others lead first.
	ErrStepDown = errors.New("steps down")
	// ErrTouched: the member's candidate key is not as the member created it.
	ErrTouched = errors.New("candidate key was written by another client")
)

// GiveUp is what lead returns when this member cannot lead. Its candidate key is deleted, so that the next member leads. It
// stands again behind all others after a pause, which grows as long as this repeats.
type GiveUp struct {
	Err   error
	Until <-chan struct{} // the member does not stand again before this is closed; nil for no condition
}

func (e *GiveUp) Error() string { return "gives up leading: " + e.Err.Error() }

// Unwrap returns the reason.
func (e *GiveUp) Unwrap() error { return e.Err }

// standAgain are the pauses before a member that has given up leading stands again. They let the others lead. A pause also
// ends when no member has stood for giveUpAlone, which is checked every giveUpPause.
var standAgain = backoff.Policy{First: giveUpPause, Max: 30 * time.Second, Steady: time.Minute}

const (
	giveUpPause = time.Second
	giveUpAlone = 3 * time.Second
)

// Term is one leadership.
type Term struct {
	Number    int64
	Candidate string       // the leader's candidate key
	Epoch     schema.Epoch // as written by this leader
	Version   int64        // of the epoch's key after that write
}

// Run takes part in elections until ctx or the session ends. While the member leads, Run calls lead with a context that ends
// when the candidate key is deleted or written, and waits until lead has returned before the member stands again. Lead may
// return ErrDeposed to stand again at once, ErrStepDown to stand again behind all others, or a *GiveUp. A panic of lead counts
// as a *GiveUp. While the member is the one to lead but cannot, because the epoch is missing or damaged, Run calls blocked with
// the reason, and with nil once that is over. Blocked must not block.
func Run(
	ctx context.Context,
	s coord.Session,
	keys schema.Keys,
	self cluster.Member,
	log *slog.Logger,
	blocked func(error),
	lead func(context.Context, Term) error,
) error {
	e := &candidate{session: s, keys: keys, self: self, log: log, blocked: blocked, hints: coord.NewHints(s)}
	defer blocked(nil)
	defer e.hints.Close()
	for {
		if err := e.awaitLead(ctx); err != nil {
			return over(ctx, err)
		}
		began := s.Now()
		term, err := e.bump(ctx)
		if err == nil {
			err = e.lead(ctx, term, lead)
		}
		gaveUp, given := errors.AsType[*GiveUp](err)
		switch {
		case ctx.Err() != nil:
			return nil
		case given:
			e.log.Warn("this node gives up leading; the others lead first", "reason", gaveUp.Err)
			err = e.rest(ctx, gaveUp, s.Now()-began)
		case errors.Is(err, ErrTouched):
			e.log.Warn("this node's candidate key was written by another client; standing again behind the others", "key", e.own)
			err = e.standLast(ctx)
		case errors.Is(err, ErrStepDown):
			e.log.Info("this node no longer leads", "reason", err)
			err = e.standLast(ctx)
		case errors.Is(err, ErrDeposed):
			e.log.Info("this node no longer leads", "reason", err)
			err = nil
		}
		if err != nil {
			return over(ctx, err)
		}
	}
}

// over returns the result of Run: nil if err comes from the end of ctx.
func over(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return fmt.Errorf("election: %w", err)
	}
	return nil
}

// behindPause is how long a candidate waits before it looks for the next one before it, if the one that has gone did not lead: work
// that moves because a node leaves should not wait for that. Candidates that go in this time cost one look.
const behindPause = 20 * time.Millisecond

type candidate struct {
	session coord.Session
	keys    schema.Keys
	self    cluster.Member
	log     *slog.Logger
	blocked func(error)
	hints   *coord.Hints
	watched string
	own     string   // the member's candidate key
	second  bool     // the key before it was the lowest
	spare   []string // other candidate keys of the member
	gaveUp  int      // how often in a row the member has given up leading
}

// awaitLead returns when the member's candidate key is the lowest.
func (e *candidate) awaitLead(ctx context.Context) error {
	for {
		before, err := e.predecessor(ctx)
		if err != nil {
			return err
		}
		if before == "" {
			return nil
		}
		e.blocked(nil)       // the leader reports that now
		again := time.Minute // a lost hint delays this member by a minute at most
		if !e.clearSpare(ctx) {
			again = time.Second
		}
		e.watch(before)
		r, err := e.session.Get(ctx, before) // arms the watch
		if errors.Is(err, coord.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if cleared, err := e.clear(ctx, before, r); err != nil {
			return err
		} else if cleared {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.session.Done():
			return coord.ErrSessionEnded
		case <-e.hints.C():
			if !e.second {
				if err := e.wait(ctx, behindPause); err != nil {
					return err
				}
			}
			e.hints.Take()
		case <-time.After(again):
		}
	}
}

// clearSpare deletes the other candidate keys of the member, which come from attempts to stand whose outcome was unknown. Other
// members wait for these keys, and so does the member itself. It reports whether none remains.
func (e *candidate) clearSpare(ctx context.Context) bool {
	none := true
	for _, key := range e.spare {
		r, err := e.session.Get(ctx, key)
		if err == nil {
			_, err = e.session.Commit(ctx, coord.Delete(key, r.Version))
		}
		none = none && (err == nil || errors.Is(err, coord.ErrNotFound))
	}
	return none
}

// predecessor returns the candidate key just before this member's own, "" if there is none. If the member has several, its own
// is the last.
func (e *candidate) predecessor(ctx context.Context) (string, error) {
	candidates, err := e.session.List(ctx, e.keys.Elections())
	if err != nil {
		return "", err
	}
	own, before, name := int64(0), int64(0), ""
	e.spare, e.second = nil, true
	for _, c := range candidates {
		memberID, ok := schema.Candidate(c.Name)
		key := e.keys.Elections() + "/" + c.Name
		switch {
		case !ok || memberID != e.self.MemberID:
		case c.Sequence > own:
			if own > 0 {
				e.spare = append(e.spare, e.own)
			}
			own, e.own = c.Sequence, key
		default:
			e.spare = append(e.spare, key)
		}
	}
	if own == 0 {
		return "", fmt.Errorf("member %s: %w", e.self.MemberID, ErrGone)
	}
	for _, c := range candidates {
		if _, ok := schema.Candidate(c.Name); ok && c.Sequence < own {
			e.second = before == 0
			if c.Sequence > before {
				before, name = c.Sequence, e.keys.Elections()+"/"+c.Name
			}
		}
	}
	return name, nil
}

// clear deletes the candidate key before this member's own if it is stray: bound to no session, bound to another session than
// its member's, or a remainder of this member. It reports whether it has deleted the key.
func (e *candidate) clear(ctx context.Context, key string, r coord.Record) (bool, error) {
	memberID, _ := schema.Candidate(schema.Base(key))
	stray := r.Session == "" || memberID == e.self.MemberID
	if !stray {
		m, err := e.session.Get(ctx, e.keys.Member(memberID))
		switch {
		case errors.Is(err, coord.ErrNotFound):
			stray = true // a member that leaves deletes both in one commit: then the delete below changes nothing
		case err != nil:
			return false, err
		default:
			stray = m.Session != "" && m.Session != r.Session
		}
	}
	if !stray {
		return false, nil
	}
	_, err := e.session.Commit(ctx, coord.Delete(key, r.Version))
	if errors.Is(err, coord.ErrInvalid) { // another client has created keys below it
		_, err = coord.DeleteTree(ctx, e.session, key)
	}
	if err != nil {
		e.log.Warn("stray candidate key not deleted; it keeps other members from leading", "key", key, "error", err)
		return false, nil // the next hint or timeout repeats this
	}
	e.log.Warn("deleted a stray candidate key", "key", key)
	return true, nil
}

// watch moves the watch to another key.
func (e *candidate) watch(key string) {
	if e.watched == key {
		return
	}
	if e.watched != "" {
		e.hints.Unwatch(e.watched)
	}
	e.watched = key
	e.hints.Watch(key)
}

// bump begins a term: it writes the epoch at the version read, provided that the member's candidate key is as the member created
// it. From then on no older leader can write.
//
// A bump whose outcome is unknown is repeated after the epoch was read again. If the first one was applied, it was a term that no
// member led. A bump that the service refuses for reasons of its own is repeated, too; workers continue meanwhile.
func (e *candidate) bump(ctx context.Context) (term Term, err error) {
	_, err = coord.Update(ctx, e.session, func(error) ([]coord.Op, error) {
		if err := e.untouched(ctx, e.own); err != nil {
			return nil, err
		}
		r, err := e.session.Get(ctx, e.keys.Epoch())
		if err != nil {
			return nil, e.noEpoch(ctx, err)
		}
		var epoch schema.Epoch
		if err := schema.Decode(e.keys.Epoch(), r, &epoch); err != nil {
			return nil, e.noEpoch(ctx, err)
		}
		e.blocked(nil)
		epoch.NextToken = max(epoch.NextToken, e.tokenFloor(ctx)+1)
		epoch.Term++
		epoch.Leader, epoch.Node = e.self.MemberID, e.self.Node
		epoch.Since = time.Now().UTC().Truncate(time.Millisecond)
		term = Term{Number: epoch.Term, Candidate: e.own, Epoch: epoch, Version: r.Version + 1}
		return []coord.Op{
			coord.Check(e.own, 0),
			coord.Set(e.keys.Epoch(), schema.Encode(&epoch, r.Version+1), r.Version),
		}, nil
	}, coord.ErrRefused)
	return term, err
}

// untouched fails unless a candidate key is as this member created it: bound to its session, and never written since.
func (e *candidate) untouched(ctx context.Context, key string) error {
	r, err := e.session.Get(ctx, key)
	switch {
	case errors.Is(err, coord.ErrNotFound):
		return fmt.Errorf("%s was deleted: %w", key, ErrDeposed)
	case err != nil:
		return err
	case r.Version != 0 || r.Session != e.session.Info().ID:
		return fmt.Errorf("%s: %w", key, ErrTouched)
	}
	return nil
}

// wait returns after d, or with an error when ctx or the session ends.
func (e *candidate) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-e.session.Done():
		return coord.ErrSessionEnded
	case <-timer.C:
	}
	return nil
}

// tokenFloor returns a lower bound of all new tokens. An operator who restores an old copy of the store sets it in meta, so that
// no token is given twice.
func (e *candidate) tokenFloor(ctx context.Context) int64 {
	var meta schema.Meta
	r, err := e.session.Get(ctx, e.keys.Meta())
	if err != nil || schema.Decode(e.keys.Meta(), r, &meta) != nil {
		return 0
	}
	return meta.TokenFloor
}

// noEpoch waits while there is no usable epoch. No program creates the epoch again, because tokens might then fall.
func (e *candidate) noEpoch(ctx context.Context, err error) error {
	unusable := errors.Is(err, coord.ErrNotFound) || errors.Is(err, schema.ErrCorrupt) || errors.Is(err, schema.ErrForeign)
	if !unusable {
		return err
	}
	e.log.Error("the epoch is missing or damaged: nothing can be granted until it is restored", "key", e.keys.Epoch(), "error", err)
	e.blocked(err)
	if err := e.wait(ctx, 2*time.Second); err != nil {
		return err
	}
	return fmt.Errorf("%w: %w", ErrDeposed, err)
}

// lead runs the leader's role for one term and waits for its end.
func (e *candidate) lead(ctx context.Context, term Term, lead func(context.Context, Term) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	e.watch(term.Candidate)
	if err := e.untouched(ctx, term.Candidate); err != nil { // arms the watch
		return err
	}
	done := make(chan error, 1)
	go func() { done <- Catch("leading", func() error { return lead(ctx, term) }) }()
	for {
		select {
		case err := <-done:
			if _, gaveUp := errors.AsType[*GiveUp](err); gaveUp {
				return err
			}
			if panicked, ok := errors.AsType[*PanicError](err); ok {
				e.log.Error("leading has panicked; workers continue", "error", panicked, "stack", panicked.Stack)
				return &GiveUp{Err: panicked}
			}
			return err
		case <-e.hints.C():
			e.hints.Take()
			err := e.untouched(ctx, term.Candidate)
			if !errors.Is(err, ErrDeposed) && !errors.Is(err, ErrTouched) {
				continue
			}
			cancel(err)
			if gaveUp, ok := errors.AsType[*GiveUp](<-done); ok {
				return gaveUp
			}
			return err
		}
	}
}
