package outbox

import (
	"slices"
	"sync"
	"time"
)

// Latest hands the newest value to a callback that may take for ever: values that are overtaken while the callback is
// busy are left out. Its methods may be called from any goroutine, and only Wait waits.
type Latest[T any] struct {
	deliver func(T)

	mu        sync.Mutex
	value     T
	put, done uint64        // how many were given, and up to which one is delivered or overtaken
	busy      bool          // there is a goroutine
	since     time.Time     // when the present call of the callback began
	took      time.Duration // the last call that ended
	waiting   []flush
}

// NewLatest returns a mailbox. Deliver is never called twice at the same time.
func NewLatest[T any](deliver func(T)) *Latest[T] { return &Latest[T]{deliver: deliver} }

// Put has a value delivered, unless a newer one overtakes it.
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

// Wait waits until the value that was put last, or a newer one, is delivered. It reports whether that is so, and gives
// up when a call of the callback has taken as long as patience. After such a call nobody waits until one has ended in
// time again: so a callback that hangs, or is too slow each time, is waited for once, however many wait one after the
// other. No wait lasts longer than the rest of one call and another one.
func (l *Latest[T]) Wait(patience time.Duration) bool {
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
		left := patience - time.Since(l.since)
		if l.took >= patience {
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
		case <-late.C: // the callback may have begun again since
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
		if !ended { // the callback has ended its goroutine
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

// next returns the newest value and its number, 0 when that is delivered. Then the goroutine has to end.
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

// delivered notes up to which value all are delivered or overtaken.
func (l *Latest[T]) delivered(number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.took = number, time.Since(l.since)
	l.waiting = settle(l.waiting, number)
}
