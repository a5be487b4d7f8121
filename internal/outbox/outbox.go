// Package outbox passes values to a callback that may block for ever, without blocking the callers.
//
// # The model
//
//	Put ─▶ queue ─▶ one goroutine ─▶ deliver, in the order of Put
//	         └─(full) dropped and counted
//
// The goroutine lives only while there is something to deliver. So an outbox need not be closed, and an empty one has
// no goroutine.
package outbox

import (
	"slices"
	"sync"
	"time"
)

// Outbox is a bounded queue in front of a callback. Its methods may be called from any goroutine, also while locks
// are held: none of them waits for the callback, except Flush.
type Outbox[T any] struct {
	limit   int
	deliver func(T)

	mu        sync.Mutex
	queue     []item[T]
	size      int // the cost of the queued values, including the one that is being delivered
	dropped   int
	put, done uint64 // how many values were accepted, and how many of them are delivered
	busy      bool   // the goroutine runs
	flushes   []flush
}

type item[T any] struct {
	value T
	cost  int
}

// flush is a caller that waits until a number of values is delivered.
type flush struct {
	upTo uint64
	done chan struct{}
}

// New returns an outbox that holds values of a total cost up to limit. Deliver is never called twice at the same time.
func New[T any](limit int, deliver func(T)) *Outbox[T] {
	return &Outbox[T]{limit: limit, deliver: deliver}
}

// Put accepts a value, or drops it and returns false when the outbox is full.
func (o *Outbox[T]) Put(value T, cost int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.size+cost > o.limit && o.size > 0 { // a value above the limit is accepted alone
		o.dropped++
		return false
	}
	o.queue = append(o.queue, item[T]{value, cost})
	o.size += cost
	o.put++
	if !o.busy {
		o.busy = true
		go o.run()
	}
	return true
}

// Dropped returns how many values were dropped so far.
func (o *Outbox[T]) Dropped() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}

// Full returns the used fraction of the limit, from 0 to 1.
func (o *Outbox[T]) Full() float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return float64(o.size) / float64(o.limit)
}

// Flush waits until all values that were accepted before are delivered, for the given time at most. It reports whether
// they are.
func (o *Outbox[T]) Flush(limit time.Duration) bool {
	o.mu.Lock()
	if o.done == o.put {
		o.mu.Unlock()
		return true
	}
	f := flush{o.put, make(chan struct{})}
	o.flushes = append(o.flushes, f)
	o.mu.Unlock()
	late := time.NewTimer(limit)
	defer late.Stop()
	select {
	case <-f.done:
		return true
	case <-late.C:
		return false
	}
}

// run delivers until the queue is empty.
func (o *Outbox[T]) run() {
	emptied := false
	defer func() {
		if !emptied { // the callback has called runtime.Goexit: the rest needs another goroutine
			o.delivered()
			go o.run()
		}
	}()
	for {
		value, ok := o.next()
		if !ok {
			emptied = true
			return
		}
		o.deliver(value)
		o.delivered()
	}
}

// next returns the value to deliver. If there is none, the goroutine must end.
func (o *Outbox[T]) next() (value T, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.queue, o.busy = nil, false
		return value, false
	}
	return o.queue[0].value, true
}

// delivered removes the value that next returned.
func (o *Outbox[T]) delivered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= o.queue[0].cost
	o.queue[0] = item[T]{}
	o.queue = o.queue[1:]
	o.done++
	o.flushes = settle(o.flushes, o.done)
}

// settle wakes the callers that wait for at most done values, and returns the others.
func settle(flushes []flush, done uint64) []flush {
	return slices.DeleteFunc(flushes, func(f flush) bool {
		if f.upTo <= done {
			close(f.done)
		}
		return f.upTo <= done
	})
}
