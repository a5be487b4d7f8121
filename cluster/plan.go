package cluster

// Plan is the effect that operations would have: where slots would be in the end. Limits and delays determine the way
// there.
type Plan struct {
	Revision string           `json:"revision" doc:"State of the cluster that the plan was made from; apply-plan takes it."`
	Moves    []PlannedMove    `json:"moves" doc:"Workers that would leave their node."`
	Starts   []PlannedStart   `json:"starts" doc:"Workers without a node that would get one."`
	Stops    []Slot           `json:"stops" doc:"Workers that would no longer be needed."`
	Unplaced []Unplaced       `json:"unplaced" doc:"Tasks with workers that would have no node."`
	Restarts []PlannedRestart `json:"restarts" doc:"Tasks whose workers would all stop before any of them starts with the new count."`
	NextRuns []PlannedRun     `json:"nextRuns,omitempty" doc:"Tasks whose next run would have another number of workers, or would not begin. Runs under way do not change."`
	Reverts  []PlannedRevert  `json:"reverts,omitempty" doc:"Declarations that would bring back an earlier one, or a deleted task."`
	Before   Balance          `json:"before" doc:"How evenly the load is distributed now."`
	After    Balance          `json:"after" doc:"How evenly the load would be distributed."`
}

// PlannedMove is a slot that would leave its node.
type PlannedMove struct {
	Slot   Slot       `json:"slot" doc:"The worker, as TASK#INDEX."`
	From   string     `json:"from" doc:"Node that it would leave."`
	To     string     `json:"to" doc:"Node that it would get, empty if it would have none."`
	Code   ReasonCode `json:"code" doc:"Reason, for programs."`
	Reason string     `json:"reason" doc:"Reason, in words."`
}

// PlannedRestart is a task whose workers would all start again with a new count.
type PlannedRestart struct {
	Task    string   `json:"task" doc:"Name of the task."`
	Workers int      `json:"workers" doc:"Number of workers that would stop."`
	From    int      `json:"from" doc:"Count that they have; 0 for none."`
	To      int      `json:"to" doc:"Count that they would have."`
	Gap     Duration `json:"gap" doc:"Longest time for which none of them would run, if each stops within its stopTimeout."`
}

// PlannedRun describes the next run of a task.
type PlannedRun struct {
	Task     string `json:"task" doc:"Name of the task."`
	Workers  int    `json:"workers" doc:"Number of workers of the next run."`
	Paused   bool   `json:"paused,omitempty" doc:"True if the task would be paused."`
	First    bool   `json:"first,omitempty" doc:"True if the task does not exist yet."`
	Schedule string `json:"schedule,omitempty" doc:"When its runs begin, in words."`
}

// PlannedRevert is a declaration that would bring back an earlier one, or a deleted task.
type PlannedRevert struct {
	Task   string `json:"task" doc:"Name of the task."`
	Code   Revert `json:"code" doc:"replaced, maybe-replaced (too long ago to be certain) or deleted."`
	Reason string `json:"reason" doc:"Reason, in words."`
}

// Revert is the kind of declaration that would be brought back.
type Revert string

// The kinds of reverts.
const (
	RevertReplaced Revert = "replaced"       // a declaration that was replaced
	RevertMaybe    Revert = "maybe-replaced" // probably one that was replaced, too long ago to be certain
	RevertDeleted  Revert = "deleted"        // a task that was deleted
)

// PlannedStart is a slot without a node that would get one.
type PlannedStart struct {
	Slot Slot   `json:"slot" doc:"The worker, as TASK#INDEX."`
	To   string `json:"to" doc:"Node that it would get."`
}

// Unplaced is a task with slots that would have no node.
type Unplaced struct {
	Task   string     `json:"task" doc:"Name of the task."`
	Slots  int        `json:"slots" doc:"Number of its workers without a node."`
	Code   ReasonCode `json:"code" doc:"Reason, for programs."`
	Reason string     `json:"reason" doc:"Reason, in words."`
}

// Balance is how evenly nodes are loaded. The load of a node is the weights of its workers, added up and divided by the
// weight of the node.
type Balance struct {
	Least float64 `json:"least" doc:"Load of the node with the least."`
	Most  float64 `json:"most" doc:"Load of the node with the most."`
	Mean  float64 `json:"mean" doc:"Mean of the loads."`
	Skew  float64 `json:"skew" doc:"Excess of the highest load over the mean, as a share of the mean; 0 if all loads are equal."`
}
