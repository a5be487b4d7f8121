package jitter

import (
	"context"
	"time"
)

// The pauses of Backoff.
const (
	backoffMin = 10 * time.Millisecond
	backoffMax = time.Second
)

// Backoff waits before something is tried again that has failed so many times in a row. It does not wait
// after the first time: once is usual where others write, too, again and again is not. It returns the
// cause if ctx ends.
func Backoff(ctx context.Context, failures int) error {
	if failures <= 1 {
		return nil
	}
	return Sleep(ctx, min(backoffMin<<min(failures-1, 10), backoffMax))
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
