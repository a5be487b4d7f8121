package follower

import (
	"context"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// ExitTimer calls exit, once, when the lease's hard stop is past and workers that need the lease still run, as leased
// reports. It returns then, or when ctx ends.
//
// LeaseWatchdog does the same, a moment earlier. The timer is for when the watchdog, or what has to return after
// it, cannot: it waits for no lock and for no other goroutine, and neither must leased and exit.
func ExitTimer(ctx context.Context, lease *membership.Lease, leased func() bool, exit func()) {
	const often = 50 * time.Millisecond
	looks, last := 0, lease.Now() // how often it was past the time and something ran
	for {
		now, by := lease.Now(), lease.ExitBy()
		switch {
		case now < by || !leased():
			looks = 0
		default:
			if looks == 0 && now-last > poll+2*often {
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
			wait = min(poll, max(by-now, time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// beforeHardStop reads the lease once more, in case it was renewed and nothing has read it since. A lease that cannot be read in
// time counts as over.
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
