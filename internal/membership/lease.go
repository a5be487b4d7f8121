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

// LeaseParams is the arithmetic of a lease. All of it follows from what the service granted.
type LeaseParams struct {
	Timeout           time.Duration // T, of the session
	HeartbeatInterval time.Duration // h: a heartbeat is sent so long after the previous one
	Spacing           time.Duration // g: heartbeats closer together count as one
	Length            time.Duration // of the lease, from the send of the heartbeat that counts
	Soft              time.Duration // workers are asked to stop so long before the lease's end
	Hard              time.Duration // nothing may run so long before the lease's end
	TakeoverDelay     time.Duration // a leader waits so long after this member was seen gone
}

// NewLeaseParams works out the lease parameters of a session.
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

// LeaseParamsOf returns the lease parameters of a session as granted.
func LeaseParamsOf(info coord.Info) LeaseParams {
	return NewLeaseParams(info.Timeout, info.Spacing, info.TakeoverDelayAfter(info.Timeout))
}

// Check refuses params under which workers would be stopped by the loss of a heartbeat or two.
// The error shows the arithmetic.
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

// Phase is where a lease stands.
type Phase int

// The phases of a lease, in their order.
const (
	LeaseValid Phase = iota // workers may run and start
	SoftStop                // workers are asked to stop; none starts
	HardStop                // nothing may run
)

// Lease knows until when a member may run anything. Its methods may be called from any
// goroutine; they read clocks, so that a process that was paused learns the truth at once.
type Lease struct {
	session coord.Session
	params  LeaseParams
	once    sync.Once
	ended   time.Duration // when the session was seen to have ended, set once
	hard    atomic.Int64  // the hard stop, as of the last read of the phase
}

// NewLease returns the lease of a session.
func NewLease(session coord.Session) *Lease {
	l := &Lease{session: session, params: LeaseParamsOf(session.Info())}
	l.stops(session.Now())
	return l
}

// Now reads the clock on which the lease is counted.
func (l *Lease) Now() time.Duration { return l.session.Now() }

// Params returns the arithmetic of the lease.
func (l *Lease) Params() LeaseParams { return l.params }

// End returns when the lease ends, on the session's lease clock.
func (l *Lease) End() time.Duration { return l.session.Info().Base + l.params.Length }

// Ended is closed when the session is known to be over; Phase must then be read again.
func (l *Lease) Ended() <-chan struct{} { return l.session.Done() }

// Phase returns where the lease stands now, and for how long it will not get worse.
//
// A session that has ended before its lease (an operator ended it, or its keys were deleted)
// leaves the time that a leader waits before it takes over, less a quarter.
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

// stops returns when the soft and the hard stop are.
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

// ExitBy returns when the process has to end if something still runs that needs the lease: a little after the hard
// stop, by which it should have seen that itself, and before the parent process does at StopBy. It takes no lock, and so
// returns what was true when the phase was read last, which the parts of a member do all the time.
func (l *Lease) ExitBy() time.Duration { return time.Duration(l.hard.Load()) + l.params.Hard*3/8 }

// StopBy returns when the parent process should see to it that nothing runs: halfway between the hard
// stop, which the process keeps itself, and the end.
func (l *Lease) StopBy() time.Duration {
	_, hard := l.stops(l.session.Now())
	return hard + l.params.Hard/2
}

// BeforeHardStop reports whether effects may still be made. That is a little longer than the lease is valid: workers that were
// asked to stop may use the rest of it.
func (l *Lease) BeforeHardStop() bool {
	phase, _ := l.Phase()
	return phase < HardStop
}
