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
// A term is a value: the number that the leader wrote into the epoch, and the epoch's version
// then. Everything a leader writes is conditional on both its candidate key and the epoch, so
// that a leader which has been succeeded unawares cannot write.
//
// Not promised: that only one node believes that it leads. Two may, for a while; only one of
// them can commit.
package election

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Errors of elections.
var (
	// ErrDeposed is what lead returns when its term is over although ctx is not.
	ErrDeposed = errors.New("deposed")
	// ErrGone: the member's candidate key was deleted, so that it can lead no more.
	ErrGone = errors.New("candidate key is gone")
	// ErrStepDown is what lead returns to let the others lead first.
	ErrStepDown = errors.New("steps down")
)

// Term is one leadership.
type Term struct {
	Number    int64
	Candidate string       // the leader's candidate key
	Epoch     schema.Epoch // as this leader wrote it
	Version   int64        // of the epoch's key then
}

// Run takes part in elections until ctx or the session ends. While the member leads, lead
// runs with a context that ends when the candidate key vanishes; it is awaited before the
// member stands again. Lead may return ErrDeposed to stand again at once, or ErrStepDown to stand
// again behind all others.
func Run(ctx context.Context, s coord.Session, keys schema.Keys, self cluster.Member, log *slog.Logger, lead func(context.Context, Term) error) error {
	e := &candidate{session: s, keys: keys, self: self, log: log, hints: coord.NewHints(s)}
	defer e.hints.Close()
	for {
		if err := e.awaitLead(ctx); err != nil {
			return over(ctx, err)
		}
		term, err := e.bump(ctx)
		if err == nil {
			err = e.lead(ctx, term, lead)
		}
		if errors.Is(err, ErrStepDown) && ctx.Err() == nil {
			err = errors.Join(ErrDeposed, e.standLast(ctx))
		}
		if err != nil && !errors.Is(err, ErrDeposed) {
			return over(ctx, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			e.log.Info("not leading any more", "reason", err)
		}
	}
}

// over is the end of Run: no failure if it comes from the end of ctx.
func over(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return fmt.Errorf("election: %w", err)
	}
	return nil
}

type candidate struct {
	session coord.Session
	keys    schema.Keys
	self    cluster.Member
	log     *slog.Logger
	hints   *coord.Hints
	watched string
	own     string // the member's candidate key
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
		e.watch(before)
		_, err = e.session.Get(ctx, before) // arms the watch
		if errors.Is(err, coord.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.session.Done():
			return coord.ErrSessionEnded
		case <-e.hints.C():
			e.hints.Take()
		case <-time.After(time.Minute): // a hint that was lost costs a minute, not the leader
		}
	}
}

// predecessor returns the candidate key just before this member's own, "" if there is none.
func (e *candidate) predecessor(ctx context.Context) (string, error) {
	candidates, err := e.session.List(ctx, e.keys.Elections())
	if err != nil {
		return "", err
	}
	own, before, name := int64(0), int64(0), ""
	for _, c := range candidates {
		if guid, ok := schema.Candidate(c.Name); ok && guid == e.self.GUID {
			own, e.own = c.Sequence, e.keys.Elections()+"/"+c.Name
		}
	}
	if own == 0 {
		return "", fmt.Errorf("member %s: %w", e.self.GUID, ErrGone)
	}
	for _, c := range candidates {
		if _, ok := schema.Candidate(c.Name); ok && c.Sequence < own && c.Sequence > before {
			before, name = c.Sequence, e.keys.Elections()+"/"+c.Name
		}
	}
	return name, nil
}

// watch watches one key instead of the one before.
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

// bump begins a term: it writes the epoch at the version read, provided that the member's
// candidate key exists. From then on no older leader can write.
func (e *candidate) bump(ctx context.Context) (Term, error) {
	for failures := 0; ; failures++ {
		if err := jitter.Backoff(ctx, failures); err != nil {
			return Term{}, err
		}
		r, err := e.session.Get(ctx, e.keys.Epoch())
		if err != nil {
			return e.noEpoch(ctx, err)
		}
		var epoch schema.Epoch
		if err := schema.Decode(e.keys.Epoch(), r, &epoch); err != nil {
			return e.noEpoch(ctx, err)
		}
		epoch.NextToken = max(epoch.NextToken, e.tokenFloor(ctx)+1)
		epoch.Term++
		epoch.Leader, epoch.Node = e.self.GUID, e.self.Name
		epoch.Since = time.Now().UTC().Truncate(time.Millisecond)
		_, err = e.session.Commit(ctx,
			coord.Check(e.own, 0),
			coord.Set(e.keys.Epoch(), schema.Encode(&epoch, r.Version+1), r.Version))
		failed, checked := coord.FailedCheck(err)
		switch {
		case err == nil:
			return Term{Number: epoch.Term, Candidate: e.own, Epoch: epoch, Version: r.Version + 1}, nil
		case checked && failed.Op.Key == e.own:
			return Term{}, fmt.Errorf("%w: %w", ErrDeposed, err)
		case ctx.Err() != nil || errors.Is(err, coord.ErrSessionEnded) || errors.Is(err, coord.ErrUnauthorized):
			return Term{}, err
		}
		// Another leader wrote, or the outcome is unknown: read again and bump again. A bump
		// that was applied after all is an ended term of nobody.
	}
}

// standLast gives the member a new candidate key, behind all others. If it cannot, or nobody knows
// whether it did, the next look at the candidates shows what came of it.
func (e *candidate) standLast(ctx context.Context) error {
	_, err := e.session.Commit(ctx, coord.Delete(e.own, 0), coord.CreateSequenced(e.keys.Election(e.self.GUID), []byte("{}")))
	return err
}

// tokenFloor returns what all tokens must be above: an operator who restores an old copy of the store
// sets it in meta, so that no token is given twice.
func (e *candidate) tokenFloor(ctx context.Context) int64 {
	var meta schema.Meta
	r, err := e.session.Get(ctx, e.keys.Meta())
	if err != nil || schema.Decode(e.keys.Meta(), r, &meta) != nil {
		return 0
	}
	return meta.TokenFloor
}

// noEpoch waits while there is no usable epoch: it is never made again by itself, since
// tokens might fall.
func (e *candidate) noEpoch(ctx context.Context, err error) (Term, error) {
	unusable := errors.Is(err, coord.ErrNotFound) || errors.Is(err, schema.ErrCorrupt) || errors.Is(err, schema.ErrForeign)
	if !unusable {
		return Term{}, err
	}
	e.log.Error("the epoch is missing or damaged: nothing can be granted until it is restored", "key", e.keys.Epoch(), "error", err)
	select {
	case <-ctx.Done():
		return Term{}, ctx.Err()
	case <-e.session.Done():
		return Term{}, coord.ErrSessionEnded
	case <-time.After(2 * time.Second):
	}
	return Term{}, fmt.Errorf("%w: %w", ErrDeposed, err)
}

// lead runs the leader's role for one term and waits for its end.
func (e *candidate) lead(ctx context.Context, term Term, lead func(context.Context, Term) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.watch(term.Candidate)
	if _, err := e.session.Get(ctx, term.Candidate); err != nil && !errors.Is(err, coord.ErrNotFound) {
		return err
	}
	done := make(chan error, 1)
	var leading sync.WaitGroup
	leading.Go(func() { done <- lead(ctx, term) })
	for {
		select {
		case err := <-done:
			return err
		case <-e.hints.C():
			e.hints.Take()
			_, err := e.session.Get(ctx, term.Candidate)
			if errors.Is(err, coord.ErrNotFound) {
				cancel()
				leading.Wait()
				return fmt.Errorf("%s was deleted: %w", term.Candidate, ErrDeposed)
			}
		}
	}
}
