package coord

import "time"

// Clock returns the time since some fixed moment. It never goes back.
type Clock func() time.Duration

// LeaseClock returns the clock by which leases are measured. It is the later of the
// monotonic clock and, if the system has one, the boot clock, which goes on while the
// machine sleeps. With a boot clock, the readings of different processes on one
// machine can be compared.
func LeaseClock() Clock {
	start := time.Now()
	return leaseClock(func() time.Duration { return time.Since(start) }, bootTime)
}

// leaseClock returns the later of two clocks, which it sets to the same time now.
func leaseClock(mono, boot Clock) Clock {
	offset := boot() - mono()
	return func() time.Duration {
		return max(offset+mono(), boot())
	}
}
