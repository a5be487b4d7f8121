package membership

import (
	"sync/atomic"
	"time"
)

// Busy is how long a loop has been at work, for other goroutines to read. A loop that does not return to its wait hangs, and a
// member whose loop hangs must not prove that it acts.
//
// The zero value is a loop that waits. One goroutine calls Begin and End; any may call Lasts. No method takes a lock.
type Busy struct {
	began atomic.Int64 // 1 plus when the present work began, since a clock may start at 0; 0 while the loop waits
}

// Begin records that the loop starts to work, at a time of the lease clock.
func (b *Busy) Begin(now time.Duration) { b.began.Store(int64(now) + 1) }

// End records that the loop waits again.
func (b *Busy) End() { b.began.Store(0) }

// Lasts returns how long the loop has been at work, 0 while it waits.
func (b *Busy) Lasts(now time.Duration) time.Duration {
	began := b.began.Load()
	if began == 0 {
		return 0
	}
	return max(now-time.Duration(began-1), 0)
}
