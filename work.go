package xconsumer

import (
	"context"
	"io"
	"log/slog"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/worker"
)

// Func is a work. For every slot that the node is granted, it is called in a goroutine of its own, and called again
// whenever it returns, until the slot is released.
//
// After it returns nil, it is called again after the task's interval. Without an interval it is called again at once or, if
// it ran for less than one second, after a pause that grows to 10 s. After an error or a panic it is called again after a
// pause that grows according to the task's Restart policy. In a run (Mode "once", or a schedule), nil means that the slot
// is done; nil that is returned after the worker was asked to stop does not count.
//
// When ctx is cancelled, the work must return within the task's StopTimeout. context.Cause(ctx) returns why it was
// cancelled.
type Func func(ctx context.Context, w *Worker) error

// StopFunc asks a work to stop, in place of the cancelling of its context. It is called in a goroutine of its own
// while the work runs. Its ctx ends when the context of the work is cancelled nevertheless: after three quarters of the
// time that the worker has to stop. The slot is given back when both functions have returned.
type StopFunc func(ctx context.Context, w *Worker)

// SlotFor returns the index of the worker that a key belongs to, of count workers. It is cluster.SlotFor, which says how keys
// are divided: alike in every language, on every machine and in every version.
func SlotFor(key string, count int) int { return cluster.SlotFor(key, count) }

// Worker is the slot that a work runs for. Its methods may be called from any goroutine.
type Worker struct{ run *worker.Run }

// Task returns the name of the task.
func (w *Worker) Task() string {
	task, _ := cluster.SplitRun(w.run.Slot.Task)
	return task
}

// Run returns the ID of the run that the worker belongs to; "" if its task runs for ever. A run of a schedule is named
// after the instant of its firing, as in "20261125T020000Z".
func (w *Worker) Run() string {
	_, run := cluster.SplitRun(w.run.Slot.Task)
	return run
}

// Index returns which of the task's workers this is, counted from 0. It is constant.
func (w *Worker) Index() int { return w.run.Slot.Index }

// Count returns the number of workers of the task or of its run. It is constant: when the number changes, all workers of
// the task stop before the first one with the new count starts. So if each key is handled by the worker that [Worker.Owns]
// names, each key belongs to at most one worker at a time.
//
// Count is 0 for a task with cluster.ResizeLive. Its workers run on when their number changes, and must not divide by it.
func (w *Worker) Count() int { return w.run.Count }

// Owns reports whether a key belongs to this worker, of all that the task has: whether [SlotFor] returns its index. It panics
// for a task with cluster.ResizeLive, whose workers have no count.
func (w *Worker) Owns(key string) bool { return SlotFor(key, w.Count()) == w.Index() }

// Continues reports whether the worker runs on while its node cannot prove its lease
// (cluster.WhenDisconnectedContinue). Meanwhile another worker may run for the same slot; see Valid.
func (w *Worker) Continues() bool { return w.run.Continues() }

// Params decodes the task's current parameters into a struct or map, as json.Unmarshal does. Without parameters it changes
// nothing. The parameters of a task can change while its workers run.
func (w *Worker) Params(into any) error { return w.run.Params().Decode(into) }

// Checkpoint saves the progress of the worker for the next worker of the slot, in place of the checkpoint before it. The
// data may have at most cluster.MaxCheckpoint bytes; otherwise the error matches cluster.ErrCheckpoint.
//
// It saves only while the grant is in force. A worker that wakes too late can therefore not overwrite the checkpoint of its
// successor: the error then matches ErrReleased or ErrLeaseLost, and nothing was saved. After another error the checkpoint
// may or may not have been saved. Every call is a write to the coordination service, so do not call it for every item.
func (w *Worker) Checkpoint(ctx context.Context, data []byte) error {
	return w.run.Checkpoint(ctx, data)
}

// LastCheckpoint returns the latest checkpoint of the slot, regardless of the node that saved it; nil if there is none. A
// checkpoint is deleted together with its run or its task.
func (w *Worker) LastCheckpoint(ctx context.Context) ([]byte, error) {
	return w.run.LastCheckpoint(ctx)
}

// Token returns the fencing token of the grant. Every later grant of the same slot has a higher token; after a change of
// Count, so has every grant of the task. A store that remembers the highest token that it has seen, and refuses lower
// ones, cannot be harmed by a worker that was paused and wakes too late.
func (w *Worker) Token() int64 { return w.run.Token }

// Valid reports whether the node's lease is valid at this moment. It reads a clock and does no I/O, so it is false
// slightly before the context is cancelled. It can become true again, when the node proves its lease again.
func (w *Worker) Valid() bool { return w.run.Valid() }

// StopBy returns the time by which the worker must have stopped, and whether it was asked to stop. A worker that has not
// stopped by then is reported as stuck; if the node's lease is ending, the process ends. The time can move closer.
func (w *Worker) StopBy() (at time.Time, asked bool) { return w.run.StopBy() }

// Stdout returns a writer to the worker's log, for the output of programs that it runs. Writes never fail and never
// block: output that comes too fast is dropped.
func (w *Worker) Stdout() io.Writer { return w.run.Stdout() }

// Stderr is like Stdout, for the standard error of programs.
func (w *Worker) Stderr() io.Writer { return w.run.Stderr() }

// Logger returns a logger that names the slot. Its records go to the node's log and, from level Info on, to the worker's
// log, which Admin.Log and the API return.
func (w *Worker) Logger() *slog.Logger { return w.run.Log }
