// Package invariant is what must hold in every history of a cluster, whoever made it: small worlds
// that are walked through, simulated clusters, real processes.
//
// # The model
//
// A history consists of notes by those who see it happen: workers say when they start, write and
// stop, faults say whom they hit. A [Checker] judges the notes, a [Store] the commits:
//
//	I1  never two live workers of a slot                        Checker
//	I2  no effect is accepted with an older token               Checker: it is the fenced register
//	I3  soon after the last fault every slot runs               Checker.Missing
//	I4  tokens rise with every grant                            Checker, Store
//	I5  the store is consistent, and free of litter             Store, Litter
//	I6  nothing is leaked                                       goleak, Litter, process tables
//	I7  only what a fault touched moves                         Checker.Since
//	I8  a release ends in time                                  Checker, Store.Released
//	I10 never two counts of a task at once, nor two owners of   Checker, Store, KeysOf
//	    a key by index and count; and I2 holds for keys, too
//	I12 the specs that grants name are stored, and stay those   Store
//
// A worker whose process is paused does not run, and nobody can stop it: when it wakes it may go on
// for a moment, and its effects are refused.
package invariant

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Kinds of notes.
const (
	Start   = "start"   // a worker has begun
	Asked   = "asked"   // it was asked to stop
	Stop    = "stop"    // it has ended
	Overlap = "overlap" // it could not begin: the kernel says that the slot runs elsewhere
	Effect  = "effect"  // it writes to the fenced register
	Died    = "died"    // the process has ended, and all of its workers
	Paused  = "paused"  // the process does not run
	Resumed = "resumed"
)

// Note is something that happened.
type Note struct {
	At    time.Duration `json:"at"` // by one clock for all
	What  string        `json:"what"`
	Node  string        `json:"node"` // a name of one life of a process
	Slot  string        `json:"slot,omitempty"`
	Token int64         `json:"token,omitempty"`
	Count int           `json:"count,omitempty"` // that the worker has
	Key   string        `json:"key,omitempty"`   // of an overlap: the key, if it is not of the slot
}

// Checker judges a history. Its methods may be called from any goroutine.
type Checker struct {
	// Kernel is set where workers hold locks of the kernel's: then only Overlap says that a slot runs
	// twice, and a start shows that whoever had it has ended, though nobody could note that.
	Kernel bool
	// Wake is how long a process that was paused may take to stop what it should not run.
	Wake time.Duration
	// Careful, if set, names the tokens of workers that ask whether their lease holds just before
	// they write: none of their effects may be refused, whatever was paused.
	Careful func(token int64) bool

	mu       sync.Mutex
	runs     map[string][]Note // by slot: the starts of those that have not ended
	started  map[string]Note   // by slot: the start with the highest token
	register map[string]int64  // by slot, and by key: the highest token that wrote
	paused   map[string]bool
	resumed  map[string]time.Duration
	starts   []Note
	wrong    []string
	counts   Counts
}

// Counts is what a history was made of.
type Counts struct {
	Starts   int // workers that began
	Effects  int // that were accepted
	Refused  int // stale effects that the register refused
	Overlaps int // of workers that ran, which must be 0
	Sleepers int // starts while a paused process still had the slot
}

// Note judges the next note of a history.
func (c *Checker) Note(n Note) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs, c.started, c.register = map[string][]Note{}, map[string]Note{}, map[string]int64{}
		c.paused, c.resumed = map[string]bool{}, map[string]time.Duration{}
	}
	switch n.What {
	case Start:
		c.start(n)
	case Stop:
		c.runs[n.Slot] = slices.DeleteFunc(c.runs[n.Slot], func(r Note) bool { return r.Node == n.Node && r.Token == n.Token })
	case Overlap:
		if c.sleeperHas(n) {
			c.counts.Sleepers++
			break
		}
		c.counts.Overlaps++
		if n.Key != "" {
			c.fail("I10", n, "key %s has another owner, says the kernel", n.Key)
			break
		}
		c.fail("I1", n, "it runs elsewhere, says the kernel")
	case Effect:
		c.effect(n)
	case Died:
		for slot, runs := range c.runs {
			c.runs[slot] = slices.DeleteFunc(runs, func(r Note) bool { return r.Node == n.Node })
		}
		delete(c.paused, n.Node)
	case Paused:
		c.paused[n.Node] = true
	case Resumed:
		delete(c.paused, n.Node)
		c.resumed[n.Node] = n.At
	}
}

func (c *Checker) fail(invariant string, n Note, format string, args ...any) {
	c.wrong = append(
		c.wrong,
		fmt.Sprintf("%s: at %v %s of %s on %s with token %d: %s", invariant, n.At, n.What, n.Slot, n.Node, n.Token, fmt.Sprintf(format, args...)),
	)
}

func (c *Checker) start(n Note) {
	if c.Kernel {
		delete(c.runs, n.Slot)
	}
	for _, r := range c.runs[n.Slot] {
		if c.asleep(r.Node, n.At) {
			c.counts.Sleepers++
			continue
		}
		c.counts.Overlaps++
		c.fail("I1", n, "it has been running on %s with token %d since %v", r.Node, r.Token, r.At)
	}
	c.judgeCount(n)
	if last, ok := c.started[n.Slot]; ok && !c.asleep(n.Node, n.At) {
		switch {
		case n.Token < last.Token:
			c.fail("I4", n, "token %d was started at %v on %s", last.Token, last.At, last.Node)
		case n.Token == last.Token && n.Node != last.Node:
			c.fail("I4", n, "%s was granted the same token", last.Node)
		}
	}
	if last := c.started[n.Slot]; n.Token >= last.Token {
		c.started[n.Slot] = n
	}
	c.runs[n.Slot] = append(c.runs[n.Slot], n)
	c.starts = append(c.starts, n)
	c.counts.Starts++
}

// judgeCount requires that all workers of a task have the same count. Where the kernel has the last word, locks of keys say it.
func (c *Checker) judgeCount(n Note) {
	if c.Kernel || c.asleep(n.Node, n.At) {
		return
	}
	task, _ := split(n.Slot)
	for _, slot := range slices.Sorted(maps.Keys(c.runs)) {
		if other, _ := split(slot); other != task {
			continue
		}
		for _, r := range c.runs[slot] {
			if r.Count != n.Count && !c.asleep(r.Node, n.At) {
				c.fail(
					"I10",
					n,
					"it has a count of %d, and %s on %s with token %d has had %d since %v",
					n.Count,
					slot,
					r.Node,
					r.Token,
					r.Count,
					r.At,
				)
			}
		}
	}
}

// sleeperHas reports whether a paused process has what a worker could not begin with: the slot, or the key.
func (c *Checker) sleeperHas(n Note) bool {
	task, _ := split(n.Slot)
	for slot, runs := range c.runs {
		other, index := split(slot)
		if n.Key == "" && slot != n.Slot || other != task {
			continue
		}
		for _, r := range runs {
			if c.asleep(r.Node, n.At) && (n.Key == "" || slices.Contains(KeysOf(task, index, r.Count), n.Key)) {
				return true
			}
		}
	}
	return false
}

// split returns the task and the index of a slot.
func split(slot string) (task string, index int) {
	task, text, _ := strings.Cut(slot, "#")
	index, _ = strconv.Atoi(text)
	return task, index
}

// keys is how many keys each task divides among its workers.
const keys = 100

// KeysOf returns the keys of a worker that divides them by index and count, none if it has no count.
func KeysOf(task string, index, count int) (list []string) {
	for key := index; count > 0 && key < keys; key += count {
		list = append(list, fmt.Sprintf("%s/%d", task, key))
	}
	return list
}

// asleep reports whether a process is paused or has hardly woken up.
func (c *Checker) asleep(node string, now time.Duration) bool {
	at, woken := c.resumed[node]
	return c.paused[node] || woken && now <= at+c.Wake
}

// effect is the fenced register: it remembers the highest token of a slot, and of each key, and refuses lower ones.
func (c *Checker) effect(n Note) {
	task, index := split(n.Slot)
	refused := false
	for _, of := range append(KeysOf(task, index, n.Count), n.Slot) {
		if n.Token >= c.register[of] {
			c.register[of] = n.Token
			continue
		}
		refused = true
		if careful := c.Careful != nil && c.Careful(n.Token); careful || !c.asleep(n.Node, n.At) {
			c.fail("I2", n, "a worker that was not paused, or whose lease held, finds token %d in the register of %s", c.register[of], of)
		}
	}
	if refused {
		c.counts.Refused++
	} else {
		c.counts.Effects++
	}
}

// Violations returns what is wrong with the history.
func (c *Checker) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.wrong)
}

// Counts returns what the history was made of.
func (c *Checker) Counts() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.counts
}

// Running returns where each slot runs.
func (c *Checker) Running() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	running := map[string]string{}
	for slot, runs := range c.runs {
		for _, r := range runs {
			if !c.paused[r.Node] {
				running[slot] = r.Node
			}
		}
	}
	return running
}

// Missing returns the wanted slots that do not run, and the others that do.
func (c *Checker) Missing(want map[string]bool) []string {
	running := c.Running()
	var wrong []string
	for _, slot := range slices.Sorted(maps.Keys(want)) {
		if running[slot] == "" {
			wrong = append(wrong, slot+" does not run")
		}
	}
	for _, slot := range slices.Sorted(maps.Keys(running)) {
		if !want[slot] {
			wrong = append(wrong, slot+" runs on "+running[slot]+" and should not")
		}
	}
	return wrong
}

// Since returns the starts after a time.
func (c *Checker) Since(at time.Duration) []Note {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(c.starts), func(n Note) bool { return n.At <= at })
}
