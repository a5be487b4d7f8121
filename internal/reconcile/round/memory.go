package round

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Memory is what a leader remembers from one decision to the next, besides what it has read. It starts empty with each
// term: whatever a decision must not get wrong stands in the store.
type Memory struct {
	// FirstSeen is what was first seen when of the members that may have to be given up.
	FirstSeen map[string]FirstSeen
	Delays    Delays
	// Drains are the nodes to be drained by a deadline, and when their marks were first seen.
	Drains map[string]time.Duration
	// Probations are the suspects, and since when each is where it is.
	Probations map[cluster.Slot]Probation
	// Avoids are the nodes that slots do not go to, for they failed there.
	Avoids map[cluster.Slot]Avoid
	// Failing are the members on which everything fails while the same tasks do well elsewhere, and since when.
	Failing     map[string]time.Duration
	NodeChanges NodeChanges
	Toward      Toward
}

// Moves that only make a good placement better wait for a burst of changes to end: the first change
// is acted on at once, those that follow soon are taken together.
const (
	Quiet    = 200 * time.Millisecond
	MaxDefer = 2 * time.Second
	// GatherMany is for how long more than a few changes at once are gathered.
	GatherMany = 500 * time.Millisecond
	// DepartFew is how many nodes may leave before that is more than a few.
	DepartFew = 4
)

// FirstSeen is the first sight of a member that may have to be given up: it is gone, evicted, or keys of it are absent.
type FirstSeen struct {
	At         time.Duration // the time of the decision that saw it, on the lease clock
	Assignment int64         // the version of its assignment then; less than 0 if it had none
	Delay      time.Duration // from At until a second sight may confirm it
}

// Delays is what a leader remembers of members that vanished or left: since when their slots wait.
type Delays struct {
	// Vanished are the members that vanished (package members says what that is), and when that was first seen.
	Vanished map[string]Absence
	// Frozen is set if too many vanished at once, since FrozenAt.
	Frozen     bool
	FrozenAt   time.Duration
	Departures Departures
}

// Absence is the first sight of a member that vanished.
type Absence struct {
	Node string
	At   time.Duration
}

// Departures is what a leader remembers of nodes that leave on purpose one soon after the other.
type Departures struct {
	// Known are the members that leave or have left, as long as they are there, and since when nothing runs on them; 0 for those
	// on which something does.
	Known map[string]time.Duration
	Count int           // of this burst
	Last  time.Duration // when the last one was first seen
}

// End returns when the burst is over if no other node leaves.
func (w *Departures) End() time.Duration {
	if w.Count > DepartFew {
		return w.Last + GatherMany
	}
	return w.Last + Quiet
}

// Burst returns what a leader that leaves hands over to the next one, nil if no other node has left lately.
func (w *Departures) Burst(term int64, self string, now time.Duration) *schema.Burst {
	b := &schema.Burst{Term: term, Count: w.Count}
	if w.Known == nil { // it has decided nothing, and deferred nothing
		return b
	}
	if _, leaves := w.Known[self]; leaves {
		b.Count--
	}
	if b.Count < 1 || now > w.End() {
		return nil
	}
	for memberID, since := range w.Known {
		if memberID != self && since != 0 {
			b.Deferred = max(b.Deferred, cluster.Duration(min(now-since, MaxDefer)))
		}
	}
	return b
}

// Probation is what a leader remembers of a suspect: since when it is where it is.
type Probation struct {
	Crashes int
	Token   int64 // under which it runs, 0 if it does not
	At      time.Duration
}

// Avoid are the nodes that a slot does not go to, by name, and since when.
type Avoid map[string]time.Duration

// NodeChanges is what a leader remembers of nodes that come and go one soon after the other.
type NodeChanges struct {
	// Nodes identifies the nodes at the last decision, Changed is when they last changed, and Deferred
	// since when moves for balance are deferred until a burst of changes ends, 0 if they are not.
	Nodes             string
	Changed, Deferred time.Duration
	// Gathers is since when grants wait for the nodes of a cluster that starts, 0 if they do not.
	Gathers time.Duration
}

// Toward is the plan that a leader is carrying out. Slots that change places move one after the other where few may be in motion, and
// what is there meanwhile may be worse than before: a plan made from that alone may take back what has just been done, and so on without
// end. So a leader goes on with its plan until it finds a strictly better one. The next leader knows nothing of it, and makes a plan of
// its own.
type Toward struct {
	Nodes []string // their names, "" for those that are lost or delayed
	// Places are by task: the node of each slot as an index into Nodes, planner.Nobody for none. It is nil once the plan is
	// carried out.
	Places map[string][]int32
}
