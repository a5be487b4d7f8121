package membership

import (
	"sync/atomic"
	"time"
)

// Busy is since when a loop has been at work, for others to see. A loop that does not come back to its wait hangs, and a member
// whose loop hangs must not prove that it acts.
//
// The zero value is a loop that waits. One goroutine calls Begin and End; any may call Lasts. It takes no lock.
type Busy struct {
	began atomic.Int64 // 1 more than when the present work began, so that a clock may start at 0; 0 while the loop waits
}

// Begin records that the loop begins to work, at a time of the lease clock.
func (b *Busy) Begin(now time.Duration) { b.began.Store(int64(now) + 1) }

// End records that the loop waits again.
func (b *Busy) End() { b.began.Store(0) }

// Lasts returns for how long the loop has been at work, 0 while it waits.
func (b *Busy) Lasts(now time.Duration) time.Duration {
	began := b.began.Load()
	if began == 0 {
		return 0
	}
	return max(now-time.Duration(began-1), 0)
}
