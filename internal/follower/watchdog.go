package follower

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/plural"
)

// ErrStuck is returned when a worker does not stop although the node is leaving or its lease is over. The process must end, since
// nothing else guarantees that the worker has no further effect.
var ErrStuck = errors.New("worker does not stop")

// LeaseWatchdog watches the lease while anything may run. It emits an event when the lease lapses and when it is valid again, and
// returns an error that matches ErrStuck if something still runs at the hard stop. It returns nil when ctx has ended and nothing
// runs.
//
// It does not depend on the follower: it stops the workers itself. It ignores workers whose tasks let them continue without a lease.
func LeaseWatchdog(ctx context.Context, lease *membership.Lease, workers Workers, emit func(cluster.Event)) error {
	const often = 50 * time.Millisecond // deadlines follow a clock that timers do not
	last, atHardStop, woke := membership.LeaseValid, 0, false
	checked := lease.Now()
	for {
		now := lease.Now()
		paused := now-checked > leaseCheckInterval+2*often
		checked = now
		phase, left := lease.Phase()
		var running map[cluster.Slot]cluster.Report
		if phase > membership.LeaseValid || ctx.Err() != nil { // the reports are not needed otherwise
			running = leased(workers.Reports())
		}
		if ctx.Err() != nil && len(running) == 0 {
			return nil
		}
		if phase > membership.LeaseValid {
			for slot := range running {
				workers.Stop(slot, cluster.ErrLeaseLost, min(lease.Params().Soft, left))
			}
		}
		switch {
		case phase != membership.HardStop:
			atHardStop, woke = 0, false
		case len(running) > 0:
			// Workers whose time is over get one more interval. A process that wakes from a pause must stop them first. It gets the
			// time for that once, also if it was paused again just after it had woken: a slow process must end, too.
			if !woke && (paused || last == membership.LeaseValid) {
				atHardStop, woke = -4, true
			}
			atHardStop++
			if atHardStop > 1 {
				return stuckError(running)
			}
		}
		emitLeaseChange(last, phase, len(running), emit)
		last = phase
		pause := often
		if phase < membership.HardStop {
			pause = min(leaseCheckInterval, max(left, time.Millisecond))
		}
		awaitLease(ctx, lease, workers, phase, pause)
	}
}

// awaitLease returns after a pause, or earlier at the end of ctx, then of the workers, and of the lease while it is valid.
func awaitLease(ctx context.Context, lease *membership.Lease, workers Workers, phase membership.Phase, pause time.Duration) {
	done, ended := ctx.Done(), lease.Ended()
	if ctx.Err() != nil {
		done = workers.Idle() // or only workers that need no lease remain: it checks again soon
	}
	if phase > membership.LeaseValid {
		ended = nil
	}
	select {
	case <-done:
	case <-ended:
	case <-time.After(pause):
	}
}

// emitLeaseChange emits an event if the lease has lapsed or is valid again since the last check.
func emitLeaseChange(last, phase membership.Phase, running int, emit func(cluster.Event)) {
	switch {
	case last == membership.LeaseValid && phase > membership.LeaseValid:
		emit(cluster.Event{Kind: cluster.LeaseLost, Detail: fmt.Sprintf("%s being stopped", plural.Of(running, "worker"))})
	case last > membership.LeaseValid && phase == membership.LeaseValid:
		emit(cluster.Event{Kind: cluster.LeaseRegained})
	}
}

// leased leaves out workers that need no lease: those that may continue without one, and those that have ended.
func leased(running map[cluster.Slot]cluster.Report) map[cluster.Slot]cluster.Report {
	maps.DeleteFunc(running, func(_ cluster.Slot, r cluster.Report) bool { return r.Continues() || r.Ended })
	return running
}

func stuckError(running map[cluster.Slot]cluster.Report) error {
	names := make([]string, 0, len(running))
	for slot := range running {
		names = append(names, slot.String())
	}
	slices.Sort(names)
	return fmt.Errorf("%w: %v", ErrStuck, names)
}
