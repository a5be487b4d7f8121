package election

import (
	"context"
	"errors"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A member stands for election by its candidate key. It withdraws the key, and stands again behind all others, when it has given up
// leading or when the key cannot be used.

// standLast replaces the member's candidate key by a new one behind all others, also if another client has written the old one.
func (e *candidate) standLast(ctx context.Context) error {
	if err := e.withdraw(ctx); err != nil {
		return err
	}
	return e.stand(ctx)
}

// withdraw deletes the member's candidate keys at their present versions: its own, and those of attempts to stand whose outcome
// was unknown. A commit that is refused for a while does not end the membership; workers continue meanwhile.
func (e *candidate) withdraw(ctx context.Context) error {
	_, err := coord.Update(ctx, e.session, func(last error) ([]coord.Op, error) {
		if failed, checked := coord.FailedCheck(last); checked && errors.Is(last, coord.ErrInvalid) { // another client has created keys below it
			_, _ = coord.DeleteTree(ctx, e.session, failed.Op.Key) // the next attempt deletes the rest
		}
		if stands, err := e.stands(ctx); !stands || err != nil {
			return nil, err
		}
		var ops []coord.Op
		for _, key := range append(e.spare, e.own) {
			r, err := e.session.Get(ctx, key)
			if errors.Is(err, coord.ErrNotFound) {
				continue
			}
			if err != nil {
				return nil, err
			}
			ops = append(ops, coord.Delete(key, r.Version))
		}
		return ops, nil
	}, coord.ErrRefused, coord.ErrInvalid)
	return err
}

// stand creates a candidate key for a member that has withdrawn. An attempt with an unknown outcome may create one more. The last
// one counts, and the other is deleted.
func (e *candidate) stand(ctx context.Context) error {
	_, err := coord.Update(ctx, e.session, func(last error) ([]coord.Op, error) {
		if last != nil {
			if stands, err := e.stands(ctx); stands || err != nil {
				return nil, err
			}
		}
		return []coord.Op{coord.CreateSequenced(schema.CandidatePrefix(e.keys, e.self.MemberID), []byte("{}"))}, nil
	}, coord.ErrRefused)
	return err
}

// stands reports whether the member has a candidate key.
func (e *candidate) stands(ctx context.Context) (bool, error) {
	_, err := e.predecessor(ctx)
	if errors.Is(err, ErrGone) {
		return false, nil
	}
	return err == nil, err
}

// rest lets the others lead: the member withdraws, waits until it may stand again, and stands.
func (e *candidate) rest(ctx context.Context, why *GiveUp, led time.Duration) error {
	e.gaveUp = standAgain.Failed(e.gaveUp, led)
	if err := e.withdraw(ctx); err != nil {
		return err
	}
	if why.Until != nil {
		select {
		case <-why.Until:
		case <-ctx.Done():
			return ctx.Err()
		case <-e.session.Done():
			return coord.ErrSessionEnded
		}
	}
	if err := e.letLead(ctx, standAgain.Pause(e.gaveUp)); err != nil {
		return err
	}
	return e.stand(ctx)
}

// letLead returns after a pause, or earlier when no member has stood for giveUpAlone.
func (e *candidate) letLead(ctx context.Context, pause time.Duration) error {
	now := e.session.Now()
	end, alone := now+pause, now
	for now < end && now-alone < giveUpAlone {
		if err := e.wait(ctx, min(giveUpPause, end-now)); err != nil {
			return err
		}
		candidates, err := e.session.List(ctx, e.keys.Elections())
		if err != nil {
			return err
		}
		now = e.session.Now()
		if len(candidates) > 0 {
			alone = now
		}
	}
	return nil
}
