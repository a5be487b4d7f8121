package membership

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// ErrUnheard is returned when the service receives the messages of this member, and its answers do not arrive here. Otherwise the
// session would live on, and the member's slots with it, although nothing of it runs. The member must not use the session
// again.
var ErrUnheard = errors.New("the coordination service hears this member, and its answers do not arrive")

// lookAgain is how often a member reads its own status.
const lookAgain = 25 * time.Second

// KeepAlive is what Maintain hands back when it returns.
type KeepAlive struct{ version int64 } // of the heartbeat key

// Maintain keeps the membership alive and proves it to the service. It returns nil when ctx ends. Otherwise the error matches
// ErrGone or coord.ErrSessionEnded if the member is gone, coord.ErrUnauthorized if it may not prove that it is alive, or
// ErrUnheard if its lease has been over for a whole session timeout while the service accepts its messages and answers nothing.
// After an error, everything that runs for the member must stop at once. Maintain itself stops nothing.
//
// Acts reports whether the member makes progress. While it does not, Maintain sends no heartbeat: the lease must show that the
// member acts, not only that one goroutine lives.
//
// Damaged receives a value when the member's status was edited manually, so that it is written again. Maintain checks that now
// and then. A watch would cost a read after each of the member's own writes; and a member that writes a status which was edited
// finds out by the refusal.
func Maintain(
	ctx context.Context,
	s coord.Session,
	keys schema.Keys,
	self Self,
	pulse *KeepAlive,
	damaged chan<- struct{},
	acts func() bool,
) error {
	params := LeaseParamsOf(s.Info())
	hints := coord.NewHints(s)
	defer hints.Close()
	hints.Watch(keys.Member(self.MemberID)) // an eviction of the member deletes all its keys
	hints.Mark(keys.Member(self.MemberID))
	look := time.NewTicker(lookAgain + jitter.Of(lookAgain/10, self.MemberID))
	defer look.Stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beats := make(chan error, 2) // the first one counts
	var beating sync.WaitGroup
	beating.Go(func() { beats <- keepAlive(ctx, s, keys.Heartbeat(self.MemberID), params, pulse, acts) })
	beating.Go(func() {
		if err := unheard(ctx, s, params); err != nil {
			beats <- fmt.Errorf("member %s: %w", self.MemberID, err)
			cancel() // a heartbeat that waits for an answer would wait for ever
		}
	})
	for {
		select {
		case err := <-beats:
			cancel()
			beating.Wait()
			return err
		case <-s.Done():
			cancel()
			beating.Wait()
			return fmt.Errorf("member %s: %w", self.MemberID, coord.ErrSessionEnded)
		case <-look.C:
			hints.Mark(keys.Status(self.MemberID))
		case <-hints.C():
			err := present(ctx, s, hints.Take(), func(key string, r coord.Record) {
				if key == keys.Status(self.MemberID) && schema.Decode(key, r, &schema.Status{}) != nil {
					select {
					case damaged <- struct{}{}:
					default:
					}
				}
			})
			if err != nil {
				cancel()
				beating.Wait()
				return err
			}
		}
	}
}

// unheard returns ErrUnheard once the lease has been over for a session timeout although the service accepts messages, and nil
// when ctx ends.
func unheard(ctx context.Context, s coord.Session, params LeaseParams) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(params.Timeout/8, time.Millisecond)):
		}
		if info := s.Info(); info.Unanswered && s.Now() >= info.Base+params.Length+params.Timeout {
			return ErrUnheard
		}
	}
}

// present fails if one of the member's own keys is absent: the member was evicted, or a key was deleted by accident. In both
// cases other members may soon take its work.
func present(ctx context.Context, s coord.Session, own []string, look func(string, coord.Record)) error {
	for _, key := range own {
		r, err := s.Get(ctx, key)
		switch {
		case err == nil:
			look(key, r)
		case ctx.Err() != nil:
		case errors.Is(err, coord.ErrNotFound):
			return fmt.Errorf("%s was deleted: %w", key, ErrGone)
		case errors.Is(err, coord.ErrSessionEnded):
			return err
		}
	}
	return nil
}

// keepAlive writes the heartbeat key every HeartbeatInterval, counted from the previous send, but no sooner than a write counts.
// After a gap it writes as soon as a write counts. While the member does not act, it writes nothing.
func keepAlive(ctx context.Context, s coord.Session, key string, params LeaseParams, pulse *KeepAlive, acts func() bool) error {
	version, known := int64(0), true
	last := s.Info().Base // the send of the last heartbeat that was answered
	defer func() { pulse.version = version }()
	for {
		if !awaitActing(ctx, acts) {
			return nil
		}
		sent := s.Now()
		wait := 50 * time.Millisecond // after a failure
		if !known {
			r, err := s.Get(ctx, key)
			if err == nil {
				version, known = r.Version, true
				sent = s.Now()
			} else if err := fatal(ctx, key, err); err != nil {
				return ended(ctx, err)
			}
		}
		if known {
			err := s.Renew(ctx, coord.Set(key, schema.Encode(&schema.Heartbeat{At: stamp()}, version+1), version))
			if err == nil {
				version++
				wait = untilNext(params, sent-last, s.Now()-sent)
				last = sent
			} else {
				if err := fatal(ctx, key, err); err != nil {
					return ended(ctx, err)
				}
				known, wait = false, max(wait, params.Spacing-(s.Now()-sent))
			}
		}
		if !pause(ctx, max(wait, time.Millisecond)) {
			return nil
		}
	}
}

// awaitActing returns when the member acts or ctx ends. It reports whether ctx is still in force.
func awaitActing(ctx context.Context, acts func() bool) bool {
	for !acts() {
		if !pause(ctx, 50*time.Millisecond) {
			return false
		}
	}
	return true
}

// untilNext returns how long after the answer to a heartbeat the next one is sent. It depends on the time since the previous
// send, and on how long the answer took.
func untilNext(params LeaseParams, apart, took time.Duration) time.Duration {
	spacing := params.Spacing + params.Spacing/64 // timers may be a little fast
	if apart > 2*params.HeartbeatInterval || took > params.HeartbeatInterval {
		return spacing // after a gap the next one renews the lease
	}
	return max(spacing, params.HeartbeatInterval-took)
}

// pause returns after d or when ctx ends. It reports whether ctx is still in force.
func pause(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}

// stamp returns this machine's clock, for a heartbeat.
func stamp() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// fatal returns the error if the member is gone, nil if another attempt may help.
func fatal(ctx context.Context, key string, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, coord.ErrSessionEnded), errors.Is(err, coord.ErrUnauthorized):
		return err
	case errors.Is(err, coord.ErrNotFound):
		return fmt.Errorf("%s was deleted: %w", key, ErrGone)
	}
	return nil
}

// ended returns nil if err is only the end of ctx.
func ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}
