// Package scale measures what a cluster costs and how fast it settles at 10 to 1,000 nodes and up to 100,000 slots, beside
// the raw operations that a change cannot do without, and beside what people would otherwise write.
//
//	system   xconsumer | original | locks | election   ─▶  recorder: who runs what, since when
//	change   coldstart, add1, remove1, lost1 …         ─▶  settled: everything runs, evenly, where it should
//	counts   what the sessions have measured           ─▶  writes, reads, bytes; floor: the same by the client alone
package scale

import (
	"slices"
	"sync"
	"time"
)

// recorder keeps which node runs which slot. Workers report it themselves.
type recorder struct {
	mu         sync.Mutex
	holder     []string // of each slot, "" for nobody
	since      []time.Time
	per        map[string]int
	running    int
	duplicates int
	moved      map[int]time.Time // slots that started since mark, and when last
	starts     int               // since mark
	last       time.Time
}

func newRecorder(slots int) *recorder {
	return &recorder{holder: make([]string, slots), since: make([]time.Time, slots), per: map[string]int{}, moved: map[int]time.Time{}}
}

// grow makes room for more slots.
func (r *recorder) grow(slots int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.holder) < slots {
		r.holder, r.since = append(r.holder, ""), append(r.since, time.Time{})
	}
}

// start notes that a node runs a slot. Somebody else who does as well is a duplicate.
func (r *recorder) start(slot int, node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if old := r.holder[slot]; old != "" {
		if old == node {
			return
		}
		r.duplicates++
		r.per[old]--
		r.running--
	}
	r.holder[slot], r.since[slot] = node, now
	r.per[node]++
	r.running++
	r.moved[slot], r.last = now, now
	r.starts++
}

// stop notes that a node runs a slot no more.
func (r *recorder) stop(slot int, node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.holder[slot] == node {
		r.holder[slot] = ""
		r.per[node]--
		r.running--
		r.last = time.Now()
	}
}

// lose forgets all that a node runs: it is gone, whatever its workers still do.
func (r *recorder) lose(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot, holder := range r.holder {
		if holder == node {
			r.holder[slot] = ""
			r.running--
		}
	}
	delete(r.per, node)
}

// mark starts a new count of moves.
func (r *recorder) mark() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moved, r.starts, r.duplicates = map[int]time.Time{}, 0, 0
}

// holderOf returns the node that runs a slot, "" if none does.
func (r *recorder) holderOf(slot int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holder[slot]
}

// count returns how many slots a node runs.
func (r *recorder) count(node string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.per[node]
}

// settled reports whether so many slots run, on these nodes, as evenly as can be.
func (r *recorder) settled(slots int, nodes []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != slots {
		return false
	}
	least, most := slots/len(nodes), (slots+len(nodes)-1)/len(nodes)
	for _, n := range nodes {
		if r.per[n] < least || r.per[n] > most {
			return false
		}
	}
	return true
}

// complete reports whether so many slots run, wherever that is.
func (r *recorder) complete(slots int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.running == slots
}

// times is how long after a moment slots ran.
type times struct{ first, p50, p99, last time.Duration }

// took returns how long after a moment the slots that moved ran for the last time, how often slots were started, and duplicates. Where
// none moved, the times are when the last one stopped.
func (r *recorder) took(since time.Time) (t times, moves, duplicates int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []time.Duration
	for _, at := range r.moved {
		all = append(all, at.Sub(since))
	}
	slices.Sort(all)
	if last := len(all) - 1; last >= 0 {
		t = times{all[0], all[last/2], all[last*99/100], all[last]}
	} else if r.last.After(since) {
		at := r.last.Sub(since)
		t = times{at, at, at, at}
	}
	return t, r.starts, r.duplicates
}
