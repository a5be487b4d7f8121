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

// partsLimit is how long the parts of a session that is over may take to end. Meanwhile the lease watchdog watches the workers.
const partsLimit = 15 * time.Second

// acts reports whether both loops of the member make progress. It takes no lock.
//
// A step of the follower does no I/O: if one takes longer than two heartbeats, it hangs or its machine is overloaded. The check
// repeats, so a step that ends before the lease costs nothing. A leader that hangs first loses its term; it costs the lease only
// if the term cannot be ended.
func (s *nodeSession) acts() bool { return !s.followerHangs() && !s.leaderHangs() }

func (s *nodeSession) followerHangs() bool {
	return s.follower.Busy.Lasts(s.lease.Now()) > max(2*s.lease.Params().HeartbeatInterval, 2*time.Second)
}

func (s *nodeSession) leaderHangs() bool { return s.leader.Hangs() }

// untilHung returns an error when a loop of the member hangs and the lease is over for that reason. Where the service counts
// connections instead of commits, as ZooKeeper does, the session would never end by itself. A leader that waits for a service
// that is unreachable does not hang: it continues with its session when the service is back.
func (s *nodeSession) untilHung(ctx context.Context) error {
	answered := s.lease.Now() // the last time the service was unreachable or the leader did not hang
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

// armExit starts the exit timer. The function that it returns stops the timer, unless the node ends with workers that do not
// stop: then the process must end, and the timer keeps running to enforce that.
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

// abandon gives up a node whose workers do not stop. The session stays open, so that nothing is granted elsewhere before the
// process has ended. Its other workers are stopped, and none starts any longer, although the lease may be valid again. The end of
// the process must not wait for the log.
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
		reports := pool.Reports()
		pool.Close(cluster.ErrLeaseLost)
		stacks := worker.Stacks() // after that: no stop waits for a report
		for slot, r := range reports {
			if r.Ended || r.State == cluster.WorkerRunning { // it was not asked to stop before
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
