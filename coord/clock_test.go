package coord

import (
	"testing"
	"time"
)

// While the machine sleeps only the boot clock goes on; where there is none, or it is set back, the
// monotonic clock counts.
func TestLeaseClockCountsSleep(t *testing.T) {
	mono, boot := time.Hour, 5*time.Hour
	clock := leaseClock(func() time.Duration { return mono }, func() time.Duration { return boot })
	began := clock()
	for _, step := range []struct{ mono, boot, passed time.Duration }{
		{time.Second, time.Second, time.Second},
		{0, 10 * time.Second, 11 * time.Second}, // asleep
		{time.Second, time.Second, 12 * time.Second},
		{20 * time.Second, 0, 22 * time.Second}, // it has no boot clock after all
	} {
		mono, boot = mono+step.mono, boot+step.boot
		if passed := clock() - began; passed != step.passed {
			t.Errorf("%v passed; want %v", passed, step.passed)
		}
	}
}
