package xconsumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/nodesession"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// life is a membership: the parts of a node that live as long as its session.
type life struct {
	*Node
	session coord.Session
	self    membership.Self
	lease   *membership.Lease
	vitals  *vitals
	emit    func(cluster.Event)
	leads   atomic.Bool
	now     atomic.Pointer[nodesession.Condition]
	silent  bool // it left, and could not tell; a parent may still

	follower *follower.Follower
	leader   *leader.Leader
}

// run wires the parts together and takes them apart in order. It returns when all workers have
// stopped, or with ErrStuck.
func (l *life) run(ctx context.Context) (err error) {
	log := l.cfg.Log
	log.Info("joined", "cluster", l.cfg.Cluster, "member", l.self.GUID, "sessionTimeout", l.self.SessionTimeout)
	l.emit(cluster.Event{Kind: cluster.NodeJoined})
	l.leader = &leader.Leader{
		Cluster: l.cfg.Cluster, Session: l.session, Keys: l.keys, Self: l.self, Log: log, Emit: l.emit,
		Publish: l.observer.Publish, Meter: l.meter, Trace: l.spans.Sink(), Lease: l.lease,
		Leaves: func() bool { return ctx.Err() != nil },
	}
	l.presence.Set(nodesession.Health{Session: l.session, Lease: l.lease, Leader: l.leader, Now: &l.now})
	defer context.AfterFunc(ctx, func() {
		l.presence.Set(nodesession.Health{Obstacle: "leaving", Session: l.session, Lease: l.lease, Leader: l.leader, Now: &l.now})
	})()
	l.observer.Use(l.session)
	defer l.observer.Use(nil)

	pool := worker.NewPool(worker.Config{
		Works: l.works, Stops: l.stops, Valid: l.lease.Valid, Logs: l.logs, Log: log, Emit: l.emit,
		Notes: follower.Checkpoints{Session: l.session, Keys: l.keys, Member: l.self.GUID},
	})
	l.vitals.watch(pool)
	defer l.armExit(ctx, pool)(&err)
	l.presence.Joined(l.self.GUID, pool)
	damaged := make(chan struct{}, 1)
	l.follower = &follower.Follower{
		Session: l.session, Keys: l.keys, Self: l.self, Lease: l.lease, Workers: pool, Starting: l.vitals.beforeStarts,
		Log: log, Emit: l.emit, Leads: l.leads.Load, Damaged: damaged,
		Claimed: l.spans.Claimed,
	}
	// The parts do not end with ctx, which only asks the node to leave.
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	guarding, endGuard := context.WithCancel(context.WithoutCancel(ctx))
	defer endGuard()

	all := newParts()
	var pulse membership.Pulse
	all.Go("heartbeats", func() error { return membership.Maintain(living, l.session, l.keys, l.self, &pulse, damaged, l.acts) })
	all.Go("election and leader", func() error {
		return election.Run(living, l.session, l.keys, l.self.Member, log, l.leader.Blocked, l.lead(log))
	})
	all.Go("declarations", func() error { l.declare(living, log); return nil })
	all.Go("connection", func() error { l.tellConnection(living, log); return nil })
	all.Go("clocks", func() error { l.compareClocks(living, log); return nil })
	all.Go("former members", func() error { l.keepClosing(living); return nil })
	all.Go("rounds", func() error { return l.untilHung(living) })
	guarded := make(chan error, 1)
	go func() { guarded <- follower.Guard(guarding, l.lease, pool, l.emit) }()
	followed := make(chan error, 1)
	var departure membership.Departure // to be read after followed
	all.Go("follower", func() error {
		followed <- election.Catch("the follower", func() (err error) {
			departure, err = l.follower.Run(living, ctx.Done())
			return err
		})
		return nil
	})

	left := false
	select {
	case err = <-followed:
		left = err == nil
		followed <- err
	case err = <-all.failed:
	case err = <-guarded:
		return l.abandon(log, pool, err)
	}
	if !left && !errors.Is(err, ErrStuck) {
		if panicked, ok := errors.AsType[*election.PanicError](err); ok {
			log.Error("a part of this node has panicked", "error", panicked, "stack", panicked.Stack)
		}
		log.Warn("no longer a member; stopping all workers", "reason", reasonOf(err))
		log.Debug("no longer a member", "error", err)
		l.meter.Add(meter.Fences, 1, "session")
		l.emit(cluster.Event{Kind: cluster.NodeLeft, Detail: reasonOf(err)})
		if errors.Is(err, membership.ErrGone) || errors.Is(err, election.ErrGone) || errors.Is(err, membership.ErrUnheard) {
			_ = l.session.Close() // its keys are gone, or are to go: let nothing more be done in its name
		}
	}
	end()
	select {
	case <-all.Ended():
	case gerr := <-guarded:
		return l.abandon(log, pool, gerr)
	case <-time.After(partsLimit):
		return l.abandon(log, pool, fmt.Errorf("%w: these parts of the node do not end: %v", ErrStuck, all.Left()))
	}
	if ferr := <-followed; errors.Is(ferr, ErrStuck) {
		return l.abandon(log, pool, ferr)
	}
	if left {
		departure.Pulse = pulse
		pool.Flush(flushLimit) // its workers left before it does
		l.silent = !l.leave(ctx, log, departure)
	} else {
		l.stopAll(ctx, pool)
	}
	endGuard() // from now on it waits for the workers, and fails if they outlast the lease
	if gerr := <-guarded; gerr != nil {
		return l.abandon(log, pool, gerr)
	}
	if len(pool.Reports()) > 0 {
		l.afloat = pool
	}
	pool.Flush(flushLimit)
	return err
}

// keepClosing tries again and again to close what the node was before.
func (l *life) keepClosing(ctx context.Context) {
	for len(l.lost) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(formerTimeout):
			l.closeLost(ctx, l.session)
		}
	}
}

// stopAll stops what runs of a membership that is over; the guard sees to the deadline. What may run on
// without contact does, unless the node is to leave.
func (l *life) stopAll(ctx context.Context, pool *worker.Pool) {
	for slot, r := range pool.Reports() {
		if r.Continues && !r.Ended && ctx.Err() == nil {
			continue
		}
		pool.Stop(slot, cluster.ErrLeaseLost, l.lease.Terms().Soft)
	}
}

// leave closes the member, whose workers have all stopped. It tells whether that is committed.
func (l *life) leave(ctx context.Context, log *slog.Logger, d membership.Departure) bool {
	// Longer than its lease lasts there is nothing to gain.
	limit := min(closeTimeout, max(l.lease.End()-l.session.Now(), 0)+time.Second)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	d.Burst = l.leader.Burst()
	if err := membership.Close(closing, l.session, l.keys, l.self, d, l.self.Name, "node left"); err != nil {
		log.Warn("left without a word; others wait for the session to end", "error", reasonOf(err))
		return false
	}
	log.Info("left")
	l.emit(cluster.Event{Kind: cluster.NodeLeft})
	return true
}

// lead is the leader's role for one term.
func (l *life) lead(log *slog.Logger) func(context.Context, election.Term) error {
	return func(ctx context.Context, term election.Term) error {
		log.Info("leading", "term", term.Number)
		l.emit(cluster.Event{Kind: cluster.LeaderElected, Detail: fmt.Sprintf("term %d", term.Number)})
		l.leads.Store(true)
		l.showApart(0)
		defer func() {
			l.leads.Store(false)
			l.observer.Publish(nil)
			l.emit(cluster.Event{Kind: cluster.LeaderDeposed, Detail: fmt.Sprintf("term %d", term.Number)})
		}()
		err := l.leader.Lead(ctx, term)
		why := err
		if gaveUp, ok := errors.AsType[*election.GiveUp](err); ok {
			why = gaveUp.Err
		} else if !errors.Is(err, membership.ErrUnheard) {
			if why = context.Cause(ctx); !errors.Is(why, election.ErrTouched) {
				return err
			}
		}
		l.emit(cluster.Event{Kind: cluster.LeaderGaveUp, Detail: why.Error()})
		return err
	}
}

// declare publishes the declarations of the node's file, once in the life of the process.
func (l *life) declare(ctx context.Context, log *slog.Logger) {
	if l.declared {
		return
	}
	var settings *schema.SettingsSpec
	if spec := (schema.SettingsSpec{LeaderWorkers: l.cfg.LeaderWorkers, Moving: l.cfg.Moving}); spec != (schema.SettingsSpec{}) {
		settings = &spec
	}
	unapplied, err := operation.Operator{Session: l.session, Keys: l.keys, By: l.cfg.Name}.Declare(ctx, l.cfg.Source, l.cfg.Tasks, settings)
	if err != nil {
		log.Warn("declarations not published; they will be with the next session", "error", coord.Reason(err))
		return
	}
	l.declared = true
	for _, task := range l.cfg.Tasks {
		if task.Continues() {
			log.Warn("workers of this task run on when their node loses contact, and may then run twice", "task", task.Name)
		}
	}
	for _, what := range unapplied {
		log.Warn("not applied", "file", l.cfg.Source, "what", what)
		l.emit(cluster.Event{Kind: cluster.ConfigUnapplied, Detail: what})
	}
}

// tellConnection says when the service stops answering and when it answers again, and notes how this member is.
func (l *life) tellConnection(ctx context.Context, log *slog.Logger) {
	connected := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.session.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		info := l.session.Info()
		c := nodesession.Condition{Leased: l.lease.Valid(), Trouble: l.leader.Trouble()}
		switch away := !connected && !info.Connected; { // now as well as a moment ago
		case c.Leased:
			c.Away = away
		case !info.Connected:
			c.Unheard = nodesession.Coarse(l.lease.Now() - info.Base)
		}
		if before := l.now.Swap(&c); before == nil && !c.Leased || before != nil && *before != c {
			l.observer.Retell()
		}
		switch {
		case connected && !info.Connected:
			log.Warn("disconnected", "error", info.Err, "leaseLeft", l.lease.End()-l.session.Now(), "help", "if it lasts, `xconsumer doctor` says what is wrong")
			l.emit(cluster.Event{Kind: cluster.Disconnected, Detail: fmt.Sprint(info.Err)})
			connected = false
		case !connected && info.Connected:
			log.Info("connected again", "server", info.Server)
			l.emit(cluster.Event{Kind: cluster.Connected, Detail: info.Server})
			connected = true
		}
	}
}
