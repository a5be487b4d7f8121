package coord

import "time"

// Clock reads a clock that never goes back: the time since some fixed moment.
type Clock func() time.Duration

// LeaseClock returns the clock that leases are counted on: the later of the
// monotonic clock and, where the system has one, the boot clock, which goes on while
// the machine sleeps. Readings of different processes of one machine are comparable
// where there is a boot clock.
func LeaseClock() Clock {
	start := time.Now()
	return leaseClock(func() time.Duration { return time.Since(start) }, bootTime)
}

// leaseClock is the later of two clocks that tell the same time now.
func leaseClock(mono, boot Clock) Clock {
	offset := boot() - mono()
	return func() time.Duration {
		return max(offset+mono(), boot())
	}
}
