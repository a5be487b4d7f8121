package leader

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// resync is how often everything is read again without a hint. In a large cluster the interval grows by resyncPeer for each
// member, so that the rate of reads at rest does not grow with the cluster.
const (
	resync     = 30 * time.Second
	resyncPeer = 150 * time.Millisecond
)

// failurePause follows a commit that failed for a reason that may last.
const failurePause = 500 * time.Millisecond

// Leader leads the cluster for one term at a time.
type Leader struct {
	Cluster string
	Session coord.Session
	Keys    schema.Keys
	Self    membership.Self
	Log     *slog.Logger
	Emit    func(cluster.Event)
	// Share passes what the leader has read to the readers of this node, whenever that changes.
	Share func(*view.Snapshot)
	Meter *meter.Meter
	Trace func(cluster.Span) // nil without tracing; it must not block
	// Lease is this member's: without one, a member cannot be sure that it leads.
	Lease *membership.Lease
	// Together is how many nodes start together with this one, itself included; 0 if that is unknown.
	Together int
	// Leaves reports whether this member is about to leave; nil for never. Its status shows that a little later.
	Leaves func() bool
	// Busy times the present step of the loop; each step of a round counts as a new one.
	Busy membership.Busy

	fails atomic.Pointer[string] // set while an operation has failed several times in a row
	hangs atomic.Pointer[string] // set while a loop is left behind
	block atomic.Pointer[string] // why the member cannot begin a term

	departures atomic.Pointer[departing] // as of the last decision; without members before the first decision of a term

	away  atomic.Int64 // when the vigil last found no lease or the service unreachable, by the lease clock
	ended atomic.Int64 // 1 plus when the last round ended or the term began; 0 while it does not lead
}

// leading is one term. Its loop is run; a round of it is round, decide and act.
type leading struct {
	*Leader
	term    election.Term
	view    *view.View
	planner func(planner.Input) planner.Plan
	decider func(round.World) round.Decision
	began   time.Duration // when the term began

	// The state that decisions are made from, in addition to the snapshot.
	memory         round.Memory
	reaped         map[string]bool                 // as in round.World
	left           map[cluster.Slot]cluster.Reason // round.World.FreedWhy
	maxAssignments int
	omissions      omissions
	sums           *ledger.Ledger // nil after a decision that panicked: the next one makes it again
	space          planner.Space

	// How decisions are committed.
	commits commits
	sweeper sweeper
	oddRuns map[string]bool // records of finished runs that are unexpectedly absent or present
	// failures counts the commits that failed since the last one that was made; panics counts rounds in the same way.
	failures, panics int

	// The state of reports.
	reports reports
	faults  faults
	watch   *stopwatch
	reading [2]time.Time  // when the present round began to read, and when it had read
	planned time.Duration // how long the last decision took
}

// run decides whenever something new was read, after each commit, and at the time that the last decision named. Everything that
// arrives during a decision is handled by the next one. After a decision the loop pauses for as long as the decision took.
func (l *leading) run(ctx context.Context) error {
	next := time.NewTimer(resync) // set before the first wait
	defer next.Stop()
	l.began = l.Session.Now()
	l.ended.Store(int64(l.began) + 1)
	resynced := l.began
	var d round.Decision
	var rereads map[string]time.Duration
	for due := true; ; {
		again, err := l.round(ctx, due, &d)
		if err != nil {
			return err
		}
		rereads = nextRereads(rereads, d.RequeueMembers)
		due = again
		if due {
			continue
		}
		next.Reset(l.nextWakeup(d, resynced))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.Session.Done():
			return coord.ErrSessionEnded
		case <-l.view.C():
		case <-next.C:
		}
		now := l.Session.Now()
		if every := l.resync(); now >= resynced+every {
			l.view.MarkAll()
			// Leaders of many clusters must not read in step.
			resynced, due = now-jitter.Of(every/10, l.Cluster, l.term.Number), true
		}
		due = due || d.RequeueAt > 0 && now >= d.RequeueAt
		for memberID, at := range rereads {
			if now >= at {
				due = true
				delete(rereads, memberID)
				l.view.MarkPeer(memberID)
			}
		}
	}
}

// nextRereads returns which members to read again, and when, after a decision. It is not put off by another decision: one that comes
// often would put it off for ever.
func nextRereads(old, wanted map[string]time.Duration) map[string]time.Duration {
	next := maps.Clone(wanted)
	for memberID, at := range next {
		if was, known := old[memberID]; known {
			next[memberID] = min(was, at)
		}
	}
	return next
}

// round reads what is new. If something is new or due, it decides and acts. It reports whether another decision is due at once.
// It catches panics.
func (l *leading) round(ctx context.Context, due bool, d *round.Decision) (again bool, err error) {
	stage := "reading"
	defer func() {
		l.Busy.End()
		if ctx.Err() == nil {
			l.ended.Store(int64(l.Session.Now()) + 1)
		}
	}()
	err = election.Catch("leading", func() error {
		l.beginStep(ctx)
		l.reading[0] = time.Now()
		changed, err := l.view.Refresh(ctx)
		l.reading[1] = time.Now()
		if err != nil || !changed && !due {
			return err
		}
		stage = "deciding"
		l.beginStep(ctx)
		*d, err = l.decide(ctx)
		if err != nil {
			return err
		}
		if ctx.Err() != nil { // the term may have ended meanwhile
			return ctx.Err()
		}
		stage = "publishing"
		l.beginStep(ctx)
		again, err = l.act(ctx, *d)
		if err != nil {
			return err
		}
		l.panics = 0
		again = again || len(d.Forget) > 0
		if l.planned >= minRest && (!again || !d.More) {
			return backoff.Sleep(ctx, min(l.planned, maxRest))
		}
		return nil
	})
	if panicked, ok := errors.AsType[*election.PanicError](err); ok {
		panicked.In = stage
		return true, l.panicked(ctx, panicked)
	}
	return again, err
}

// After a decision the loop pauses for as long as the decision took, if that is worth it.
const (
	minRest = time.Millisecond
	maxRest = 20 * time.Millisecond
)

// resync returns how often everything is read again.
func (l *leading) resync() time.Duration {
	return max(resync, time.Duration(len(l.reports.seen.Members)+1)*resyncPeer)
}

// nextWakeup returns how long there is nothing to do unless a hint arrives.
func (l *leading) nextWakeup(d round.Decision, resynced time.Duration) time.Duration {
	now := l.Session.Now()
	wait := resynced + l.resync() - now
	for _, at := range []time.Duration{d.RequeueAt, l.view.Due()} {
		if at > 0 {
			wait = min(wait, at-now)
		}
	}
	return max(wait, 0)
}

// decide shares what was read, decides, and reports what the decision found.
func (l *leading) decide(ctx context.Context) (round.Decision, error) {
	snap := l.view.Snapshot()
	l.Share(snap)
	for _, left := range l.reports.changed(snap) {
		l.watch.gone(left, l.Session.Now())
	}
	l.watch.arrived(snap, l.Session.Now(), func(of meter.Name, d time.Duration) { l.Meter.Took(of, d) })
	world := round.World{
		Snapshot:       snap,
		Self:           l.Self.MemberID,
		Leaving:        l.Leaves != nil && l.Leaves(),
		Now:            l.Session.Now(),
		Began:          l.began,
		Together:       l.Together,
		TakeoverDelay:  l.Session.Info().TakeoverDelay,
		Timeout:        l.Session.Info().Timeout,
		WallNow:        time.Now().UTC().Truncate(time.Millisecond),
		MaxAssignments: l.maxAssignments,
		Reaped:         l.reaped,
		Memory:         l.memory,
		FreedWhy:       l.left,
		Unremovable:    l.sweeper.unremovable,
		Omitted:        l.omissions.until,
		Planner:        l.planner,

		NextToken: l.commits.nextToken,
		Ledger:    cmp.Or(l.sums, &ledger.Ledger{}),
		Space:     &l.space,
	}
	l.sums = nil
	began := time.Now()
	d := l.decider(world)
	l.sums = world.Ledger
	l.planned = time.Since(began)
	l.Meter.Took(meter.Plan, l.planned)
	l.departures.Store(&departing{Departures: d.Memory.Delays.Departures, term: l.term.Number})
	l.memory = d.Memory
	l.reports.found(d)
	l.faults.planner(ctx, d.PlanFault)
	for _, memberID := range d.Forget {
		l.view.Forget(memberID)
		delete(l.reaped, memberID)
	}
	if d.StepDown {
		return d, fmt.Errorf("term %d: %w", l.term.Number, election.ErrStepDown)
	}
	return d, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// departing is what a leader remembers of nodes that leave, and the term.
type departing struct {
	round.Departures
	term int64
}

// Burst returns what this member passes on to the next leader when it leaves, nil for nothing.
func (l *Leader) Burst() *schema.Burst {
	d := l.departures.Load()
	if d == nil {
		return nil
	}
	return d.Burst(d.term, l.Self.MemberID, l.Session.Now())
}
