package xconsumer

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// partsLimit is how long the parts of a membership that is over may take to end, while the guard sees to the workers.
const partsLimit = 15 * time.Second

// parts are the goroutines of a membership, by name.
type parts struct {
	running sync.WaitGroup
	failed  chan error // the first failure of a part, whichever it is

	mu   sync.Mutex
	left []string
}

func newParts() *parts { return &parts{failed: make(chan error, 1)} }

// Go runs a part. A panic of it is a failure like any other: the membership ends in order.
func (p *parts) Go(name string, run func() error) {
	p.mu.Lock()
	p.left = append(p.left, name)
	p.mu.Unlock()
	p.running.Go(func() {
		defer func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.left = slices.DeleteFunc(p.left, func(other string) bool { return other == name })
		}()
		if err := election.Catch(name, run); err != nil {
			select {
			case p.failed <- err:
			default:
			}
		}
	})
}

// Ended returns a channel that is closed once all parts have ended.
func (p *parts) Ended() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		p.running.Wait()
		close(ended)
	}()
	return ended
}

// Left returns the parts that have not ended.
func (p *parts) Left() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.left)
}

// acts reports whether the member does what it is there for: neither of its loops hangs. It takes no lock.
//
// A round of the follower does no I/O: one that takes longer than two heartbeats hangs, or its machine is overloaded.
// It is asked again and again, so that one that ends before the lease does has cost nothing. A leader that hangs loses
// its term first; the lease only goes where that is not to be had either.
func (l *life) acts() bool { return !l.followerHangs() && !l.leaderHangs() }

func (l *life) followerHangs() bool {
	return l.follower.Round.Lasts(l.lease.Now()) > max(2*l.lease.Terms().Beat, 2*time.Second)
}

func (l *life) leaderHangs() bool { return l.leader.Hangs() }

// untilHung returns an error when a loop of the member hangs and its lease is over for that. Where the service counts
// connections, not commits, as ZooKeeper does, its session would never end by itself. A leader that waits for a
// service that is away does not hang: it goes on with its session when the service comes back.
func (l *life) untilHung(ctx context.Context) error {
	answered := l.lease.Now() // when the service was away last, or the leader did not hang
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(250 * time.Millisecond):
		}
		now := l.lease.Now()
		if !l.leaderHangs() || !l.session.Info().Connected {
			answered = now
		}
		if phase, _ := l.lease.Phase(); phase < membership.HardStop {
			continue
		}
		if l.followerHangs() {
			return errors.New("the loop that starts and stops its workers hangs")
		}
		if now-answered > l.lease.Terms().Timeout {
			return errors.New("the loop by which it leads hangs")
		}
	}
}

// armExit starts the exit timer. What it returns stops it, unless the node ends with workers that do not: then
// the process has to end, and the timer stays to see to it.
func (l *life) armExit(ctx context.Context, pool *worker.Pool) (disarm func(*error)) {
	if l.cfg.HardStop == nil {
		return func(*error) {}
	}
	armed, end := context.WithCancel(context.WithoutCancel(ctx))
	var timer sync.WaitGroup
	timer.Go(func() { follower.ExitTimer(armed, l.lease, pool.Leased, l.cfg.HardStop) })
	return func(err *error) {
		if errors.Is(*err, ErrStuck) {
			return
		}
		end()
		timer.Wait()
	}
}

// abandon gives up a node whose workers do not stop. The session stays open, so that nothing is granted
// elsewhere before the process has ended. That must not wait for what there is to report.
func (l *life) abandon(log *slog.Logger, pool *worker.Pool, err error) error {
	phase, _ := l.lease.Phase()
	limit := time.Second
	if phase > membership.Holds {
		limit = min(100*time.Millisecond, l.lease.Terms().Hard/4)
	}
	log.Error("the process must end now", "error", err)
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		stacks := worker.Stacks()
		for slot, r := range pool.Reports() {
			if r.Ended { // nothing of it runs; nobody notes its end any longer
				pool.Stop(slot, cluster.ErrLeaseLost, 0)
				continue
			}
			log.Error("worker does not stop", "slot", slot, "stack", stacks[slot.String()])
		}
	}()
	select {
	case <-reported:
	case <-time.After(limit):
	}
	l.flush(limit)
	return err
}
