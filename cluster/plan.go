package cluster

// Plan is what operations would do: where slots would be in the end. How they get there, budgets and
// delays say.
type Plan struct {
	// Revision identifies the cluster's state that the plan was made from.
	Revision string         `json:"revision"`
	Moves    []PlannedMove  `json:"moves"`    // slots that have a node now and would leave it
	Starts   []PlannedStart `json:"starts"`   // slots that have no node now and would get one
	Stops    []Slot         `json:"stops"`    // slots that nobody would need any more
	Unplaced []Unplaced     `json:"unplaced"` // tasks with slots that would have no node
	// Restarts are the tasks whose workers would all stop before any starts again, being told another count.
	Restarts []PlannedRestart `json:"restarts"`
	// NextRuns are the tasks that run to their end and whose next run would have another number of workers, or none
	// begins as long as they are paused. Runs that go on keep their number.
	NextRuns []PlannedRun `json:"nextRuns,omitempty"`
	// Reverts are the declarations that would come back: they were in force before, or their tasks were deleted.
	Reverts []PlannedRevert `json:"reverts,omitempty"`
	Before  Balance         `json:"before"`
	After   Balance         `json:"after"`
}

// PlannedMove is a slot that would leave its node.
type PlannedMove struct {
	Slot   Slot       `json:"slot"`
	From   string     `json:"from"`
	To     string     `json:"to"` // "" if it would have no place
	Code   ReasonCode `json:"code"`
	Reason string     `json:"reason"` // in words
}

// PlannedRestart is a task whose workers would all start again with another count.
type PlannedRestart struct {
	Task    string `json:"task"`
	Workers int    `json:"workers"` // that would stop
	From    int    `json:"from"`    // the count that they are told; 0 for none
	To      int    `json:"to"`      // the count that they would be told
	// Gap is for how long none of them runs at most, if all stop in the time that they have for it.
	Gap Duration `json:"gap"`
}

// PlannedRun is what the next run of a task would be.
type PlannedRun struct {
	Task    string `json:"task"`
	Workers int    `json:"workers"`
	Paused  bool   `json:"paused,omitempty"`
	First   bool   `json:"first,omitempty"` // the task is not there yet
	// Schedule is when its runs begin, as in TaskInfo; "" if they do not by themselves.
	Schedule string `json:"schedule,omitempty"`
}

// PlannedRevert is a declaration that would come back.
type PlannedRevert struct {
	Task   string `json:"task"`
	Code   Revert `json:"code"`
	Reason string `json:"reason"` // in words
}

// Revert says what a declaration that would come back was.
type Revert string

// What it was.
const (
	RevertReplaced Revert = "replaced"       // in force, until another one took its place
	RevertMaybe    Revert = "maybe-replaced" // the same, as it seems: too long ago to be certain
	RevertDeleted  Revert = "deleted"        // its task was deleted
)

// PlannedStart is a slot that would get a node.
type PlannedStart struct {
	Slot Slot   `json:"slot"`
	To   string `json:"to"`
}

// Unplaced is the slots of a task that would have no node.
type Unplaced struct {
	Task   string     `json:"task"`
	Slots  int        `json:"slots"`
	Code   ReasonCode `json:"code"`
	Reason string     `json:"reason"` // in words
}

// Balance is how evenly nodes are loaded. Loads are weights of workers, by the weight of the node.
type Balance struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
	Mean  float64 `json:"mean"`
	// Skew is how much more than the mean the most loaded node has, as a share of it: 0 if all
	// have the same.
	Skew float64 `json:"skew"`
}
