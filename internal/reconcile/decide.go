package reconcile

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// MaxDocs bounds the documents of one commit.
const MaxDocs = 90

// World is what a leader decides from: values only.
type World struct {
	Snapshot *view.Snapshot
	Self     string        // the leader's GUID
	Leaving  bool          // the leader leaves; it knows that before its status says so
	Now      time.Duration // lease clock
	// TakeoverDelay is that of the service, coord.OwnTimeout for the lost member's session timeout.
	TakeoverDelay time.Duration
	Timeout       time.Duration // own session timeout, assumed where a document does not tell
	Began         time.Duration // when this leader began to lead
	WallNow       time.Time     // for schedules
	MaxDocs       int           // documents that one decision may write
	// NextToken is the least token that this leader has not given yet.
	NextToken int64
	// Looks are the members that were seen gone, and when first. With Buried it
	// and Trials it is the leader's only memory besides the snapshot, and starts empty with each
	// term.
	Looks map[string]Look
	// Buried are members that this leader has decided to bury. A document of theirs that is
	// missing was deleted by a commit whose outcome it did not learn.
	Buried map[string]bool
	// Trials are the suspects, and since when each is where it is.
	Trials map[cluster.Slot]Trial
	// Avoids are the nodes that slots do not go to, for they failed there.
	Avoids map[cluster.Slot]Avoid
	Waits  Waits
	// Left are slots that nobody has, and why they left their nodes.
	Left map[cluster.Slot]cluster.Reason
	// Stays are records that could not be removed, below the cluster's root: a hand has made keys below them.
	Stays map[string]bool
	// Around are parts of commits that are too large, and until when decisions leave them out.
	Around map[Part]time.Duration
	// KeepRuns says that runs which are over are not to be forgotten now, unless their agenda would be too large.
	KeepRuns bool
	// Planner makes the plans; nil for planner.Make.
	Planner func(planner.Input) planner.Plan
	// DryRun says that nothing is to begin or end: somebody only looks.
	DryRun bool
}

// Look is the first sight of a member that is gone or has to be.
type Look struct {
	At   time.Duration // when it was decided so, on the lease clock
	Doc  int64         // the version of its document then
	Wait time.Duration // from At until its slots may be given away
}

// Decision is what follows from a world. At most one of Evict and Docs is set.
type Decision struct {
	// Docs are the documents to write, nil to delete; one commit. It is valid alone: after
	// it, whoever leads may go on from the store.
	Docs  map[string]*schema.Doc
	Moves []schema.Move
	Token int64 // the next token after this commit
	// Suspects replaces the record of suspects in the same commit, nil if it stays.
	Suspects *schema.Suspects
	// Evict is a live member without a document: it is to be evicted, what it holds with it.
	Evict string
	// Forget are members of whom nothing is left, not even a document.
	Forget []string
	// Looks replaces World.Looks.
	Looks map[string]Look
	// Trials replaces World.Trials.
	Trials map[cluster.Slot]Trial
	// Waits replaces World.Waits.
	Waits Waits
	// Left replaces World.Left once this is committed.
	Left map[cluster.Slot]cluster.Reason
	// Avoids replaces World.Avoids.
	Avoids map[cluster.Slot]Avoid
	// Marks replaces those of nodes in the same commit.
	Marks map[string]*schema.Mark
	// Orders replaces the record of orders in the same commit, nil if it stays.
	Orders *schema.Orders
	// Agendas replaces those of tasks in the same commit, nil to delete; with them go the records of
	// runs that are over, new ones and those that are not kept any more.
	Agendas  map[string]*schema.Agenda
	Ran      []schema.Ran
	DropRuns []RunKey
	// Remove are records of which nothing is left to do; nothing else is in the commit then.
	Remove Removal
	// Ahead are the tasks whose schedules were decided about further than now, so that they wait: an earlier
	// leader's clock was ahead, or this one's is behind.
	Ahead []string
	// StepDown says that this leader was asked to step down.
	StepDown bool
	// Again is when to read these members again and decide anew; 0 for never.
	Again time.Duration
	Look  []string
	// Unplaced says why slots of a task have no place.
	Unplaced map[string]cluster.Reason
	// Pending is how many slots are to move and wait for the budget or for a burst of changes to end.
	Pending int
	// PlanFault is set if planning failed: the plan is a makeshift then.
	PlanFault *PlanFault
	// Doubles are the slots that several documents list, and which.
	Doubles map[cluster.Slot][]view.Holder
	// Full are nodes whose documents have no room for all that they should be granted.
	Full []string
	// More says that one commit is too small for all that is to be done.
	More bool
	// Blocked says why nothing is granted, "" if nothing stands in the way.
	Blocked string
}

// Decide is the leader's decision: what to write next. It is a pure function, called again
// after every commit and whenever something was read.
//
// A slot is granted only when no document lists it, this decision's own changes counted. It
// leaves a document's releasing list only on the word of its member, given after the release;
// and a document is deleted only when nothing of its member can run any more. A slot of a task is
// granted only while no document lists one of the task whose worker is told another count than it is.
//
// Records of runs that are over are deleted only by decisions that write no document: their checkpoints go first, one
// commit after the other, and nobody's slots are to wait for that.
func Decide(w World) Decision {
	d := decide(w)
	if len(d.Docs) > 0 && len(d.DropRuns) > 0 {
		w.KeepRuns = true
		d = decide(w)
	}
	return d
}

// decide lists the stages of a decision. Each takes values and returns what it finds out; what is to be written, and when to
// decide again, goes into the commit.
func decide(w World) Decision {
	c := newCommit(&w)
	s := inspect(w, c)
	if c.out.Evict != "" { // first things first: the rest is decided again after it
		return c.evictOnly()
	}
	p := place(s, c)
	c.out.Waits.Toward = p.toward()
	asked, burst := selectReleases(s, p, c)
	release(s, p, asked, c)
	c.out.Waits.Burst = grant(s, p, burst, c)
	applyRequests(s, p, asked, c)
	remove(s.facts, c)
	c.out.Left = c.stillFree(s.facts)
	return c.out
}

// inspect lists the stages before the plan: what becomes of runs and members, and what stands in the way.
func inspect(w World, c *commit) *survey {
	s := &survey{}
	s.facts, s.pending, s.begun = advanceRuns(w, c)
	states, looks := classify(s.facts, c)
	states, s.waits, s.delayed = applyDelays(s.facts, states, looks, c)
	s.members = reap(s.facts, states, s.pending, c)
	c.out.Doubles = s.facts.Snapshot.Doubles()
	s.recalls = findRecalls(s.facts, c.out.Doubles)
	s.barriers = findBarriers(s.facts, s.members, s.delayed, c)
	s.loops = findCrashLoops(s.facts, s.members, c)
	s.avoids, s.waits.Failing = findFailures(s.facts, s.members, c)
	s.moves = findMoves(s.facts, s.members)
	c.out.Looks, c.out.Trials, c.out.Avoids, c.out.Waits = looks, s.loops.trials, s.avoids, s.waits
	c.out.Token = s.facts.nextToken()
	if c.leavesOut(PartDoc, c.out.Evict) {
		c.out.Evict = ""
	}
	return s
}

// survey is what a leader finds out before it moves anything.
type survey struct {
	facts    *facts
	pending  pendingRuns
	begun    map[string]bool // runs asked for by operators that there are now
	members  members
	delayed  map[string]cluster.Reason // members whose slots wait although they might be given away
	waits    Waits
	recalls  recalls
	barriers barriers
	loops    *crashLoops
	avoids   map[cluster.Slot]Avoid
	moves    moveOrders
}

// Reasons says why slots of tasks have no place, by task, where there is more to say than that
// they are on their way.
func Reasons(s *view.Snapshot) map[string]cluster.Reason {
	return present(s).unplaced
}

func nonNil(list []schema.Held) []schema.Held {
	if list == nil {
		return []schema.Held{}
	}
	return list
}
