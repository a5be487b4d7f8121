// Package outbox hands values to a callback that may take for ever, without making anybody wait.
//
// # The model
//
//	Put ─▶ queue ─▶ one goroutine ─▶ deliver, in the order of Put
//	         └─(full) dropped and counted
//
// The goroutine lives only while there is something to deliver. So there is nothing to close, and nothing is left of
// an outbox that has been emptied.
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
	size      int // what the queued ones cost, with the one that is being delivered
	dropped   int
	put, done uint64 // how many were accepted, and how many of those are delivered
	busy      bool   // there is a goroutine
	flushes   []flush
}

type item[T any] struct {
	value T
	cost  int
}

// flush waits until so many are delivered.
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
	if o.size+cost > o.limit && o.size > 0 { // one that is larger than all goes alone
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

// Full returns which part of the limit is taken, 0 to 1.
func (o *Outbox[T]) Full() float64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return float64(o.size) / float64(o.limit)
}

// Flush waits until all that was accepted before is delivered, for the given time at most. It reports whether it is.
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

// run delivers until nothing is left.
func (o *Outbox[T]) run() {
	emptied := false
	defer func() {
		if !emptied { // the callback has ended its goroutine: the rest needs another
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

// next returns what is to be delivered. When there is nothing, the goroutine has to end.
func (o *Outbox[T]) next() (value T, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) == 0 {
		o.queue, o.busy = nil, false
		return value, false
	}
	return o.queue[0].value, true
}

// delivered removes what next returned.
func (o *Outbox[T]) delivered() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.size -= o.queue[0].cost
	o.queue[0] = item[T]{}
	o.queue = o.queue[1:]
	o.done++
	o.flushes = settle(o.flushes, o.done)
}

// settle lets those go who wait for no more than so many, and returns the others.
func settle(flushes []flush, done uint64) []flush {
	return slices.DeleteFunc(flushes, func(f flush) bool {
		if f.upTo <= done {
			close(f.done)
		}
		return f.upTo <= done
	})
}
