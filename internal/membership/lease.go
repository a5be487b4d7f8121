package membership

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// ErrLeaseParams is returned when the session timeout leaves no time to work between a lost heartbeat and the
// moment when everything must have stopped.
var ErrLeaseParams = errors.New("lease settings refused")

// LeaseParams is the arithmetic of a lease. All of it follows from the parameters that the service granted.
type LeaseParams struct {
	Timeout           time.Duration // T, of the session
	HeartbeatInterval time.Duration // h: from the send of a heartbeat to that of the next
	Spacing           time.Duration // g: heartbeats closer together count as one
	Length            time.Duration // of the lease, from the send of the heartbeat that counts
	Soft              time.Duration // from the soft stop, when workers are asked to stop, to the end of the lease
	Hard              time.Duration // from the hard stop, when nothing may run, to the end of the lease
	TakeoverDelay     time.Duration // how long a leader waits after it has seen that this member is gone
}

// NewLeaseParams computes the lease parameters of a session.
func NewLeaseParams(timeout, spacing, takeoverDelay time.Duration) LeaseParams {
	return LeaseParams{
		Timeout:           timeout,
		HeartbeatInterval: min(max(timeout/8, spacing), max(2*time.Second, spacing)),
		Spacing:           spacing,
		Length:            timeout * 95 / 100,
		Soft:              min(3*time.Second, timeout/5),
		Hard:              min(500*time.Millisecond, timeout/20),
		TakeoverDelay:     takeoverDelay,
	}
}

// LeaseParamsOf returns the lease parameters of a granted session.
func LeaseParamsOf(info coord.Info) LeaseParams {
	return NewLeaseParams(info.Timeout, info.Spacing, info.TakeoverDelayAfter(info.Timeout))
}

// Check returns an error if the loss of a heartbeat or two would stop workers. The error shows the arithmetic.
func (t LeaseParams) Check() error {
	rest, need := t.Length-t.Soft-2*t.HeartbeatInterval, max(500*time.Millisecond, t.Timeout/5)
	if rest >= need {
		return nil
	}
	return fmt.Errorf("%w: with a session timeout of %v (heartbeat every %v, at least %v apart) "+
		"0.95·T − K − 2h = %v − %v − 2·%v = %v is left to work after a lost heartbeat, at least max(0.5s, T/5) = %v is needed: "+
		"raise the session timeout or lower the service's tick time",
		ErrLeaseParams, t.Timeout, t.HeartbeatInterval, t.Spacing, t.Length, t.Soft, t.HeartbeatInterval, rest, need)
}

// Phase is the state of a lease.
type Phase int

// The phases of a lease, in their order.
const (
	LeaseValid Phase = iota // workers may run and start
	SoftStop                // workers are asked to stop; none starts
	HardStop                // nothing may run
)

// Lease is until when the member may run anything. Its methods may be called from any goroutine. They read clocks, so a process
// that was paused gets the right answer at once.
type Lease struct {
	session coord.Session
	params  LeaseParams
	once    sync.Once
	ended   time.Duration // when the end of the session was noticed, set once
	hard    atomic.Int64  // the hard stop, as of the last read of the phase
}

// NewLease returns the lease of a session.
func NewLease(session coord.Session) *Lease {
	l := &Lease{session: session, params: LeaseParamsOf(session.Info())}
	l.stops(session.Now())
	return l
}

// Now returns the time of the clock on which the lease is counted.
func (l *Lease) Now() time.Duration { return l.session.Now() }

// Params returns the arithmetic of the lease.
func (l *Lease) Params() LeaseParams { return l.params }

// End returns when the lease ends, on the session's lease clock.
func (l *Lease) End() time.Duration { return l.session.Info().Base + l.params.Length }

// Ended is closed when the session has certainly ended; Phase must then be read again.
func (l *Lease) Ended() <-chan struct{} { return l.session.Done() }

// Phase returns the present state of the lease, and for how long it will not get worse.
//
// If a session ends before its lease (an operator ended it, or its keys were deleted), the remaining time is the time that a
// leader waits before it takes over, less a quarter.
func (l *Lease) Phase() (Phase, time.Duration) {
	now := l.session.Now()
	soft, hard := l.stops(now)
	switch {
	case now < soft:
		return LeaseValid, soft - now
	case now < hard:
		return SoftStop, hard - now
	}
	return HardStop, 0
}

// stops returns the times of the soft and the hard stop.
func (l *Lease) stops(now time.Duration) (soft, hard time.Duration) {
	end := l.End()
	soft, hard = end-l.params.Soft, end-l.params.Hard
	select {
	case <-l.session.Done():
		l.once.Do(func() { l.ended = now })
		soft = min(soft, now)
		hard = min(hard, l.ended+min(l.params.TakeoverDelay*3/4, l.params.Soft))
	default:
	}
	l.hard.Store(int64(hard))
	return soft, hard
}

// ExitBy returns when the process must end if something that needs the lease still runs: a little after the hard stop, which the
// process should have noticed itself, and before its parent acts at StopBy. It takes no lock. Its value is as of the last
// read of the phase, which the parts of a member repeat all the time.
func (l *Lease) ExitBy() time.Duration { return time.Duration(l.hard.Load()) + l.params.Hard*3/8 }

// StopBy returns when the parent process must make sure that nothing runs: halfway between the hard stop, which the process
// keeps itself, and the end.
func (l *Lease) StopBy() time.Duration {
	_, hard := l.stops(l.session.Now())
	return hard + l.params.Hard/2
}

// BeforeHardStop reports whether effects are still allowed. That is slightly longer than the lease is valid: workers that were
// asked to stop may use the remaining time.
func (l *Lease) BeforeHardStop() bool {
	phase, _ := l.Phase()
	return phase < HardStop
}
