package leader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// A term has two goroutines: the leader's loop and the vigil, which ends the term of a leader that cannot lead. The vigil ends
// the term in two cases. First, the loop makes no progress for the length of a session although the lease is valid: a decision
// hangs. Every step of a round and every answer to a read counts as progress. Second, there is no lease although the service can
// be reached. The loop itself ends the term when commits keep failing or rounds keep panicking. Neither goroutine affects the
// workers of this node.
//
// A loop that hangs cannot be stopped. It is left behind with a context that has ended, and its commits are refused because its
// candidate key is deleted. This member does not stand for election before that loop has returned.

// hangAfter is the least time without progress after which a leader counts as hung. A loss of its machine would cost a session
// timeout, but a short timeout does not bound how long a busy machine may take to decide.
const hangAfter = 10 * time.Second

// hangTime returns how long a step of leading may last.
func (l *Leader) hangTime() time.Duration { return max(l.Lease.Params().Timeout, hangAfter) }

// Hangs reports whether a step of leading has lasted so long that its term should have ended long ago: the vigil hangs, too, or
// the election cannot be reached. It takes no lock.
func (l *Leader) Hangs() bool { return l.Busy.Lasts(l.Session.Now()) > 2*l.hangTime() }

// Lasts returns how long a step of leading has lasted while the service answered and the lease was valid. A step that waits for
// an unreachable service does not hang. It takes no lock.
func (l *Leader) Lasts() time.Duration {
	now := l.Session.Now()
	return min(l.Busy.Lasts(now), max(now-time.Duration(l.away.Load()), 0))
}

// Blocked records why this node, which should lead, cannot begin a term: the epoch is missing or damaged. A nil error records
// that it can.
func (l *Leader) Blocked(why error) {
	if why == nil {
		l.block.Store(nil)
		return
	}
	text := fmt.Sprintf("the epoch is missing or damaged: nothing can be granted until it is restored, see docs/guides/operations.md: %v", why)
	l.block.Store(&text)
}

// IsBlocked reports whether this node should lead and cannot begin a term.
func (l *Leader) IsBlocked() bool { return l.block.Load() != nil }

// SinceRound returns the time since the last round of leading ended, 0 while this node does not lead. It takes no lock.
func (l *Leader) SinceRound() time.Duration {
	ended := l.ended.Load()
	if ended == 0 {
		return 0
	}
	return max(l.Session.Now()-time.Duration(ended-1), 0)
}

// beginStep records that the loop begins a step, unless its term is over.
func (l *Leader) beginStep(ctx context.Context) {
	if ctx.Err() == nil {
		l.Busy.Begin(l.Session.Now())
	}
}

// failing records how often in a row an operation has failed.
func (l *Leader) failing(n int, err error) {
	if n < 3 {
		l.fails.Store(nil)
		return
	}
	text := fmt.Sprintf("it leads, and has failed to %d times in a row: %s", n, coord.Reason(err))
	l.fails.Store(&text)
}

// Trouble returns why this node leads but cannot, or does not stand for election; "" if there is no problem. It may be called
// from any goroutine, and takes no lock.
func (l *Leader) Trouble() string {
	if hangs := l.hangs.Load(); hangs != nil {
		return *hangs
	}
	if block := l.block.Load(); block != nil {
		return *block
	}
	if lasts := l.Lasts(); lasts > hangAfter/2 {
		return fmt.Sprintf("it leads, and has been at one step for %v", lasts.Truncate(5*time.Second))
	}
	if fails := l.fails.Load(); fails != nil {
		return *fails
	}
	return ""
}

// Lead leads for one term. It returns nil when ctx has ended, and an error that matches election.ErrDeposed when the term is
// over. If this node cannot lead, the error is an *election.GiveUp, or membership.ErrUnheard if only the end of the session lets
// another leader follow. Lead waits for everything that it has started, except for a loop that hangs.
func (l *Leader) Lead(ctx context.Context, term election.Term) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := view.New(l.Cluster, l.Session, l.Keys, view.ForLeader(), view.Progress(func() { l.beginStep(ctx) }))
	v.PutEpoch(&term.Epoch, term.Version)
	l.departures.Store(&departing{term: term.Number})
	lead := &leading{
		Leader:         l,
		term:           term,
		view:           v,
		reaped:         map[string]bool{},
		oddRuns:        map[string]bool{},
		maxAssignments: round.MaxAssignments,
		watch:          newStopwatch(),
		planner:        plannerOf(ctx),
		decider:        deciderOf(ctx),
		commits:        commits{Leader: l, term: term, view: v, ring: ring{Leader: l, term: term.Number}},
		reports:        reports{Leader: l},
		omissions:      omissions{Leader: l, until: map[round.Part]time.Duration{}},
		faults:         faults{Leader: l, candidate: term.Candidate},
	}
	lead.sweeper = sweeper{Leader: l, commits: &lead.commits, unremovable: map[string]bool{}}
	over := make(chan struct{})
	var err error // to be read after over
	go func() {
		defer close(over)
		defer v.Close()
		err = election.Catch("leading", func() error { return lead.run(ctx) })
	}()
	why := l.keepVigil(ctx, over)
	ended := ctx.Err() != nil
	cancel()
	l.failing(0, nil)
	l.ended.Store(0)
	select {
	case <-over:
		l.ended.Store(0) // a round that ended meanwhile may have set it
	case <-time.After(leaveBehind):
		l.Busy.End()
		return l.leftBehind(over, why)
	}
	switch {
	case ended:
		return nil
	case why != nil:
		return why
	}
	return err
}

type plannerKey struct{}

// WithPlanner returns a context under which leaders plan with another function than planner.Make. Tests use it for planners that
// hang or return invalid plans.
func WithPlanner(ctx context.Context, plan func(planner.Input) planner.Plan) context.Context {
	return context.WithValue(ctx, plannerKey{}, plan)
}

func plannerOf(ctx context.Context) func(planner.Input) planner.Plan {
	if plan, ok := ctx.Value(plannerKey{}).(func(planner.Input) planner.Plan); ok {
		return plan
	}
	return planner.Make
}

type deciderKey struct{}

// WithDecide returns a context under which leaders decide with another function than reconcile.Decide. Tests use it to compare decisions.
func WithDecide(ctx context.Context, decide func(round.World) round.Decision) context.Context {
	return context.WithValue(ctx, deciderKey{}, decide)
}

func deciderOf(ctx context.Context) func(round.World) round.Decision {
	if decide, ok := ctx.Value(deciderKey{}).(func(round.World) round.Decision); ok {
		return decide
	}
	return reconcile.Decide
}

// leaveBehind is how long the end of a term waits for its loop.
const leaveBehind = 2 * time.Second

// leftBehind ends a term whose loop hangs.
func (l *Leader) leftBehind(over <-chan struct{}, why error) error {
	if why == nil {
		why = errors.New("the term is over, and a step of it is not")
	}
	text := fmt.Sprintf("it does not stand for election: %v, since %s", why, time.Now().UTC().Format(time.RFC3339))
	l.hangs.Store(&text)
	returned := make(chan struct{})
	go func() {
		<-over
		l.hangs.Store(nil)
		close(returned)
	}()
	if errors.Is(why, membership.ErrUnheard) {
		return why
	}
	if gaveUp, ok := errors.AsType[*election.GiveUp](why); ok {
		why = gaveUp.Err
	}
	return &election.GiveUp{Err: why, Until: returned}
}

// keepVigil returns nil when the term's loop is over or ctx has ended. Before that, it returns the reason when this node cannot
// lead.
func (l *Leader) keepVigil(ctx context.Context, over <-chan struct{}) error {
	params := l.Lease.Params()
	hang, without := l.hangTime(), 2*params.HeartbeatInterval+params.Spacing
	look := min(time.Second, without/4)
	now := l.Session.Now()
	leased, reached := now, now // the last time without a lease; the last time with one, or without a service
	l.away.Store(int64(now))
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-over:
			return nil
		case <-time.After(look):
		}
		now = l.Session.Now()
		phase, _ := l.Lease.Phase()
		info := l.Session.Info()
		if phase != membership.LeaseValid || !info.Connected {
			l.away.Store(int64(now))
		}
		switch {
		case phase == membership.LeaseValid:
			reached = now
			if lasts := min(l.Busy.Lasts(now), now-leased); lasts >= hang {
				return &election.GiveUp{Err: fmt.Errorf("a step of leading has not ended for %v", lasts.Round(time.Second))}
			}
		case phase < membership.HardStop || !info.Connected && !info.Unanswered:
			leased, reached = now, now
		default:
			leased = now
			if now-reached < without {
				continue
			}
			if info.Connected {
				return &election.GiveUp{Err: errors.New("there is no lease, although the service answers")}
			}
			return fmt.Errorf("this node leads without a lease: %w", membership.ErrUnheard)
		}
	}
}
