package worker

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Run is what a work knows of its slot. Its methods may be called from any goroutine.
type Run struct {
	Slot       cluster.Slot
	Token      int64
	Count      int // of the task's workers, itself included, for as long as it lives; 0 if it does not know
	Log        *slog.Logger
	generation int64
	spec       atomic.Pointer[cluster.TaskSpec]
	valid      func() bool
	notes      Checkpoints
	stop       func() (at time.Time, asked bool)

	stdout, stderr *output
}

// Checkpoints keeps what workers note of how far they are.
type Checkpoints interface {
	Save(ctx context.Context, g cluster.Grant, data []byte) error
	Last(ctx context.Context, g cluster.Grant) ([]byte, error)
}

// Continues reports whether the task lets its workers run on while the node cannot prove its lease.
func (r *Run) Continues() bool { return r.spec.Load().Continues() }

// Params returns the present parameters of the task.
func (r *Run) Params() cluster.Params { return r.spec.Load().Params }

// Checkpoint notes how far the worker is.
func (r *Run) Checkpoint(ctx context.Context, data []byte) error {
	return r.notes.Save(ctx, r.grant(), data)
}

// LastCheckpoint returns what was noted last of the slot, by whomever; nil if nothing was.
func (r *Run) LastCheckpoint(ctx context.Context) ([]byte, error) {
	return r.notes.Last(ctx, r.grant())
}

func (r *Run) grant() cluster.Grant {
	return cluster.Grant{Slot: r.Slot, Token: r.Token, Generation: r.generation}
}

// StopBy returns by when the worker has to have stopped, once it was asked to. The time may be cut short.
func (r *Run) StopBy() (at time.Time, asked bool) { return r.stop() }

// Stdout and Stderr are written to the worker's log, line by line. They neither fail nor block.
func (r *Run) Stdout() io.Writer { return r.stdout }

// Stderr is Stdout for what went wrong.
func (r *Run) Stderr() io.Writer { return r.stderr }

// Valid reports whether the node's lease is valid right now.
func (r *Run) Valid() bool { return r.valid() }
