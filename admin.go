package xconsumer

import (
	"context"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Admin manages a cluster through one of its nodes: it answers questions, and it records operations. [Node.Admin]
// returns it; httpapi.New serves it over HTTP. Any node answers for the whole cluster.
//
// Every method may be called from any goroutine, before and while the node runs. Errors match those of package cluster,
// such as cluster.ErrNoTask and cluster.ErrNotMember, or those of package coord. Later versions may add methods: a type
// of your own that stands in for an Admin should embed the interface.
type Admin interface {
	// Name returns the node's name.
	Name() string
	// Works returns the names of the registered works, sorted.
	Works() []string
	// Ready returns why the node is not at work; nothing if it is.
	Ready() (reasons []string)
	// Lease returns how long the node may go on without an answer from the coordination service. Lease.Valid is false
	// before the node has joined.
	Lease() cluster.Lease
	// Workers returns what the node's own workers do, by slot. It reads nothing from the store.
	Workers() map[cluster.Slot]cluster.Report
	// Events is [Node.Events].
	Events(ctx context.Context) <-chan cluster.Event
	// Measures returns what the node has counted and timed since it began: the operations of its session, the leader's
	// decisions, the outcomes of its workers.
	Measures() []cluster.Measure

	// Leading returns the cluster as the leader sees it, if this node leads and its lease is valid. It reads nothing from
	// the store.
	Leading() (cluster.State, bool)
	// KeepFresh has the node keep its picture of the cluster up to date for one minute from now on. It returns the number
	// of the first snapshot of that period: a caller that has received this snapshot from Watch, or a later one, is up to
	// date. It does not block.
	KeepFresh() (first int64)
	// Watch waits until the number of the latest snapshot is above seen, and returns that snapshot; 0 returns the first
	// one. Snapshots are made only while KeepFresh is in effect, which Watch does not call itself: without it, Watch may
	// block until ctx ends. The error is then that of ctx.
	Watch(ctx context.Context, seen int64) (cluster.Snapshot, error)
	// Tasks returns the tasks with what they declare, by name.
	Tasks(ctx context.Context) ([]cluster.TaskDetail, error)
	// Runs returns the runs of a task and its skipped firings, ordered by the instants of their firings. The task's
	// KeepRuns limits how many runs are kept after they have ended.
	Runs(ctx context.Context, task string) ([]cluster.RunInfo, error)
	// Decisions returns the leaders' latest decisions and the operations that were requested.
	Decisions(ctx context.Context) (cluster.Decisions, error)
	// Past returns where everything was after a decision, as far as that is known. The error matches
	// cluster.ErrNoDecision if the decision is not kept.
	Past(ctx context.Context, decision int64) (cluster.Past, error)
	// Explain returns why a slot is where it is. The error matches cluster.ErrNoSlot if the slot does not exist.
	Explain(ctx context.Context, slot cluster.Slot) (cluster.Explanation, error)
	// Report returns every record of the cluster, read now.
	Report(ctx context.Context) (cluster.BugReport, error)

	// Do records an operation in the store and returns once it is committed; leaders then carry it out as budgets and
	// delays allow. It returns the revision of the changed record: of a task, what Operation.If takes; "" if nothing
	// changed. The node must be a member. The error matches cluster.ErrOutcomeUnknown if the operation may or may not
	// have been recorded: with an Operation.Key it may then be repeated, on any node, and is recorded once.
	Do(ctx context.Context, op cluster.Operation) (revision string, err error)
	// Repeated reports whether an operation with the same key was recorded earlier, on any node, and is still
	// remembered; it returns what Do returned then. The error matches cluster.ErrKeyReused if the key was given with
	// another operation.
	Repeated(ctx context.Context, op cluster.Operation) (revision string, repeated bool, err error)
	// Plan returns what operations would do, without doing them.
	Plan(ctx context.Context, ops cluster.Operations) (cluster.Plan, error)
	// Apply does planned operations in one commit and returns the new revision of the record of each; none if the same
	// was done before with the same Caller.Key. The error matches cluster.ErrMovedOn if the cluster was at
	// another revision, or if a task or a mark that is to change has been written since.
	Apply(ctx context.Context, ops cluster.Operations, revision string, caller cluster.Caller) (revisions []string, err error)

	// Log returns the latest lines that a slot's worker wrote on this node, at most last of them, also of a worker that
	// has ended. The error matches cluster.ErrNoSlot if the slot has not run here.
	Log(slot cluster.Slot, last int) ([]cluster.LogLine, error)
	// FollowLog waits until a slot's worker has written the line numbered first, and returns the lines from there on. It
	// returns none when ctx ends.
	FollowLog(ctx context.Context, slot cluster.Slot, first int64) ([]cluster.LogLine, error)
	// Stack returns the stacks of the goroutines that work for a slot on this node; "" for a program. The error matches
	// cluster.ErrNoSlot if the slot has not run here.
	Stack(slot cluster.Slot) (string, error)
}
