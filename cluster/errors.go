package cluster

import (
	"errors"
	"fmt"
)

// Errors of what people ask for; compare with errors.Is.
var (
	// ErrChange: nobody could do that; the error names what is wrong with it.
	ErrChange = errors.New("change refused")
	// ErrConflict: it is right, and the cluster is not so that it can be done; the error says what is in the way. It
	// matches ErrChange, too.
	ErrConflict = fmt.Errorf("%w in the current state", ErrChange)
	// ErrNoTask: there is no such task.
	ErrNoTask = errors.New("no such task")
	// ErrNoNode: there is no such node.
	ErrNoNode = errors.New("no such node")
	// ErrNoSlot: no node has such a slot.
	ErrNoSlot = errors.New("no such worker")
	// ErrNoDecision: no such decision is kept.
	ErrNoDecision = errors.New("no such decision is kept")
	// ErrNotMember: the node that was asked is not connected to the cluster at this moment.
	ErrNotMember = errors.New("this node is not a member of the cluster at this moment")
	// ErrCheckpoint: a checkpoint is too large.
	ErrCheckpoint = errors.New("checkpoint refused")
	// ErrMovedOn: the cluster, or a record of it, is not any more as it was when the change was planned. Look and
	// plan again.
	ErrMovedOn = errors.New("the cluster has moved on since it was planned")
	// ErrTooLarge: one commit does not take that much. Nothing was written; ask for less at once.
	ErrTooLarge = errors.New("too large for one commit")
	// ErrOutcomeUnknown: it was sent to the coordination service, which did not say whether it was done. Look at the
	// cluster, or ask again with the same key: it is done once then.
	ErrOutcomeUnknown = errors.New("it is not known whether it was done")
	// ErrUnanswered: the coordination service does not answer. Nothing was sent to it that changes anything.
	ErrUnanswered = errors.New("the coordination service does not answer: not done; try again")
	// ErrKeyReused: the idempotency key was given with something else.
	ErrKeyReused = errors.New("the idempotency key was used for something else")
	// ErrExists: it was to be created, and is there already.
	ErrExists = errors.New("it exists already")
)

// FieldError says what is wrong with one field of what somebody has asked for or declared.
type FieldError struct {
	Field string // by its names in JSON, as in "workerNum" or "tasks[0].every"
	Err   error  // with errors of fields within it, if it has any
}

// Error names the field first.
func (e *FieldError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong with it.
func (e *FieldError) Unwrap() error { return e.Err }
