package membership

import (
	"sync/atomic"
	"time"
)

// Round is what others see of a loop: whether it is at work, and since when. A loop that does not come to the end of
// a round hangs, and a member whose loop hangs must not prove that it acts.
//
// The zero value is a loop that waits. One goroutine begins and ends rounds; any may ask. It takes no lock.
type Round struct {
	began atomic.Int64 // 1 more than when the present round began, so that a clock may start at 0; 0 while the loop waits
}

// Begin says that the loop begins a round, at a time of the lease clock.
func (r *Round) Begin(now time.Duration) { r.began.Store(int64(now) + 1) }

// End says that the loop waits again.
func (r *Round) End() { r.began.Store(0) }

// Lasts returns for how long the present round has been going on, 0 while the loop waits.
func (r *Round) Lasts(now time.Duration) time.Duration {
	began := r.began.Load()
	if began == 0 {
		return 0
	}
	return max(now-time.Duration(began-1), 0)
}
