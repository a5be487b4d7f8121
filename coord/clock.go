package coord

import "time"

// Clock reads a clock that never goes back: the time since some fixed moment.
type Clock func() time.Duration

// LeaseClock returns the clock that leases are counted on: the later of the
// monotonic clock and, where the system has one, the boot clock, which goes on while
// the machine sleeps. Readings of different processes of one machine are comparable
// where there is a boot clock.
func LeaseClock() Clock {
	start, boot := time.Now(), bootTime()
	return func() time.Duration {
		return max(boot+time.Since(start), bootTime())
	}
}
