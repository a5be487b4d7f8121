package watchset_test

import (
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/coord/internal/watchset"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHints(t *testing.T) {
	var set watchset.Set[int]
	var called []string
	add := func(key, name string) (stop func()) {
		return set.Add(key, func() { called = append(called, name) })
	}
	calls := func(hint func(), want ...string) {
		t.Helper()
		called = nil
		hint()
		if !slices.Equal(called, want) {
			t.Errorf("called %q; want %q", called, want)
		}
	}
	all := set.HintAll
	a := func() { set.Hint("/a") }
	calls(a)
	calls(all)
	stop1 := add("/a", "a1")
	stop2 := add("/a", "a2")
	add("/b", "b1")
	calls(a, "a1", "a2")
	calls(all, "a1", "a2", "b1")
	stop1()
	stop1()
	calls(a, "a2")
	add("/a", "a3")
	calls(a, "a2", "a3")
	if hints := set.Hints("/a"); len(hints) != 2 || hints[0].ID != 1 || hints[1].ID != 2 {
		t.Errorf("hints %+v", hints)
	}
	stop2()
	if keys := set.Keys(); !slices.Equal(keys, []string{"/a", "/b"}) {
		t.Errorf("keys %q", keys)
	}
}

// A hint that stops watches, or adds some, does not wait for itself.
func TestHintsMayCallTheSet(t *testing.T) {
	var set watchset.Set[struct{}]
	var stop func()
	stop = set.Add("/a", func() {
		stop()
		set.Add("/b", func() {})
	})
	set.Hint("/a")
	if keys := set.Keys(); !slices.Equal(keys, []string{"/b"}) {
		t.Errorf("keys %q", keys)
	}
}

// The state of a key lives from the first Add to the last stop. A later watch of the key has a new state.
func TestState(t *testing.T) {
	var ended []int
	set := watchset.Set[int]{Unwatched: func(n *int) { ended = append(ended, *n) }}
	if set.Update("/a", func(*int) { t.Error("a key that is not watched has a state") }) {
		t.Error("/a is watched")
	}
	stop1 := set.Add("/a", func() {})
	stop2 := set.Add("/a", func() {})
	var former *int
	if !set.Update("/a", func(n *int) { *n, former = 7, n }) {
		t.Error("/a is not watched")
	}
	stop1()
	stop1()
	if len(ended) > 0 {
		t.Errorf("unwatched %v while one watch is left", ended)
	}
	stop2()
	if !slices.Equal(ended, []int{7}) {
		t.Errorf("unwatched %v; want 7", ended)
	}
	stop3 := set.Add("/a", func() {})
	stop2() // of the former
	set.Update("/a", func(n *int) {
		if *n != 0 || n == former {
			t.Errorf("the state of the former watch is there again: %d", *n)
		}
		*n = 8
	})
	stop3()
	if !slices.Equal(ended, []int{7, 8}) {
		t.Errorf("unwatched %v; want 7 and 8", ended)
	}
}

func TestSetIsForManyGoroutines(t *testing.T) {
	var set watchset.Set[int]
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				stop := set.Add("/a", func() {})
				set.Update("/a", func(n *int) { *n++ })
				set.HintAll()
				stop()
			}
		})
	}
	all.Wait()
	if keys := set.Keys(); len(keys) > 0 {
		t.Errorf("left: %q", keys)
	}
}
