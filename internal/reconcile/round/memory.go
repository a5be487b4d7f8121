package round

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Memory is what a leader remembers from one decision to the next, in addition to its readings. It starts empty with each term:
// everything that the correctness of a decision depends on is in the store.
type Memory struct {
	// FirstSeen are the first sights of members that may have to be given up.
	FirstSeen map[string]FirstSeen
	Delays    Delays
	// Drains are the nodes to be drained by a deadline, and when their marks were first seen.
	Drains map[string]time.Duration
	// Probations are the suspects, and since when each is where it is.
	Probations map[cluster.Slot]Probation
	// Avoids are the nodes that slots do not go to, because they failed there.
	Avoids map[cluster.Slot]Avoid
	// Failing are the members on which everything fails while the same tasks run well elsewhere, and since when.
	Failing     map[string]time.Duration
	NodeChanges NodeChanges
	Returns     Returns
	Toward      Toward
}

// Moves that only improve a good placement wait for a burst of changes to end: the first change is handled at once, those that follow
// soon are handled together.
const (
	Quiet    = 200 * time.Millisecond
	MaxDefer = 2 * time.Second
	// GatherMany is how long changes are collected if there are more than a few at once.
	GatherMany = 500 * time.Millisecond
	// DepartFew is the number of nodes that counts as a few.
	DepartFew = 4
)

// FirstSeen is the first sight of a member that may have to be given up: it is gone, evicted, or keys of it are absent.
type FirstSeen struct {
	At         time.Duration // the time of the decision that saw it, on the lease clock
	Assignment int64         // the version of its assignment then; less than 0 if it had none
	Delay      time.Duration // from At until a second sight may confirm it
	// End is when a second sight may confirm it: Delay after At, or when the member's lease is over if that is known to be earlier.
	End time.Duration
}

// Delays is a leader's memory of members that vanished or left: since when their slots are delayed.
type Delays struct {
	// Vanished are the members that vanished (defined in package members), and when that was first seen.
	Vanished map[string]Absence
	// Restarts are the members that have left to be restarted, whose slots wait for their nodes, and when that was first seen.
	Restarts map[string]Absence
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

// Departures is a leader's memory of nodes that leave on purpose one soon after the other.
type Departures struct {
	// Known are the existing members that leave or have left, and since when nothing runs on them; 0 for those on which something
	// runs.
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

// Burst returns the burst that a leader that leaves hands over to the next one, nil if no other node has left lately.
func (w *Departures) Burst(term int64, self string, now time.Duration) *schema.Burst {
	b := &schema.Burst{Term: term, Count: w.Count}
	if w.Known == nil { // this leader has decided nothing, and deferred nothing
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

// Probation is a leader's memory of a suspect: since when it is where it is.
type Probation struct {
	Crashes int
	Token   int64 // of the grant, 0 if it does not run
	At      time.Duration
}

// Avoid are the nodes that a slot does not go to, by name, and since when.
type Avoid map[string]time.Duration

// NodeChanges is a leader's memory of nodes that come and go one soon after the other.
type NodeChanges struct {
	// Nodes identifies the nodes at the last decision, Changed is when they last changed, and Deferred
	// since when moves for balance are deferred until a burst of changes ends, 0 if they are not.
	Nodes             string
	Changed, Deferred time.Duration
	// Gathers is since when grants wait for the nodes of a cluster that starts, 0 if they do not.
	Gathers time.Duration
}

// Returns is a leader's memory of the nodes that come back under their names. Names is nil before its first decision.
type Returns struct {
	Live    []string                 // the live members at the last decision, sorted
	Changed time.Duration            // when those last changed
	Names   map[string]bool          // of the nodes that existed then
	Gone    map[string]time.Duration // names of nodes that existed lately, and since when they do not
	// Back are the live members whose nodes have come back and that get free slots only, and since when.
	Back map[string]time.Duration
	// Settled is set once the leader can distinguish a new node from one that comes back: it has seen the cluster without a change
	// for a while, or with nothing granted.
	Settled bool
}

// Toward is the plan that a leader is carrying out. If few slots may be in motion, slots that change places move one after another, and
// the placement in between may be worse than the one before. A plan from that placement alone could undo the last move, and so on
// without end. So a leader continues with its plan until it finds a strictly better one. The next leader does not have it, and makes
// a plan of its own.
type Toward struct {
	Nodes []string // their names, "" for those that are lost or delayed
	// Shares are by task: how many slots each of Nodes is to have, as varints, which are small. It is nil once the plan is carried out.
	Shares map[string][]byte
}
