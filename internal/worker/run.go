package worker

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Run is the view that a work has of its slot. Its methods may be called from any goroutine.
type Run struct {
	Slot        cluster.Slot
	Token       int64
	Count       int // the number of the task's workers, itself included, for as long as it lives; 0 with ResizeLive
	Log         *slog.Logger
	generation  int64
	spec        atomic.Pointer[cluster.TaskSpec]
	valid       func() bool
	checkpoints Checkpoints
	stop        func() (at time.Time, asked bool)

	stdout, stderr *output
}

// Checkpoints stores the checkpoints of workers.
type Checkpoints interface {
	Save(ctx context.Context, g cluster.Grant, data []byte) error
	Last(ctx context.Context, g cluster.Grant) ([]byte, error)
}

// Continues reports whether the task lets its workers run on while the node cannot prove its lease.
func (r *Run) Continues() bool { return r.spec.Load().Continues() }

// Params returns the present parameters of the task.
func (r *Run) Params() cluster.Params { return r.spec.Load().Params }

// Checkpoint saves the progress of the worker.
func (r *Run) Checkpoint(ctx context.Context, data []byte) error {
	return r.checkpoints.Save(ctx, r.grant(), data)
}

// LastCheckpoint returns the latest checkpoint of the slot, regardless of the worker that saved it; nil
// if there is none.
func (r *Run) LastCheckpoint(ctx context.Context) ([]byte, error) {
	return r.checkpoints.Last(ctx, r.grant())
}

func (r *Run) grant() cluster.Grant {
	return cluster.Grant{Slot: r.Slot, Token: r.Token, Generation: r.generation}
}

// StopBy returns the time by which the worker must have stopped, once it was asked to. The time may move
// closer.
func (r *Run) StopBy() (at time.Time, asked bool) { return r.stop() }

// Stdout returns a writer to the worker's log, line by line. Writes neither fail nor block.
func (r *Run) Stdout() io.Writer { return r.stdout }

// Stderr is like Stdout, for standard error.
func (r *Run) Stderr() io.Writer { return r.stderr }

// Valid reports whether the node's lease is valid right now.
func (r *Run) Valid() bool { return r.valid() }
