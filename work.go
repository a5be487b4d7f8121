package xconsumer

import (
	"context"
	"io"
	"log/slog"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Func is a work. It is executed in a goroutine of its own for every slot that the node is
// granted, and again whenever it returns. After nil it is run again after the task's interval; without one, at once, or, if
// it ran for less than a second, after a pause that grows to 10 s. After an error or a panic the pause grows as the task's
// restart says. In a run (Mode "once", or a schedule) nil ends it: what it returns after it was asked to
// stop does not count. When ctx is cancelled it should return soon; context.Cause tells why.
type Func func(ctx context.Context, w *Worker) error

// StopFunc is a work's own way to stop: it is called, in a goroutine of its own, when an execution that
// is under way should end, and asks it to. Its context ends when the execution's is cancelled, after three
// quarters of the time that there is to stop. The slot is given back when both have returned.
type StopFunc func(ctx context.Context, w *Worker)

// Worker is what a work is told of the slot that it runs for. Its methods may be called from
// any goroutine.
type Worker struct{ run *worker.Run }

// Task returns the name of the task.
func (w *Worker) Task() string {
	task, _ := cluster.SplitRun(w.run.Slot.Task)
	return task
}

// Run returns the run of a task that runs to its end, "" of another one. Runs of one schedule are named
// after the instants of their firings: "20261125T020000Z".
func (w *Worker) Run() string {
	_, run := cluster.SplitRun(w.run.Slot.Task)
	return run
}

// Index returns which of the task's workers this is, from 0. It stays while the worker lives.
func (w *Worker) Index() int { return w.run.Slot.Index }

// Count returns how many workers the task has, or its run. It stays while the worker lives: when the task is to
// have more or fewer, all its workers stop before the first one that is told the new count starts. So a key
// belongs to one worker at a time if it belongs to the one whose index is the key's hash modulo Count.
//
// It is 0 for a task with cluster.ResizeLive, whose workers run on and must not divide by their number.
func (w *Worker) Count() int { return w.run.Count }

// Continues tells whether the task lets the worker run on while its node is out of contact
// (cluster.WhenDisconnectedContinue). It may run twice then, and Valid tells when.
func (w *Worker) Continues() bool { return w.run.Continues() }

// Params fills in a struct or map with the task's present parameters, as encoding/json does. Without
// parameters it changes nothing. They may change while the work runs.
func (w *Worker) Params(into any) error { return w.run.Params().Decode(into) }

// Checkpoint notes how far the worker is, for whoever has its slot next: at most cluster.MaxCheckpoint
// bytes, replaced each time. It is written only while the grant holds, so a worker that wakes too late
// cannot undo what its successor has noted; then the error matches ErrReleased or ErrLeaseLost. Every
// call is a write to the coordination service: note what is worth that, not every item.
func (w *Worker) Checkpoint(ctx context.Context, data []byte) error {
	return w.run.Checkpoint(ctx, data)
}

// LastCheckpoint returns what this slot's worker noted last, wherever it ran; nil if nothing was since the task was
// declared. What is noted goes with the run, or when the task is deleted.
func (w *Worker) LastCheckpoint(ctx context.Context) ([]byte, error) {
	return w.run.LastCheckpoint(ctx)
}

// Token returns the fencing token of the grant. A later grant of the same slot has a higher
// one, and after a change of Count so have all grants of the task: a store that remembers the highest token it saw, and refuses lower ones, cannot be
// harmed by a worker that was paused and woke up too late.
func (w *Worker) Token() int64 { return w.run.Token }

// Valid tells whether the node's lease holds right now. It reads a clock, so it knows at once
// what the context learns a moment later, and false is final only for as long as the node
// cannot prove its lease.
func (w *Worker) Valid() bool { return w.run.Valid() }

// StopBy tells by when the worker has to have stopped, once it was asked to: then it shows as stuck, and
// where the node's lease is ending, the process ends. The time may be cut short.
func (w *Worker) StopBy() (at time.Time, asked bool) { return w.run.StopBy() }

// Stdout returns a writer into the worker's log, for the output of programs that it runs. Writes neither
// fail nor block: what comes too fast is dropped.
func (w *Worker) Stdout() io.Writer { return w.run.Stdout() }

// Stderr is Stdout for what programs write to their standard error.
func (w *Worker) Stderr() io.Writer { return w.run.Stderr() }

// Logger returns a logger that names the slot. What it writes is in the node's log and, from level Info on,
// in the worker's own, which Admin.Log and the API show.
func (w *Worker) Logger() *slog.Logger { return w.run.Log }
