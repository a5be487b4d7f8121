// Package sim runs whole clusters, the real nodes with leaders and workers, in one process on an
// in-memory service and a fake clock, and makes everything go wrong by a seed.
//
// # The model
//
//	machines n1 … n5 ──── links ──── servers ──── the store
//	   │ processes, one after the other, with workers; parents that clean up after them
//	   └ the nemesis hits processes, links, clocks, servers, single requests, records; and an operator
//	     scales tasks
//
// Every delay has a nanosecond of its own, decided by the seed and by what it is the delay of. No
// two things happen at one instant unless one is the cause of the other, so that a seed gives the
// same history again, byte for byte.
//
// [Safety] goes on with faults until the end, and wants nothing but that no promise is broken.
// [Liveness] heals everything and wants all work to run within the bound D, and then nothing to
// move. [Calm] has only faults that a lease outlasts, and wants nothing to move at all.
package sim

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"gitee.com/ken.yang/xconsumer/test/invariant"
)

// The service's terms, and what follows from them.
const (
	timeout = 20 * time.Second
	tick    = 2 * time.Second
	// Bound is D: how long after the last fault all work may take to run again.
	Bound = timeout + tick*3/2 + tick + 5*time.Second
)

// Mode is what a history is for.
type Mode string

// The modes.
const (
	Safety   Mode = "safety"
	Liveness Mode = "liveness"
	Calm     Mode = "calm"
)

// Options say which history.
type Options struct {
	Seed uint64
	Mode Mode
	Span time.Duration // of the faults; default 3 min
}

// Result is what became of it.
type Result struct {
	invariant.Counts
	History  string
	Wrong    []string // the promises that were broken
	Faults   map[string]int
	Grants   int
	Healed   time.Duration // how long after the last fault all work ran again
	Duration time.Duration // in simulated time
}

// Run makes one history. It replaces the test's source of randomness.
func Run(t *testing.T, o Options) (result Result) {
	t.Helper()
	if o.Span == 0 {
		o.Span = 3 * time.Minute
	}
	cryptotest.SetGlobalRandom(t, o.Seed)
	// What one cause starts at one instant then runs in the order in which it was started.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		result.Healed = w.live()
		w.end()
		result.Counts = w.check.Counts()
		result.Wrong = slices.Concat(w.wrong, w.check.Violations(), w.store.Violations())
		result.History = w.String()
		result.Faults = w.faults
		result.Grants = w.store.Grants()
		result.Duration = w.now()
	})
	return result
}

// Explain returns how a history came to break a promise: the seed, and the last lines.
func (r Result) Explain(o Options) string {
	lines := strings.Split(strings.TrimSpace(r.History), "\n")
	return fmt.Sprintf(
		"go test ./test/sim -run 'Test%s' -seed %d\n%s\n… the last of %d lines:\n%s",
		strings.ToUpper(string(o.Mode[:1]))+string(o.Mode[1:]),
		o.Seed,
		strings.Join(r.Wrong, "\n"),
		len(lines),
		strings.Join(lines[max(0, len(lines)-40):], "\n"),
	)
}

// Add adds another history's numbers.
func (r *Result) Add(o Result) {
	r.Starts += o.Starts
	r.Effects += o.Effects
	r.Refused += o.Refused
	r.Overlaps += o.Overlaps
	r.Sleepers += o.Sleepers
	r.Grants += o.Grants
	r.Healed = max(r.Healed, o.Healed)
	r.Duration += o.Duration
	for fault, n := range o.Faults {
		r.Faults[fault] += n
	}
}

// Report sums many histories up.
func (r *Result) Report(histories int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d histories, %v of simulated time\n", histories, r.Duration.Round(time.Minute))
	for _, fault := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(&b, "  %7d × %s\n", r.Faults[fault], fault)
	}
	fmt.Fprintf(&b, "%d slots granted, %d workers started, overlaps %d\n", r.Grants, r.Starts, r.Overlaps)
	fmt.Fprintf(
		&b,
		"%d effects, %d stale ones refused, %d starts while a paused process still had the slot\n",
		r.Effects,
		r.Refused,
		r.Sleepers,
	)
	if r.Healed > 0 {
		fmt.Fprintf(&b, "healed within %v of %v at worst\n", r.Healed, Bound)
	}
	return b.String()
}
