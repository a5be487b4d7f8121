package cluster

import (
	"errors"
	"fmt"
)

// Errors of operations and questions. Compare with errors.Is.
var (
	// ErrChange: the operation is invalid in any state of the cluster. The error names the mistake.
	ErrChange = errors.New("change refused")
	// ErrConflict: the operation is valid, but not possible in the current state of the cluster. The error names the
	// obstacle. It matches ErrChange as well.
	ErrConflict = fmt.Errorf("%w in the current state", ErrChange)
	// ErrNoTask: the task does not exist.
	ErrNoTask = errors.New("no such task")
	// ErrNoNode: the node does not exist.
	ErrNoNode = errors.New("no such node")
	// ErrNoSlot: no node has the slot.
	ErrNoSlot = errors.New("no such worker")
	// ErrNoDecision: the decision is not kept, or was never made.
	ErrNoDecision = errors.New("no such decision is kept")
	// ErrNotMember: the node that was asked is not connected to the cluster at this moment.
	ErrNotMember = errors.New("this node is not a member of the cluster at this moment")
	// ErrCheckpoint: the checkpoint is too large. Nothing was saved.
	ErrCheckpoint = errors.New("checkpoint refused")
	// ErrMovedOn: the cluster, or the record to be changed, has changed since the operation was planned. Nothing was
	// done. Read the cluster and plan again.
	ErrMovedOn = errors.New("the cluster has moved on since it was planned")
	// ErrTooLarge: the operations do not fit into one commit. Nothing was done. Ask for fewer at once.
	ErrTooLarge = errors.New("too large for one commit")
	// ErrOutcomeUnknown: the commit was sent to the coordination service, and no answer came. The operation may or may
	// not have been recorded. Read the cluster, or repeat the operation with the same Caller.Key: it is recorded once.
	ErrOutcomeUnknown = errors.New("it is not known whether it was done")
	// ErrUnanswered: the coordination service does not answer. Nothing was done.
	ErrUnanswered = errors.New("the coordination service does not answer: not done; try again")
	// ErrKeyReused: the same Caller.Key was used earlier with another operation. Nothing was done.
	ErrKeyReused = errors.New("the idempotency key was used for something else")
	// ErrExists: the task to be created exists already. Nothing was done.
	ErrExists = errors.New("it exists already")
)

// FieldError is a mistake in one field of an operation or a declaration.
type FieldError struct {
	Field string // its path of JSON names, as in "workerNum" or "tasks[0].every"
	Err   error  // the mistake; for a field that has fields of its own, their joined errors
}

// Error returns the field and the mistake.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns the mistake.
func (e *FieldError) Unwrap() error { return e.Err }
