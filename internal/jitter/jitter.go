// Package jitter spreads over time the actions that many nodes would take at once.
//
// The result depends only on the identity of the caller: nodes that wait for the same event wait
// for different times, while a simulation that runs again sees the same times.
package jitter

import (
	"fmt"
	"hash/fnv"
	"time"
)

// Of returns a time below limit, 0 if limit is not positive. It is the same for equal values of
// who, and evenly distributed over different ones.
func Of(limit time.Duration, who ...any) time.Duration {
	if limit <= 0 {
		return 0
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintln(h, who...)
	n := h.Sum64()
	n ^= n >> 33 // FNV leaves similar texts close together
	n *= 0xff51afd7ed558ccd
	n ^= n >> 33
	return time.Duration(n % uint64(limit))
}
