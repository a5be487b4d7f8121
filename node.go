package xconsumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/admin"
	"gitee.com/ken.yang/xconsumer/internal/asynclog"
	"gitee.com/ken.yang/xconsumer/internal/backoff"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/emit"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/meter"
	"gitee.com/ken.yang/xconsumer/internal/nodesession"
	"gitee.com/ken.yang/xconsumer/internal/outbox"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Node is one process of a cluster.
type Node struct {
	cfg      Config
	store    coord.Store
	keys     schema.Keys
	works    map[string]worker.Func
	stops    map[string]worker.StopFunc
	logs     *worker.Logs
	mistakes []error
	emitter  *emit.Emitter
	meter    *meter.Meter
	spans    *emit.Spans
	presence *nodesession.Presence
	admin    *admin.Admin
	written  *asynclog.Handler              // of the log
	parent   *outbox.Latest[cluster.Vitals] // nil if there is none
	observer view.Observer
	running  atomic.Bool
	declared bool                      // the file's declarations have been published
	afloat   *worker.Pool              // what runs on of a session that was lost, as its tasks say; nil for nothing
	lost     []membership.FormerMember // what it was with earlier sessions, as far as that is not known to be closed; nothing of it runs once the next one has landed
}

// New returns a node that will join a cluster through the store. The error matches ErrConfig.
func New(store coord.Store, cfg Config) (*Node, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	n := &Node{cfg: cfg, store: store, keys: schema.NewKeys(cfg.Cluster), works: map[string]worker.Func{}, stops: map[string]worker.StopFunc{}, logs: worker.NewLogs(cfg.LogBytes), meter: meter.New(), spans: emit.NewSpans(cfg.Trace)}
	n.written = asynclog.Wrap(cfg.Log.Handler())
	n.cfg.Log = slog.New(n.written).With("node", cfg.Name)
	if cfg.Vitals != nil {
		n.parent = outbox.NewLatest(cfg.Vitals)
	}
	n.emitter = emit.New(cfg.Name, n.cfg.Log, n.meter, n.spans)
	n.presence = nodesession.NewPresence(n.observer.Retell)
	n.admin = &admin.Admin{
		Cluster: cfg.Cluster, Node: cfg.Name, Keys: n.keys, Presence: n.presence, Observer: &n.observer, Logs: n.logs, Emitter: n.emitter,
		Meter: n.meter, Spans: n.spans, Written: n.written, Registered: func() []string { return slices.Collect(maps.Keys(n.works)) },
	}
	return n, nil
}

// Name returns the node's name.
func (n *Node) Name() string { return n.cfg.Name }

// Ready returns why the node is not at work, nothing if it is.
func (n *Node) Ready() (reasons []string) { return n.admin.Ready() }

// Events returns a channel of what happens, as this node sees it: its own joining and leaving,
// grants, workers, lease; and, while it leads, the joining and leaving of others. It begins with
// what happens after the call and is closed when ctx ends. Emitting never waits: a listener that
// lags behind by more than 1,024 events loses the oldest ones.
func (n *Node) Events(ctx context.Context) <-chan cluster.Event { return n.emitter.Events(ctx) }

// State returns the cluster as this node sees it. It reads the store only when nobody has asked for a while; otherwise
// it answers from what is kept up to date. While the node is not connected it returns the last that it knew, and fails
// if it knew nothing.
func (n *Node) State(ctx context.Context) (cluster.State, error) { return n.admin.State(ctx) }

// Admin returns the node for whoever manages it. It may be called at any time, also before Run.
func (n *Node) Admin() Admin { return n.admin }

// Run makes the node a member and does its work until ctx ends; then it stops its workers,
// leaves and returns nil. When the session is lost it stops its workers, and joins again when
// they have stopped. It returns when everything that it started has left, except with ErrStuck.
// It may be called once.
//
// The error matches ErrConfig, ErrLease, ErrProtocol, ErrStuck, coord.ErrUnauthorized or
// coord.ErrUnsupported; nothing else ends it.
func (n *Node) Run(ctx context.Context) (err error) {
	if n.running.Swap(true) {
		return fmt.Errorf("%w: Run was called twice", ErrConfig)
	}
	if err = errors.Join(append(n.mistakes, n.strayStops()...)...); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	defer func() {
		if !errors.Is(err, ErrStuck) { // else nothing may delay the end of the process
			n.flush(flushLimit)
		}
	}()
	observing, stop := context.WithCancel(context.WithoutCancel(ctx))
	var observers sync.WaitGroup
	observers.Go(func() { n.observer.Run(observing, n.cfg.Cluster, n.keys) })
	defer observers.Wait()
	defer stop()
	defer func() {
		if !errors.Is(err, ErrStuck) {
			err = errors.Join(err, n.land(cluster.MaxStopTimeout, ErrLeaving))
		}
	}()
	for attempt := 0; ; attempt++ {
		joined, err := n.live(ctx, min(openTimeoutMin<<min(attempt, 8), openTimeoutMax))
		n.presence.Set(nodesession.Health{Obstacle: "not a member"})
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
		n.presence.Set(nodesession.Health{Obstacle: "not connected: " + reason + "; " + help})
		wait := joinAgain.Pause(attempt+1, n.cfg.Name, attempt)
		n.cfg.Log.Warn("not a member; trying again", "reason", reason, "in", wait.Round(time.Millisecond), "help", help)
		n.cfg.Log.Debug("not a member", "error", err)
		if backoff.Sleep(ctx, wait) != nil {
			return nil
		}
	}
}

// joinAgain are the pauses of a node that is no member: between 0.2 and 0.4 seconds at first, between 5 and 10 in the end.
// A fleet that lost its service must not come back in step.
var joinAgain = backoff.Policy{First: 300 * time.Millisecond, Max: 7500 * time.Millisecond, Jitter: 1. / 3}

// flushLimit is how long a node that has left waits for whoever reads its log and its traces.
const flushLimit = time.Second

// flush waits until what was logged and traced is written, for the given time at most.
func (n *Node) flush(limit time.Duration) {
	end := time.Now().Add(limit)
	n.written.Flush(limit)
	n.spans.Flush(time.Until(end))
}

// fatal tells whether an error is one that trying again cannot mend.
func fatal(err error) bool {
	for _, target := range []error{ErrStuck, ErrLease, ErrProtocol, ErrConfig, coord.ErrUnauthorized, coord.ErrUnsupported} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// How long attempts to open a session may take: the first ones are short, so that it is soon
// told why there is none.
const (
	openTimeoutMin = 2 * time.Second
	openTimeoutMax = 30 * time.Second
	closeTimeout   = 10 * time.Second
	formerTimeout  = 3 * time.Second // the lease is running
)

// live is the node's life with one session: open, join, work, leave.
func (n *Node) live(ctx context.Context, patience time.Duration) (joined bool, err error) {
	opening, cancel := context.WithTimeout(ctx, patience)
	session, err := n.store.Open(opening)
	cancel()
	if err != nil {
		return false, err
	}
	defer func() { err = n.lockedOut(err) }()
	session = meter.Session(session, n.meter, meter.Kind(n.keys.Root()))
	var vitals *vitals
	var m *life
	var former *membership.FormerMember // what it will have been
	defer func() {
		if errors.Is(err, ErrStuck) {
			return // the session must not end before the process does
		}
		if cerr := session.Close(); cerr != nil {
			n.cfg.Log.Warn("session not closed in order", "error", cerr)
		}
		if former != nil {
			n.lost = append(n.lost, *former)
		}
		if vitals != nil && (m == nil || !m.silent) {
			vitals.over()
		}
	}()
	if err := membership.TermsOf(session.Info()).Check(); err != nil {
		return false, err
	}
	host, _ := os.Hostname() // for people only
	member := cluster.Member{
		GUID: membership.NewGUID(), Name: n.cfg.Name, Host: host, PID: os.Getpid(), Address: n.cfg.Address, Advertise: n.cfg.Advertise,
		Works: n.admin.Works(), Labels: n.cfg.Labels, Weight: n.cfg.Weight, Capacity: n.cfg.Capacity, SessionTimeout: session.Info().Timeout,
	}
	lease := membership.NewLease(session)
	if err := n.land(lease.Terms().Soft, ErrLeaseLost); err != nil {
		return false, err
	}
	n.closeLost(ctx, session)
	vitals = n.joining(member, session.Info().ID, lease)
	former = &membership.FormerMember{Member: member.GUID, Node: member.Name, Session: session.Info().ID, By: member.Name, Cause: "session lost"}
	telling, stop := context.WithCancel(context.WithoutCancel(ctx))
	var teller sync.WaitGroup
	teller.Go(func() { vitals.run(telling) })
	defer teller.Wait()
	defer stop()
	self, err := n.join(ctx, session, member)
	if err != nil {
		return false, err
	}
	m = &life{Node: n, session: session, self: self, lease: lease, vitals: vitals, emit: n.emitter.For(self.GUID)}
	return true, m.run(ctx)
}

// land stops what has run on without contact, now that there is some again: others may have its slots.
func (n *Node) land(within time.Duration, cause error) error {
	if n.afloat == nil {
		return nil
	}
	for slot, r := range n.afloat.Reports() {
		n.afloat.Stop(slot, cause, min(r.Grace, within))
	}
	stuck := time.NewTimer(within + time.Second)
	defer stuck.Stop()
	select {
	case <-n.afloat.Idle():
		n.afloat = nil
		return nil
	case <-stuck.C:
		return fmt.Errorf("%w: of a session that was lost", ErrStuck)
	}
}

// closeLost frees what is still granted to the members that this node was before. Those that it cannot close now it
// tries to while it lives; until then the leader waits for their sessions.
func (n *Node) closeLost(ctx context.Context, session coord.Session) {
	closing, cancel := context.WithTimeout(ctx, formerTimeout)
	defer cancel()
	n.lost = slices.DeleteFunc(n.lost, func(former membership.FormerMember) bool {
		err := membership.CloseFormer(closing, session, n.keys, former)
		if err != nil {
			n.cfg.Log.Debug("former member not closed", "member", former.Member, "error", err)
		}
		return err == nil
	})
}
