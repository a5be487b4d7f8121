// Package backoff computes how long to wait before a failed operation is tried again: longer after each failure in a row,
// up to a bound.
//
// A Policy is a value and a pause is a function of it: the caller counts the failures. So a simulation that runs again sees
// the same pauses, and the code of a loop shows when it begins to count again: after a success or, for an activity that
// always ends with a failure, after it has lasted for the policy's Steady.
package backoff

import (
	"context"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/jitter"
)

// Policy defines how pauses grow: from First, twice as long after each failure, up to Max.
type Policy struct {
	Free  int           // the number of failures in a row that cause no pause
	First time.Duration // the first pause
	Max   time.Duration // the longest pause, before its jitter; below First, all pauses are First
	// Jitter is the fraction by which a pause is shorter or longer at most: 0.25 spreads it from three quarters of itself
	// to five. Many clients that wait for the same event must not come back in step.
	Jitter float64
	Steady time.Duration // an activity that lasted this long has not failed in a row; 0: every failure is in a row
}

// Conflicts is for commits that were refused because others write as well, or whose outcome is unknown. One such failure is
// usual; many in a row are not. It has no jitter: of conflicting commits, one succeeds each time.
var Conflicts = Policy{Free: 1, First: 20 * time.Millisecond, Max: time.Second}

// Pause returns how long to wait after so many failures in a row, 0 for none. The jitter depends on who alone. These values
// should distinguish both the caller from others and this pause from the caller's last one.
func (p Policy) Pause(failures int, who ...any) time.Duration {
	if failures <= p.Free {
		return 0
	}
	pause := p.First
	for range failures - p.Free - 1 {
		if pause >= p.Max {
			break
		}
		pause = min(2*pause, p.Max)
	}
	spread := time.Duration(float64(pause) * p.Jitter)
	return pause - spread + jitter.Of(2*spread, who...)
}

// Failed counts a failure of an activity that has lasted for a time: it returns the number of failures in a row, this one
// included.
func (p Policy) Failed(before int, lasted time.Duration) (failures int) {
	if p.Steady > 0 && lasted >= p.Steady {
		return 1
	}
	return before + 1
}

// Wait waits for a pause, see Pause, or until ctx ends. It returns the cause if ctx has
// ended by then, even without a pause, unless nothing has failed yet: then the first try finds out.
func (p Policy) Wait(ctx context.Context, failures int, who ...any) error {
	if failures <= 0 {
		return nil
	}
	if pause := p.Pause(failures, who...); pause > 0 {
		_ = Sleep(ctx, pause)
	}
	return context.Cause(ctx)
}

// Sleep waits for d. It returns the cause if ctx ends before that.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
