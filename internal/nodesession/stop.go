package nodesession

import (
	"context"
	"errors"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// partsLimit is how long the parts of a session that is over may take to end, while the guard sees to the workers.
const partsLimit = 15 * time.Second

// acts reports whether the member does what it is there for: neither of its loops hangs. It takes no lock.
//
// A step of the follower does no I/O: one that takes longer than two heartbeats hangs, or its machine is overloaded.
// It is checked again and again, so that one that ends before the lease does has cost nothing. A leader that hangs loses
// its term first; the lease only goes where that is not to be had either.
func (s *nodeSession) acts() bool { return !s.followerHangs() && !s.leaderHangs() }

func (s *nodeSession) followerHangs() bool {
	return s.follower.Busy.Lasts(s.lease.Now()) > max(2*s.lease.Params().HeartbeatInterval, 2*time.Second)
}

func (s *nodeSession) leaderHangs() bool { return s.leader.Hangs() }

// untilHung returns an error when a loop of the member hangs and its lease is over for that. Where the service counts
// connections, not commits, as ZooKeeper does, its session would never end by itself. A leader that waits for a
// service that is away does not hang: it goes on with its session when the service comes back.
func (s *nodeSession) untilHung(ctx context.Context) error {
	answered := s.lease.Now() // when the service was away last, or the leader did not hang
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(250 * time.Millisecond):
		}
		now := s.lease.Now()
		if !s.leaderHangs() || !s.session.Info().Connected {
			answered = now
		}
		if phase, _ := s.lease.Phase(); phase < membership.HardStop {
			continue
		}
		if s.followerHangs() {
			return errors.New("the loop that starts and stops its workers hangs")
		}
		if now-answered > s.lease.Params().Timeout {
			return errors.New("the loop by which it leads hangs")
		}
	}
}

// armExit starts the exit timer. What it returns stops it, unless the node ends with workers that do not: then
// the process has to end, and the timer stays to see to it.
func (s *nodeSession) armExit(ctx context.Context, pool *worker.Pool) (disarm func(*error)) {
	if s.cfg.HardStop == nil {
		return func(*error) {}
	}
	armed, end := context.WithCancel(context.WithoutCancel(ctx))
	var timer sync.WaitGroup
	timer.Go(func() { follower.ExitTimer(armed, s.lease, pool.Leased, s.cfg.HardStop) })
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
func (s *nodeSession) abandon(pool *worker.Pool, err error) error {
	phase, _ := s.lease.Phase()
	limit := time.Second
	if phase > membership.LeaseValid {
		limit = min(100*time.Millisecond, s.lease.Params().Hard/4)
	}
	s.cfg.Log.Error("the process must end now", "error", err)
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		stacks := worker.Stacks()
		for slot, r := range pool.Reports() {
			if r.Ended { // nothing of it runs, and nothing records its end any longer
				pool.Stop(slot, cluster.ErrLeaseLost, 0)
				continue
			}
			s.cfg.Log.Error("worker does not stop", "slot", slot, "stack", stacks[slot.String()])
		}
	}()
	select {
	case <-reported:
	case <-time.After(limit):
	}
	s.cfg.Flush(limit)
	return err
}
