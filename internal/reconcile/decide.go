package reconcile

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// MaxAssignments bounds the assignments of one commit.
const MaxAssignments = 90

// World is what a leader decides from: values only.
type World struct {
	Snapshot *view.Snapshot
	Self     string        // the leader's MemberID
	Leaving  bool          // the leader leaves; it knows that before its status says so
	Now      time.Duration // lease clock
	WallNow  time.Time     // for schedules
	Began    time.Duration // when this leader began to lead
	// TakeoverDelay is that of the service, coord.OwnTimeout for the lost member's session timeout.
	TakeoverDelay  time.Duration
	Timeout        time.Duration // the leader's session timeout, assumed where an assignment does not say another one
	MaxAssignments int           // how many assignments one decision may write
	NextToken      int64         // the least token that this leader has not given yet
	Memory         Memory        // of the last decision
	// Reaped are members whose assignments this leader has decided to delete. One that is missing was deleted by a commit
	// whose outcome the leader did not learn.
	Reaped map[string]bool
	// Left are slots that nobody has, and why they left their nodes.
	Left map[cluster.Slot]cluster.Reason
	// Unremovable are records that could not be removed, below the cluster's root: a hand has made keys below them.
	Unremovable map[string]bool
	// LeftOut are parts of commits that are too large, and until when decisions leave them out.
	LeftOut map[Part]time.Duration
	// KeepRuns keeps runs that are over from being forgotten now, unless their agenda would be too large.
	KeepRuns bool
	// DryRun computes the plan only: no run starts or ends, and nothing is marked or removed.
	DryRun bool
	// Planner makes the plans; nil for planner.Make.
	Planner func(planner.Input) planner.Plan
}

// Memory is what a leader remembers from one decision to the next, besides what it has read. It starts empty with each
// term: whatever a decision must not get wrong stands in the store.
type Memory struct {
	// FirstSeenGone are the members that are gone, or have to go, and when that was seen first.
	FirstSeenGone map[string]FirstSeen
	Delays        Delays
	// Probations are the suspects, and since when each is where it is.
	Probations map[cluster.Slot]Probation
	// Avoids are the nodes that slots do not go to, for they failed there.
	Avoids map[cluster.Slot]Avoid
	// Failing are the members on which everything fails while the same tasks do well elsewhere, and since when.
	Failing map[string]time.Duration
	Burst   Burst
	Toward  Toward
}

// Decision is what follows from a world. At most one of Evict and Docs is set.
type Decision struct {
	// Assignments are the assignments to write, nil to delete; one commit. It is valid alone: after
	// it, whoever leads may go on from the store.
	Assignments map[string]*schema.Assignment
	Moves       []cluster.Decided
	Token       int64 // the next token after this commit
	// Suspects replaces the record of suspects in the same commit, nil if it stays.
	Suspects *schema.Suspects
	// Marks replaces those of nodes in the same commit.
	Marks map[string]*schema.Mark
	// Requests replaces the record of requests in the same commit, nil if it stays.
	Requests *schema.Requests
	// TaskRuns replaces those of tasks in the same commit, nil to delete; with them go the records of
	// runs that are over: new ones, and those that are no longer kept.
	TaskRuns     map[string]*schema.TaskRuns
	FinishedRuns []schema.FinishedRun
	DropRuns     []RunKey
	// Remove are records of which nothing is left to do; nothing else is in the commit then.
	Remove Removal
	// Evict is a live member that is to be evicted, since nobody can know what it holds.
	Evict string

	// Memory replaces World.Memory.
	Memory Memory
	// Left replaces World.Left once this is committed.
	Left map[cluster.Slot]cluster.Reason
	// Forget are members of whom nothing is left, not even an assignment.
	Forget []string
	// StepDown is set if this leader was asked to step down.
	StepDown bool
	// RequeueAt is when to decide again even if nothing changes, 0 for never. RequeueMembers are read again for that.
	RequeueAt      time.Duration
	RequeueMembers []string
	// More is set if one commit is too small for all that is to be done.
	More bool

	// Blocked says why nothing is granted, "" if nothing stands in the way.
	Blocked string
	// Unplaced says why slots of a task have no place.
	Unplaced map[string]cluster.Reason
	// Pending is how many slots are to move and wait for the budget or for a burst of changes to end.
	Pending int
	// Doubles are the slots that several assignments list, and which.
	Doubles map[cluster.Slot][]view.Holder
	// Full are nodes whose assignments have no room for all that they should be granted.
	Full []string
	// Ahead are the tasks whose schedules were decided about further than now, so that they wait: an earlier
	// leader's clock was ahead, or this one's is behind.
	Ahead []string
	// PlanFault is set if planning failed: the plan is a makeshift then.
	PlanFault *PlanFault
}

// Decide returns the leader's decision: what to write next. It is a pure function, called again
// after every commit and whenever something was read.
//
// A slot is granted only when no assignment lists it, this decision's own changes counted. It
// leaves an assignment's releasing list only on the word of its member, given after the release;
// and an assignment is deleted only when nothing of its member can run any longer. A slot of a task is
// granted only while no assignment lists one of the task whose worker is told another count than it is.
//
// Records of runs that are over are deleted only by decisions that write no assignment: their checkpoints go first, one
// commit after the other, and nobody's slots are to wait for that.
func Decide(w World) Decision {
	d := decide(w)
	if len(d.Assignments) > 0 && len(d.DropRuns) > 0 {
		w.KeepRuns = true
		d = decide(w)
	}
	return d
}

// decide lists the stages of a decision; inspect lists those before the plan. A stage takes values and returns what it finds
// out. What is to be written, and when to decide again, it puts into the commit, which is all that changes on the way.
func decide(w World) Decision {
	c := newCommit(&w)
	s := inspect(w, c)
	if c.out.Evict != "" { // first things first: the rest is decided again after it
		return c.evictOnly()
	}
	p := place(s, c)
	asked, burst := selectReleases(s, p, c)
	release(s, p, asked, c)
	burst = grant(s, p, burst, c)
	applyRequests(s, p, asked, c)
	remove(s.facts, c)
	c.out.Memory.Burst, c.out.Memory.Toward = burst, p.toward()
	c.out.Left = c.stillFree(s.facts)
	return c.out
}

// inspect lists the stages before the plan: what becomes of runs and members, and what stands in the way.
func inspect(w World, c *commit) *survey {
	f, pending, begun := advanceRuns(w, c)
	next := f.nextToken()
	states, firstSeen := classify(f, c)
	states, delays, delayed := applyDelays(f, states, firstSeen, c)
	states = reap(f, states, pending, c)
	doubles := f.Snapshot.Doubles()
	recalls := findRecalls(f, next, doubles)
	barriers := findBarriers(f, states, delayed, c)
	loops := findCrashLoops(f, states, c)
	avoids, failing := findFailures(f, states, c)
	moves := findMoves(f, states)
	c.out.Token, c.out.Doubles = next, doubles
	c.out.Memory = Memory{
		FirstSeenGone: firstSeen, Delays: delays, Probations: loops.probations, Avoids: avoids, Failing: failing,
		Burst: w.Memory.Burst, Toward: w.Memory.Toward,
	}
	if c.leavesOut(PartAssignment, c.out.Evict) {
		c.out.Evict = ""
	}
	return &survey{f, states, delayed, pending, begun, recalls, barriers, loops, avoids, moves}
}

// survey is what a leader finds out before it plans.
type survey struct {
	facts    *facts
	members  members                   // what becomes of each
	delayed  map[string]cluster.Reason // members whose slots wait although they might be given away
	pending  pendingRuns
	begun    map[string]bool // runs asked for by operators that there are now
	recalls  recalls
	barriers barriers
	loops    *crashLoops
	avoids   map[cluster.Slot]Avoid
	moves    moveRequests
}

// Reasons says why slots of tasks have no place, by task, where there is more to say than that
// they are on their way.
func Reasons(s *view.Snapshot) map[string]cluster.Reason {
	return present(s).unplaced
}
