package cluster

// Plan is the effect that operations would have: where slots would be in the end. Limits and delays determine the way
// there.
type Plan struct {
	// Revision identifies the state of the cluster that the plan was made from.
	Revision string         `json:"revision"`
	Moves    []PlannedMove  `json:"moves"`    // slots that have a node now and would leave it
	Starts   []PlannedStart `json:"starts"`   // slots that have no node now and would get one
	Stops    []Slot         `json:"stops"`    // slots that would no longer be needed
	Unplaced []Unplaced     `json:"unplaced"` // tasks with slots that would have no node
	// Restarts are the tasks whose workers would all stop before any of them starts again with a new count.
	Restarts []PlannedRestart `json:"restarts"`
	// NextRuns are the tasks that run to their end and whose next run would change: in its number of workers, or because it
	// would not begin while the task is paused. Runs under way keep their number of workers.
	NextRuns []PlannedRun `json:"nextRuns,omitempty"`
	// Reverts are the declarations that would bring back an earlier one, or a deleted task.
	Reverts []PlannedRevert `json:"reverts,omitempty"`
	Before  Balance         `json:"before"`
	After   Balance         `json:"after"`
}

// PlannedMove is a slot that would leave its node.
type PlannedMove struct {
	Slot   Slot       `json:"slot"`
	From   string     `json:"from"`
	To     string     `json:"to"` // "" if it would have no node
	Code   ReasonCode `json:"code"`
	Reason string     `json:"reason"` // in words
}

// PlannedRestart is a task whose workers would all start again with a new count.
type PlannedRestart struct {
	Task    string `json:"task"`
	Workers int    `json:"workers"` // the number of workers that would stop
	From    int    `json:"from"`    // the count that they have; 0 for none
	To      int    `json:"to"`      // the count that they would have
	// Gap is the longest time for which none of them would run, provided that each stops within its stopTimeout.
	Gap Duration `json:"gap"`
}

// PlannedRun describes the next run of a task.
type PlannedRun struct {
	Task    string `json:"task"`
	Workers int    `json:"workers"`
	Paused  bool   `json:"paused,omitempty"`
	First   bool   `json:"first,omitempty"` // the task does not exist yet
	// Schedule is when its runs begin, as in TaskInfo; "" if it has no schedule.
	Schedule string `json:"schedule,omitempty"`
}

// PlannedRevert is a declaration that would bring back an earlier one, or a deleted task.
type PlannedRevert struct {
	Task   string `json:"task"`
	Code   Revert `json:"code"`
	Reason string `json:"reason"` // in words
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
	Slot Slot   `json:"slot"`
	To   string `json:"to"`
}

// Unplaced is a task with slots that would have no node.
type Unplaced struct {
	Task   string     `json:"task"`
	Slots  int        `json:"slots"`
	Code   ReasonCode `json:"code"`
	Reason string     `json:"reason"` // in words
}

// Balance is how evenly nodes are loaded. The load of a node is the weights of its workers, added up and divided by the
// weight of the node.
type Balance struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
	Mean  float64 `json:"mean"`
	// Skew is the excess of the highest load over the mean, as a share of the mean. It is 0 if all loads are equal.
	Skew float64 `json:"skew"`
}
