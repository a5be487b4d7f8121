package outbox_test

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/outbox"
)

func TestDeliversInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		o := outbox.New(1000, func(n int) {
			time.Sleep(time.Millisecond)
			got = append(got, n)
		})
		var want []int
		for n := range 100 {
			o.Put(n, 1)
			want = append(want, n)
		}
		if !o.Flush(time.Minute) {
			t.Error("not flushed")
		}
		if !slices.Equal(got, want) || o.Dropped() != 0 {
			t.Errorf("got %v, dropped %d", got, o.Dropped())
		}
	}) // it fails if a goroutine is left
}

func TestACallbackThatBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		got := 0
		o := outbox.New(10, func(int) {
			<-free
			got++
		})
		for n := range 25 {
			if ok := o.Put(n, 1); ok != (n < 10) {
				t.Errorf("put %d: %v", n, ok)
			}
		}
		began := time.Now()
		if o.Flush(time.Second) {
			t.Error("flushed although nothing is delivered")
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("the flush took %v", took)
		}
		if o.Dropped() != 15 || o.Full() != 1 {
			t.Errorf("dropped %d, full %v", o.Dropped(), o.Full())
		}
		close(free)
		if !o.Flush(time.Second) || got != 10 || o.Full() != 0 {
			t.Errorf("delivered %d, full %v", got, o.Full())
		}
		if !o.Put(1, 100) || !o.Flush(time.Second) { // larger than all, but alone
			t.Error("a large one is dropped by an empty outbox")
		}
	})
}

func TestACallbackThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := 0
		o := outbox.New(10, func(n int) {
			if n == 1 {
				runtime.Goexit()
			}
			got++
		})
		for n := range 3 {
			o.Put(n, 1)
		}
		if !o.Flush(time.Second) || got != 2 {
			t.Errorf("delivered %d of 2", got)
		}
	})
}

// The newest value is delivered, values that it replaced are not, and only one Wait waits for a callback
// that hangs.
func TestLatest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var got []int
		l := outbox.NewLatest(func(n int) {
			<-free
			got = append(got, n)
		})
		if !l.Wait(time.Second) {
			t.Error("there is nothing to wait for")
		}
		began := time.Now()
		for n := range 100 {
			l.Put(n)
			if l.Wait(time.Second) {
				t.Error("not delivered")
			}
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("waited %v in all", took)
		}
		close(free)
		synctest.Wait()
		if !l.Wait(time.Second) || !slices.Equal(got, []int{0, 99}) {
			t.Errorf("delivered %v", got)
		}
	})
}

func TestLatestWaitsForTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		last := -1
		l := outbox.NewLatest(func(n int) {
			time.Sleep(600 * time.Millisecond)
			last = n
			if n == 1 {
				runtime.Goexit()
			}
		})
		for n := range 3 {
			l.Put(n)
			time.Sleep(100 * time.Millisecond)
		}
		if !l.Wait(time.Second) || last != 2 { // it waits for two calls
			t.Errorf("last delivered %d", last)
		}
		l.Put(1)
		if !l.Wait(time.Second) || last != 1 {
			t.Errorf("last delivered %d", last)
		}
	})
}

// Only one Wait waits for a callback that is always too slow. Others wait again once it is fast.
func TestLatestDoesNotWaitForWhatWasTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var takes atomic.Int64
		takes.Store(int64(time.Second))
		l := outbox.NewLatest(func(int) { time.Sleep(time.Duration(takes.Load())) })
		began := time.Now()
		for n := range 100 {
			l.Put(n)
			l.Wait(time.Second)
			time.Sleep(time.Millisecond)
		}
		if waited := time.Since(began) - 100*time.Millisecond; waited != time.Second {
			t.Errorf("waited %v in all", waited)
		}
		time.Sleep(2 * time.Second)
		takes.Store(int64(50 * time.Millisecond))
		l.Put(100)
		if l.Wait(time.Second) {
			t.Error("waited for what was too slow before")
		}
		time.Sleep(time.Second)
		l.Put(101)
		if !l.Wait(time.Second) {
			t.Error("not waited for, although the last call has ended in time")
		}
	})
}
