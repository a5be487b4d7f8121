package follower

import (
	"context"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// ExitTimer calls exit, once, when the lease's hard stop is past and workers that need the lease still run, as leased reports. It
// returns after that, or when ctx ends.
//
// LeaseWatchdog does the same a moment earlier. The timer works also when the watchdog, or code that must return after it, hangs:
// the timer waits for no lock and for no other goroutine. Neither may leased and exit.
func ExitTimer(ctx context.Context, lease *membership.Lease, leased func() bool, exit func()) {
	const often = 50 * time.Millisecond
	looks, last := 0, lease.Now() // how often a check found workers after the deadline
	for {
		now, by := lease.Now(), lease.ExitBy()
		switch {
		case now < by || !leased():
			looks = 0
		default:
			if looks == 0 && now-last > leaseCheckInterval+2*often {
				looks = -6 // the process has been paused: the watchdog must have stopped the workers first
			}
			looks++
			if looks > 0 && !beforeHardStop(lease, often) {
				exit()
				return
			}
		}
		last = now
		wait := often
		if now < by {
			wait = min(leaseCheckInterval, max(by-now, time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// beforeHardStop reads the lease once more, in case it was renewed and not read since. A lease that cannot be read in time counts
// as over.
func beforeHardStop(lease *membership.Lease, within time.Duration) bool {
	valid := make(chan bool, 1)
	go func() { valid <- lease.BeforeHardStop() }()
	select {
	case v := <-valid:
		return v
	case <-time.After(within):
		return false
	}
}
