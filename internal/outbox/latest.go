package outbox

import (
	"slices"
	"sync"
	"time"
)

// Latest passes the newest value to a callback that may block for ever. It skips values that a newer one replaces
// while the callback is busy. Its methods may be called from any goroutine, and only Wait waits.
type Latest[T any] struct {
	deliver func(T)

	mu        sync.Mutex
	value     T
	put, done uint64        // the number of values put, and the number of the last one that was delivered or skipped
	busy      bool          // the goroutine runs
	since     time.Time     // when the present call of the callback began
	took      time.Duration // the last call that ended
	waiting   []flush
}

// NewLatest returns a mailbox. Deliver is never called twice at the same time.
func NewLatest[T any](deliver func(T)) *Latest[T] { return &Latest[T]{deliver: deliver} }

// Put has a value delivered, unless a newer one replaces it before that.
func (l *Latest[T]) Put(value T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.value = value
	l.put++
	if !l.busy {
		l.busy, l.since = true, time.Now()
		go l.run()
	}
}

// Wait waits until the value that was put last, or a newer one, is delivered, and reports whether it is. It gives up
// when one call of the callback has taken as long as limit. After such a call, later Waits do not wait until a call
// has ended in time again. So a callback that hangs, or is always too slow, delays only one of several successive
// Waits. No Wait lasts longer than the rest of one call plus another call.
func (l *Latest[T]) Wait(limit time.Duration) bool {
	l.mu.Lock()
	if l.done == l.put {
		l.mu.Unlock()
		return true
	}
	f := flush{l.put, make(chan struct{})}
	l.waiting = append(l.waiting, f)
	l.mu.Unlock()
	for {
		l.mu.Lock()
		left := limit - time.Since(l.since)
		if l.took >= limit {
			left = 0
		}
		l.mu.Unlock()
		if left <= 0 {
			l.forget(f)
			return false
		}
		late := time.NewTimer(left)
		select {
		case <-f.done:
			late.Stop()
			return true
		case <-late.C: // the callback may have begun another call since
		}
	}
}

func (l *Latest[T]) forget(f flush) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = slices.DeleteFunc(l.waiting, func(other flush) bool { return other == f })
}

// run delivers until nothing is newer.
func (l *Latest[T]) run() {
	number, ended := uint64(0), false
	defer func() {
		if !ended { // the callback has called runtime.Goexit
			l.delivered(number)
			go l.run()
		}
	}()
	for {
		var value T
		value, number = l.next()
		if number == 0 {
			ended = true
			return
		}
		l.deliver(value)
		l.delivered(number)
	}
}

// next returns the newest value and its number. It returns 0 if that value is delivered; the goroutine must then end.
func (l *Latest[T]) next() (value T, number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done == l.put {
		l.busy = false
		return value, 0
	}
	l.since = time.Now()
	return l.value, l.put
}

// delivered records the number of the last value that was delivered; all before it were delivered or skipped.
func (l *Latest[T]) delivered(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.took = number, time.Since(l.since)
	l.waiting = settle(l.waiting, number)
}
