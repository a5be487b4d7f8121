package nodesession

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/emit"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// ErrStuck is returned when a worker did not stop although the node was leaving or its lease was over.
var ErrStuck = follower.ErrStuck

// Config is the configuration of a node, which all its sessions share.
type Config struct {
	Store   coord.Store
	Cluster string
	Keys    schema.Keys
	// Member has the fields that all members of this node have in common. Each session fills in the rest.
	Member cluster.Member
	Works  map[string]worker.Func
	Stops  map[string]worker.StopFunc
	// Tasks and Settings are declared once in the life of the process; nil settings are not declared. Source names their file.
	Tasks    []cluster.TaskSpec
	Settings *cluster.Settings
	Source   string
	Together int // leader.Leader.Together
	// HardStop ends the process without waiting; nil for no exit timer.
	HardStop func()
	// Supervisor receives a report of each member before that member can exist; nil for no supervisor.
	Supervisor *outbox.Latest[cluster.SupervisorReport]
	Presence   *Presence
	Observer   *view.Observer
	Emitter    *emit.Emitter
	Spans      *emit.Spans
	Meter      *meter.Meter
	Logs       *worker.Logs
	Log        *slog.Logger // must not block
	// Flush waits until the logs and traces are written, for at most the given time.
	Flush func(limit time.Duration)
}

// Runner runs a node, one session after another.
type Runner struct {
	cfg      Config
	declared bool // the tasks and settings of the file are in the store
	// detached are workers that continue without the session that they began in, as their tasks declare; nil for none.
	detached *worker.Pool
	// formerMembers are earlier members of this node that are not confirmed as closed. Nothing of them runs once the node has
	// joined again.
	formerMembers []membership.FormerMember
}

// New returns the runner of a node. Works and Stops may be filled until Run is called.
func New(cfg Config) *Runner { return &Runner{cfg: cfg} }

// flushLimit is how long a node that has left waits until its logs and traces are written.
const flushLimit = time.Second

// Run makes the node a member, and again whenever it has lost its session, until ctx ends; then the node leaves. It returns when
// everything that it started has ended, except with ErrStuck. It may be called once.
func (r *Runner) Run(ctx context.Context) (err error) {
	defer func() {
		if !errors.Is(err, ErrStuck) { // otherwise nothing may delay the end of the process
			r.cfg.Flush(flushLimit)
		}
	}()
	observing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var observers sync.WaitGroup
	observers.Go(func() { r.cfg.Observer.Run(observing, r.cfg.Cluster, r.cfg.Keys) })
	defer observers.Wait()
	defer stop()
	defer func() {
		if !errors.Is(err, ErrStuck) {
			err = errors.Join(err, r.stopDetached(cluster.MaxStopTimeout, cluster.ErrLeaving))
		}
	}()
	for attempt := 0; ; attempt++ {
		joined, err := r.session(ctx, min(openTimeoutMin<<min(attempt, 8), openTimeoutMax))
		r.cfg.Presence.set(health{obstacle: "not a member"})
		switch {
		case fatal(err):
			return err
		case ctx.Err() != nil:
			return nil
		}
		if _, panicked := errors.AsType[*election.PanicError](err); joined && !panicked {
			attempt = 0
		}
		reason, help := whyNoMember(err)
		r.cfg.Presence.set(health{obstacle: "not connected: " + reason + "; " + help})
		wait := joinAgain.Pause(attempt+1, r.cfg.Member.Node, attempt)
		r.cfg.Log.Warn("not a member; trying again", "reason", reason, "retryIn", wait.Round(time.Millisecond), "fix", help)
		r.cfg.Log.Debug("not a member", "error", err)
		if backoff.Sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// joinAgain are the pauses of a node that is not a member: at first between 0.2 and 0.4 seconds, finally between 5 and 10. The
// nodes of a fleet that lost its service must not come back in step.
var joinAgain = backoff.Policy{First: 300 * time.Millisecond, Max: 7500 * time.Millisecond, Jitter: 1. / 3}

// fatal reports whether another attempt cannot help.
func fatal(err error) bool {
	for _, target := range []error{ErrStuck, membership.ErrLeaseParams, membership.ErrProtocol, coord.ErrUnauthorized, coord.ErrUnsupported} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// How long attempts to open a session may take. The first ones are short, so that the reason of a failure is known soon.
const (
	openTimeoutMin = 2 * time.Second
	openTimeoutMax = 30 * time.Second
	closeTimeout   = 10 * time.Second
	formerTimeout  = 3 * time.Second // the lease is running
)

// session runs the node for one session: open, join, work, leave. It reports whether the node was a member.
func (r *Runner) session(ctx context.Context, openTimeout time.Duration) (joined bool, err error) {
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	session, err := r.cfg.Store.Open(opening)
	cancel()
	if err != nil {
		return false, err
	}
	defer func() { err = r.lockedOut(err) }()
	session = meter.Session(session, r.cfg.Meter, meter.Kind(r.cfg.Keys.Root()))
	var report *supervisorReport
	var s *nodeSession
	var former *membership.FormerMember // the record of this member once the session is over
	defer func() {
		if errors.Is(err, ErrStuck) {
			return // the session must not end before the process does
		}
		if cerr := session.Close(); cerr != nil {
			r.cfg.Log.Warn("session not closed in order", "error", cerr)
		}
		if former != nil {
			r.formerMembers = append(r.formerMembers, *former)
		}
		if report != nil && (s == nil || !s.leftUnconfirmed) {
			report.over()
		}
	}()
	if err := membership.LeaseParamsOf(session.Info()).Check(); err != nil {
		return false, err
	}
	member := r.newMember(session)
	lease := membership.NewLease(session)
	if err := r.stopDetached(lease.Params().Soft, cluster.ErrLeaseLost); err != nil {
		return false, err
	}
	r.closeFormer(ctx, session)
	report = r.newSupervisorReport(member, session.Info().ID, lease)
	former = &membership.FormerMember{
		Member:  member.MemberID,
		Node:    member.Node,
		Session: session.Info().ID,
		By:      member.Node,
		Cause:   "session lost",
	}
	reporting, stop := context.WithCancel(context.WithoutCancel(ctx))
	var reporter sync.WaitGroup
	reporter.Go(func() { report.run(reporting) })
	defer reporter.Wait()
	defer stop()
	self, err := r.join(ctx, session, member)
	if err != nil {
		return false, err
	}
	s = &nodeSession{
		cfg:     &r.cfg,
		runner:  r,
		session: session,
		self:    self,
		lease:   lease,
		report:  report,
		emit:    r.cfg.Emitter.For(self.MemberID),
	}
	return true, s.run(ctx)
}

// newMember returns the member that the node becomes in a session, with a fresh ID.
func (r *Runner) newMember(session coord.Session) cluster.Member {
	m := r.cfg.Member
	m.MemberID = membership.NewMemberID()
	m.Host, _ = os.Hostname() // for people only
	m.PID = os.Getpid()
	m.Works = slices.Sorted(maps.Keys(r.cfg.Works))
	m.SessionTimeout = cluster.Duration(session.Info().Timeout)
	return m
}

// stopDetached stops the workers that have continued without contact. It is called when there is contact again, because other
// members may have their slots.
func (r *Runner) stopDetached(within time.Duration, cause error) error {
	if r.detached == nil {
		return nil
	}
	for slot, report := range r.detached.Reports() {
		r.detached.Stop(slot, cause, min(report.StopTimeout(), within))
	}
	stuck := time.NewTimer(within + time.Second)
	defer stuck.Stop()
	select {
	case <-r.detached.Idle():
		r.detached = nil
		return nil
	case <-stuck.C:
		return fmt.Errorf("%w: of a session that was lost", ErrStuck)
	}
}

// closeFormer frees the slots that are still granted to former members of this node. Members that it cannot close now it tries to
// close again while the node lives; until then the leader waits for their sessions.
func (r *Runner) closeFormer(ctx context.Context, session coord.Session) {
	closing, cancel := context.WithTimeout(ctx, formerTimeout)
	defer cancel()
	r.formerMembers = slices.DeleteFunc(r.formerMembers, func(former membership.FormerMember) bool {
		err := membership.CloseFormer(closing, session, r.cfg.Keys, former)
		if err != nil {
			r.cfg.Log.Debug("former member not closed", "member", former.Member, "error", err)
		}
		return err == nil
	})
}
