//go:build !linux

package coord

import "time"

// bootTime returns 0, so that only the monotonic clock counts. On some systems that clock stands
// still while the machine sleeps.
func bootTime() time.Duration { return 0 }
