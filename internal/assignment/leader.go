package assignment

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// resync is how often everything is read again without a hint; resyncPeer is for how long that is not done again for
// each member, so that a large cluster at rest is read at a rate that does not grow with it.
const (
	resync     = 30 * time.Second
	resyncPeer = 150 * time.Millisecond
)

// pause follows a commit that could not be made for a reason that may last.
const pause = 500 * time.Millisecond

// Leader leads the cluster for one term at a time.
type Leader struct {
	Cluster string
	Session coord.Session
	Keys    schema.Keys
	Self    membership.Self
	Log     *slog.Logger
	Emit    func(cluster.Event)
	// Planner makes the plans; nil for planner.Make.
	Planner func(planner.Input) planner.Plan
	// Publish is given what the leader has read, whenever that changes.
	Publish func(*view.Snapshot)
	Meter   *meter.Meter
	Trace   func(cluster.Span) // nil for nobody who traces; it must not wait
	Round   membership.Round   // the loop as others see it
}

// Lead leads until ctx ends, and then returns nil, or until this is no longer the leader's
// term, and then returns an error that matches election.ErrDeposed.
func (l *Leader) Lead(ctx context.Context, term election.Term) error {
	v := view.New(l.Cluster, l.Session, l.Keys, view.ForLeader())
	defer v.Close()
	v.PutEpoch(&term.Epoch, term.Version)
	lead := &leading{Leader: l, term: term, view: v, looks: map[string]Look{}, buried: map[string]bool{}, trials: map[cluster.Slot]Trial{}, oddRuns: map[string]bool{}, stays: map[string]bool{}, around: map[Part]time.Duration{}, maxDocs: MaxDocs, wasLive: map[string]string{}, watch: newStopwatch()}
	err := lead.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// leading is one term.
type leading struct {
	*Leader
	term    election.Term
	view    *view.View
	looks   map[string]Look
	buried  map[string]bool
	trials  map[cluster.Slot]Trial
	avoids  map[cluster.Slot]Avoid
	waits   Waits
	maxDocs int
	// nextToken and committed are what the epoch held after this leader's last commit.
	nextToken, committed int64
	// failures counts the commits that failed since the last good one.
	failures  int
	stays     map[string]bool        // as in World
	around    map[Part]time.Duration // what is too large, and until when it is left out
	notes     []schema.Move          // steps to be told with the next commit
	oddRuns   map[string]bool        // records of runs that are not there, or are there already, against expectation
	noOld     int64                  // a decision that was found missing from the ring
	blocked   string
	full      string
	ahead     string
	doubles   map[cluster.Slot]string // as told
	planFault string                  // as told
	errors    map[string]string       // records that cannot be used, as told
	wasLive   map[string]string       // live members, as told: GUID → node name
	watch     *stopwatch
	planned   time.Duration // how long the last decision took
	began     time.Duration // when the term began
}

// run decides whenever something new was read, after each commit, and when it is time to. What happens while it does so
// is taken together: a decision is followed by a rest as long as it took.
func (l *leading) run(ctx context.Context) error {
	next := time.NewTimer(resync) // set before it is waited for
	defer next.Stop()
	l.began = l.Session.Now()
	resynced := l.began
	var d Decision
	defer l.Round.End()
	for due := true; ; {
		l.Round.Begin(l.Session.Now())
		changed, err := l.view.Refresh(ctx)
		if err != nil {
			return err
		}
		if changed || due {
			if d, err = l.decide(ctx); err != nil {
				return err
			}
			if due, err = l.act(ctx, d); err != nil {
				return err
			}
			due = due || len(d.Forget) > 0
			if l.planned >= minRest && (!due || !d.More) {
				if err := sleep(ctx, min(l.planned, maxRest)); err != nil {
					return err
				}
			}
			if due {
				continue
			}
		}
		next.Reset(l.wait(d, resynced))
		l.Round.End()
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
		if d.Again > 0 && now >= d.Again {
			due = true
			for _, guid := range d.Look {
				l.view.MarkPeer(guid)
			}
		}
	}
}

// A decision is followed by nothing for as long as it took, if that is worth it.
const (
	minRest = time.Millisecond
	maxRest = 20 * time.Millisecond
)

// resync returns how often everything is read again.
func (l *leading) resync() time.Duration {
	return max(resync, time.Duration(len(l.wasLive))*resyncPeer)
}

// wait is how long there is nothing to do unless something is heard.
func (l *leading) wait(d Decision, resynced time.Duration) time.Duration {
	now := l.Session.Now()
	wait := resynced + l.resync() - now
	for _, at := range []time.Duration{d.Again, l.view.Due()} {
		if at > 0 {
			wait = min(wait, at-now)
		}
	}
	return max(wait, 0)
}

// decide makes a decision from what was read, and tells of it.
func (l *leading) decide(ctx context.Context) (Decision, error) {
	snap := l.view.Snapshot()
	l.tell(snap)
	l.watch.arrived(snap, l.Session.Now(), func(of meter.Name, d time.Duration) { l.Meter.Took(of, d) })
	world := World{
		Snapshot: snap,
		Self:     l.Self.GUID,
		Now:      l.Session.Now(),
		Began:    l.began,
		Grace:    l.Session.Info().Grace,
		Timeout:  l.Session.Info().Timeout,
		WallNow:  time.Now().UTC().Truncate(time.Millisecond),
		MaxDocs:  l.maxDocs,
		Looks:    l.looks,
		Buried:   l.buried,
		Trials:   l.trials,
		Avoids:   l.avoids,
		Waits:    l.waits,
		Stays:    l.stays,
		Around:   l.around,
		Planner:  l.Planner,

		NextToken: l.nextToken,
	}
	began := time.Now()
	d := Decide(world)
	l.planned = time.Since(began)
	l.Meter.Took(meter.Plan, l.planned)
	l.looks, l.trials, l.waits, l.avoids = d.Looks, d.Trials, d.Waits, d.Avoids
	l.tellBlocked(d.Blocked)
	l.tellFull(d.Full)
	l.tellAhead(d.Ahead)
	l.tellDoubles(d.Doubles)
	l.tellPlanFault(ctx, d.PlanFault)
	for _, guid := range d.Forget {
		l.view.Forget(guid)
		delete(l.buried, guid)
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

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
