//go:build !linux

package coord

import "time"

// bootTime is not read here: the monotonic clock alone counts, which on some systems
// stands still while the machine sleeps.
func bootTime() time.Duration { return 0 }
