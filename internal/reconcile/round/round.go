package round

import (
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// MaxAssignments bounds the assignments of one commit.
const MaxAssignments = 90

// World is the input of a leader's decision: values only.
type World struct {
	Snapshot *view.Snapshot
	Self     string        // the leader's MemberID
	Leaving  bool          // the leader leaves; it knows that before its status shows it
	Now      time.Duration // lease clock
	WallNow  time.Time     // for schedules
	Began    time.Duration // when this leader began to lead
	Together int           // how many nodes start together with the leader, itself included; 0 if that is unknown
	// TakeoverDelay is that of the service, coord.OwnTimeout for the lost member's session timeout.
	TakeoverDelay  time.Duration
	Timeout        time.Duration // the leader's session timeout, assumed where an assignment contains none
	MaxAssignments int           // how many assignments one decision may write
	NextToken      int64         // the least token that this leader has not given yet
	// Ledger is the sums of what members have, which the decision brings up to date; no decision depends on what it was brought up to
	// date from. Without one, every stage looks at everything that all members have.
	Ledger *ledger.Ledger
	// Space is memory that earlier plans have used, nil for none.
	Space  *planner.Space
	Memory Memory // of the last decision
	// Reaped are members whose assignments this leader has decided to delete. If one is absent, a commit whose outcome the leader
	// did not learn has deleted it.
	Reaped map[string]bool
	// FreedWhy are slots that no node has, and why they left their nodes.
	FreedWhy map[cluster.Slot]cluster.Reason
	// Unremovable are the records of tasks and marks that could not be removed, because keys below them were created manually. The
	// keys are relative to the cluster's root.
	Unremovable map[string]bool
	// Omitted are parts of commits that are too large, and until when decisions leave them out.
	Omitted map[Part]time.Duration
	// KeepRuns prevents the removal of runs that are over, unless their agenda would be too large.
	KeepRuns bool
	// DryRun computes the plan only: no run starts or ends, and nothing is marked or removed.
	DryRun bool
	// Planner makes the plans; nil for planner.Make.
	Planner func(planner.Input) planner.Plan
}

// Decision is the result for a world. At most one of Evict and Assignments is set.
type Decision struct {
	// Assignments are the assignments to write, nil to delete, in one commit. It is valid alone: after it, any leader may continue
	// from the store.
	Assignments map[string]*schema.Assignment
	// SpecChunks are the records of specs to write in the same commit, by number.
	SpecChunks map[int64]*schema.SpecChunk
	// DropSpecs are the records of specs to delete in the same commit.
	DropSpecs []int64
	Steps     []cluster.Decided
	Token     int64 // the next token after this commit
	// Suspects replaces the record of suspects in the same commit, nil if it stays.
	Suspects *schema.Suspects
	// Marks replaces those of nodes in the same commit.
	Marks map[string]*schema.Mark
	// Requests replaces the record of requests in the same commit, nil if it stays.
	Requests *schema.Requests
	// TaskRuns replaces the agendas of tasks in the same commit, nil to delete. The commit also writes the records of newly finished
	// runs, and deletes those that are no longer kept.
	TaskRuns     map[string]*schema.TaskRuns
	FinishedRuns []schema.FinishedRun
	DropRuns     []RunKey
	// Remove are the records of deleted tasks, and empty marks; the commit then contains nothing else.
	Remove Removal
	// Evict is a live member that is to be evicted, since it is unknown what it holds.
	Evict string

	// BalanceAt replaces that of the epoch. Announce is set if that alone is worth a commit.
	BalanceAt time.Time
	Announce  bool

	// Memory replaces World.Memory.
	Memory Memory
	// FreedWhy replaces World.FreedWhy once this is committed.
	FreedWhy map[cluster.Slot]cluster.Reason
	// Forget are members of which nothing is left, not even an assignment.
	Forget []string
	// StepDown is set if this leader was asked to step down.
	StepDown bool
	// RequeueAt is when to decide again even if nothing changes, 0 for never. RequeueMembers are the members to be read again before
	// that, and when.
	RequeueAt      time.Duration
	RequeueMembers map[string]time.Duration
	// More is set if the decision does not fit into one commit.
	More bool

	// Blocked is why nothing is granted, "" if there is no obstacle.
	Blocked string
	// Unplaced is why slots of a task have no place, by task.
	Unplaced map[string]cluster.Reason
	// Pending is the number of slots that are to move and wait for the budget or for a burst of changes to end.
	Pending int
	// Doubles are the slots that several assignments list, with those assignments.
	Doubles map[cluster.Slot][]view.Listing
	// Full are nodes whose assignments have no room for all their grants.
	Full []string
	// Ahead are the tasks whose schedules were decided further than now, and therefore wait: an earlier leader's clock was ahead, or
	// this one's is behind.
	Ahead []string
	// PlanFault is set if planning failed: the plan is then a makeshift.
	PlanFault *PlanFault
}

// Writes reports whether a decision changes anything else.
func (d *Decision) Writes() bool {
	return len(d.Assignments) > 0 || len(d.SpecChunks) > 0 || len(d.DropSpecs) > 0 ||
		d.Suspects != nil || d.Requests != nil || len(d.TaskRuns) > 0 || len(d.Marks) > 0 || d.Announce
}

// RunKey names a run.
type RunKey struct{ Task, ID string }

// PlanFault is a failure of the planner, with its input.
type PlanFault struct {
	Error, Stack string
	Input        planner.Input
}

// MaxRemoved bounds the removals of one commit. With the four other operations of such a commit it is below coord.MaxOps.
const MaxRemoved = 80

// Removal are obsolete records: of deleted tasks, and marks of nodes that do not exist.
type Removal struct {
	Tasks, Marks []string
	// Record is the record of removals after that.
	Record *schema.Removed
}

// Empty reports whether nothing is removed.
func (r *Removal) Empty() bool { return r.Record == nil }
