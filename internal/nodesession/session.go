package nodesession

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/leader"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/operation"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// nodeSession is a node with one session. It has the parts that live as long as the session.
type nodeSession struct {
	cfg     *Config
	runner  *Runner
	session coord.Session
	self    membership.Self
	lease   *membership.Lease
	report  *supervisorReport
	emit    func(cluster.Event)
	leads   atomic.Bool
	now     atomic.Pointer[Condition]

	follower *follower.Follower
	leader   *leader.Leader

	leftUnconfirmed bool // the member left and could not close itself; its supervisor may still
}

// run starts the parts and ends them in order. It returns when all workers have stopped, or with ErrStuck.
func (s *nodeSession) run(ctx context.Context) (err error) {
	s.cfg.Log.Info("joined", "cluster", s.cfg.Cluster, "member", s.self.MemberID, "sessionTimeout", s.self.SessionTimeout)
	s.emit(cluster.Event{Kind: cluster.NodeJoined})
	s.leader = &leader.Leader{
		Cluster: s.cfg.Cluster, Session: s.session, Keys: s.cfg.Keys, Self: s.self, Log: s.cfg.Log, Emit: s.emit,
		Share: s.cfg.Observer.Share, Meter: s.cfg.Meter, Trace: s.cfg.Spans.Sink(), Lease: s.lease,
		Leaves: func() bool { return ctx.Err() != nil }, Together: s.cfg.Together,
	}
	s.show("")
	defer context.AfterFunc(ctx, func() { s.show("leaving") })()
	s.cfg.Observer.Use(s.session)
	defer s.cfg.Observer.Use(nil)

	pool := worker.NewPool(worker.Config{
		Works: s.cfg.Works, Stops: s.cfg.Stops, Valid: s.lease.BeforeHardStop, Logs: s.cfg.Logs, Log: s.cfg.Log, Emit: s.emit,
		Notes: follower.Checkpoints{Session: s.session, Keys: s.cfg.Keys, Member: s.self.MemberID},
	})
	s.report.watch(pool)
	defer s.armExit(ctx, pool)(&err)
	s.cfg.Presence.joined(s.self.MemberID, pool)
	// The parts do not end with ctx, which only asks the node to leave.
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	guarding, endGuard := context.WithCancel(context.WithoutCancel(ctx))
	defer endGuard()
	p := s.start(living, guarding, ctx.Done(), pool)

	left := false
	select {
	case err = <-p.followed:
		left = err == nil
		p.followed <- err
	case err = <-p.failed:
	case err = <-p.guarded:
		return s.abandon(pool, err)
	}
	if !left && !errors.Is(err, ErrStuck) {
		s.lost(err)
	}
	end()
	select {
	case <-p.Ended():
	case gerr := <-p.guarded:
		return s.abandon(pool, gerr)
	case <-time.After(partsLimit):
		return s.abandon(pool, fmt.Errorf("%w: parts of the node do not end: %v", ErrStuck, p.Left()))
	}
	if ferr := <-p.followed; errors.Is(ferr, ErrStuck) {
		return s.abandon(pool, ferr)
	}
	if left {
		pool.Flush(flushLimit) // its workers left before it does
		s.leftUnconfirmed = !s.leave(ctx, p.departed())
	} else {
		s.stopAll(ctx, pool)
	}
	endGuard() // from now on the watchdog waits for the workers, and fails if they outlast the lease
	if gerr := <-p.guarded; gerr != nil {
		return s.abandon(pool, gerr)
	}
	if len(pool.Reports()) > 0 {
		s.runner.detached = pool
	}
	pool.Flush(flushLimit)
	return err
}

// show publishes the state of the node to the rest of the process.
func (s *nodeSession) show(obstacle string) {
	s.cfg.Presence.set(health{obstacle: obstacle, session: s.session, lease: s.lease, leader: s.leader, now: &s.now})
}

// start starts the parts. They run until living ends, and the follower until leave is closed. The lease watchdog runs until
// guarding ends.
func (s *nodeSession) start(living, guarding context.Context, leave <-chan struct{}, pool *worker.Pool) *parts {
	damaged := make(chan struct{}, 1)
	s.follower = &follower.Follower{
		Session: s.session, Keys: s.cfg.Keys, Self: s.self, Lease: s.lease, Workers: pool, Starting: s.report.beforeStarts,
		Log: s.cfg.Log, Emit: s.emit, Leads: s.leads.Load, Damaged: damaged,
		Claimed: s.cfg.Spans.Claimed,
	}
	p := newParts()
	p.Go("heartbeats", func() error {
		return membership.Maintain(living, s.session, s.cfg.Keys, s.self, &p.pulse, damaged, s.acts)
	})
	p.Go("election and leader", func() error {
		return election.Run(living, s.session, s.cfg.Keys, s.self.Member, s.cfg.Log, s.leader.Blocked, s.lead)
	})
	p.Go("declarations", func() error { s.declare(living); return nil })
	p.Go("connection", func() error { s.watchConnection(living); return nil })
	p.Go("clocks", func() error { s.compareClocks(living); return nil })
	p.Go("former members", func() error { s.keepClosing(living); return nil })
	p.Go("loops", func() error { return s.untilHung(living) })
	go func() { p.guarded <- follower.LeaseWatchdog(guarding, s.lease, pool, s.emit) }()
	p.Go("follower", func() error {
		p.followed <- election.Catch("the follower", func() (err error) {
			p.departure, err = s.follower.Run(living, leave)
			return err
		})
		return nil
	})
	return p
}

// lost reports that the node is no longer a member, and why.
func (s *nodeSession) lost(err error) {
	log := s.cfg.Log
	if panicked, ok := errors.AsType[*election.PanicError](err); ok {
		log.Error("a part of this node has panicked", "error", panicked, "stack", panicked.Stack)
	}
	log.Warn("no longer a member; stopping all workers", "reason", reasonOf(err))
	log.Debug("no longer a member", "error", err)
	s.cfg.Meter.Add(meter.Fences, 1, "session")
	s.emit(cluster.Event{Kind: cluster.NodeLeft, Detail: reasonOf(err)})
	if errors.Is(err, membership.ErrGone) || errors.Is(err, election.ErrGone) || errors.Is(err, membership.ErrUnheard) {
		_ = s.session.Close() // its keys are deleted or must be: nothing more may be done under its ID
	}
}

// keepClosing repeats closeFormer until no former member remains.
func (s *nodeSession) keepClosing(ctx context.Context) {
	for len(s.runner.formerMembers) > 0 {
		select {
		case <-ctx.Done():
			return
		case <-time.After(formerTimeout):
			s.runner.closeFormer(ctx, s.session)
		}
	}
}

// stopAll stops the workers of a membership that is over; the lease watchdog enforces the deadline. Workers that may continue
// without contact do so, unless the node is to leave.
func (s *nodeSession) stopAll(ctx context.Context, pool *worker.Pool) {
	for slot, r := range pool.Reports() {
		if r.Continues() && !r.Ended && ctx.Err() == nil {
			continue
		}
		pool.Stop(slot, cluster.ErrLeaseLost, s.lease.Params().Soft)
	}
}

// leave closes the member, whose workers have all stopped. It reports whether the commit was made.
func (s *nodeSession) leave(ctx context.Context, d membership.Departure) bool {
	// After the end of its lease there is nothing to gain.
	limit := min(closeTimeout, max(s.lease.End()-s.session.Now(), 0)+time.Second)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	d.Burst = s.leader.Burst()
	if err := membership.Close(closing, s.session, s.cfg.Keys, s.self, d, s.self.Node, "node left"); err != nil {
		s.cfg.Log.Warn("could not deregister; the work moves when the session ends", "error", reasonOf(err))
		return false
	}
	s.cfg.Log.Info("left")
	s.emit(cluster.Event{Kind: cluster.NodeLeft})
	return true
}

// lead is the leader's role for one term.
func (s *nodeSession) lead(ctx context.Context, term election.Term) error {
	s.cfg.Log.Info("leading", "term", term.Number)
	s.emit(cluster.Event{Kind: cluster.LeaderElected, Detail: fmt.Sprintf("term %d", term.Number)})
	s.leads.Store(true)
	s.showApart(0)
	defer func() {
		s.leads.Store(false)
		s.cfg.Observer.Share(nil)
		s.emit(cluster.Event{Kind: cluster.LeaderDeposed, Detail: fmt.Sprintf("term %d", term.Number)})
	}()
	err := s.leader.Lead(ctx, term)
	why := err
	if gaveUp, ok := errors.AsType[*election.GiveUp](err); ok {
		why = gaveUp.Err
	} else if !errors.Is(err, membership.ErrUnheard) {
		why = context.Cause(ctx)
		if !errors.Is(why, election.ErrTouched) {
			return err
		}
	}
	s.emit(cluster.Event{Kind: cluster.LeaderGaveUp, Detail: why.Error()})
	return err
}

// declare puts the declarations of the node's file into the store, once in the life of the process.
func (s *nodeSession) declare(ctx context.Context) {
	if s.runner.declared {
		return
	}
	unapplied, err := operation.Operator{
		Session: s.session,
		Keys:    s.cfg.Keys,
		By:      s.self.Node,
	}.Declare(
		ctx,
		s.cfg.Source,
		s.cfg.Tasks,
		s.cfg.Settings,
	)
	if err != nil {
		s.cfg.Log.Warn("declarations not stored; they are tried again with the next session", "error", coord.Reason(err))
		return
	}
	s.runner.declared = true
	for _, task := range s.cfg.Tasks {
		if task.Continues() {
			s.cfg.Log.Warn("workers of this task run on when their node loses contact, and may then run twice", "task", task.Name)
		}
	}
	for _, what := range unapplied {
		s.cfg.Log.Warn("not applied", "file", s.cfg.Source, "change", what)
		s.emit(cluster.Event{Kind: cluster.ConfigUnapplied, Detail: what})
	}
}
