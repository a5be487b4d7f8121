package operation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Stamp is the origin of a request, as records keep it.
type Stamp struct {
	By  string    // the caller, for people
	At  time.Time // when
	Run string    // the id of the run that a run-now begins
}

// Effect returns a cluster after operations, applied in their order. It does not change the snapshot. It is the only definition of
// the effect of an operation: a plan is made from its result, and a commit writes the records that it has changed.
//
// Operations change the records of tasks and marks, and the requests. Evict changes an assignment, in the same way as its commit,
// and deletes the keys of the member. Lose can only be planned. It has the effect of the death of a machine: the keys are gone, and
// the assignment is unchanged. It also requests that no delay hold the work of the node.
//
// The error matches those of package cluster, and names a field of the operation by its place in the list:
// "operations[0].workers". If ctx ends first, the error is its cause: a long list takes time.
func Effect(ctx context.Context, s *view.Snapshot, ops cluster.Operations, stamp Stamp) (*view.Snapshot, error) {
	if err := valid(ops); err != nil {
		return nil, err
	}
	e := newEditor(s, stamp)
	for i, op := range ops {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := e.do(op); err != nil {
			return nil, inList(i, op, err)
		}
	}
	return e.Snapshot, nil
}

// The bounds of a list of operations. Each move costs a plan, and every caller with read access may plan.
const (
	maxOperations = 1000
	maxMoves      = 20
)

// valid returns all mistakes in a list of operations that can be found without the cluster, joined.
func valid(ops cluster.Operations) error {
	moves := 0
	for _, op := range ops {
		if op.Kind == cluster.OpMove {
			moves++
		}
	}
	switch {
	case len(ops) > maxOperations:
		return wrong("operations", fmt.Errorf("%d are too many: send at most %d at once", len(ops), maxOperations))
	case moves > maxMoves:
		return wrong("operations", fmt.Errorf("%d moves are too many: send at most %d at once", moves, maxMoves))
	}
	var errs []error
	for i, op := range ops {
		err := validate(op)
		if op.Kind == cluster.OpRunNow { // its answer is the run's ID
			err = wrong("kind", errors.New("run-now cannot be part of a plan"))
		}
		errs = append(errs, inList(i, op, err))
	}
	return errors.Join(errs...)
}

// inList adds the operation's place in a list to the error of a field.
func inList(i int, op cluster.Operation, err error) error {
	if _, ok := errors.AsType[*cluster.FieldError](err); !ok {
		return err
	}
	at := fmt.Sprintf("operations[%d]", i)
	switch op.Kind {
	case cluster.OpDeclare:
		at += ".spec"
	case cluster.OpPatch:
		at += ".patch"
	}
	return wrong(at, err)
}

// one is Effect for one operation; its fields have no place in a list.
func one(s *view.Snapshot, op cluster.Operation, stamp Stamp) (*view.Snapshot, error) {
	if err := validate(op); err != nil {
		return nil, err
	}
	e := newEditor(s, stamp)
	return e.Snapshot, e.do(op)
}

// validate returns all mistakes in an operation that can be found without the cluster, joined.
func validate(op cluster.Operation) error {
	refused := func(why string) error { return fmt.Errorf("%w: %s", cluster.ErrChange, why) }
	changes := touched(op).record
	switch {
	case !slices.Contains(cluster.OperationKinds(), op.Kind):
		return wrong("kind", fmt.Errorf("there is no operation %q", op.Kind))
	case changes == taskRecord && op.Task == "":
		return wrong("task", errors.New("no task given"))
	case changes == markRecord && op.Node == "":
		return wrong("node", errors.New("no node given"))
	}
	switch op.Kind {
	case cluster.OpDeclare:
		if op.Spec == nil || op.Spec.Name != op.Task {
			return wrong("name", fmt.Errorf("must be %q, the task's", op.Task))
		}
		if err := schedule.Validate(*op.Spec); err != nil {
			return fmt.Errorf("%w: %w", cluster.ErrChange, err)
		}
	case cluster.OpPatch:
		if !json.Valid(op.Patch) {
			return wrong("patch", errors.New("not a JSON object"))
		}
	case cluster.OpScale:
		switch n := op.Workers; {
		case n == nil:
			return wrong("workers", errors.New("no number given"))
		case *n < 0 || *n > cluster.MaxWorkers:
			return wrong("workers", fmt.Errorf("%d is not between 0 and %d", *n, cluster.MaxWorkers))
		}
	case cluster.OpDrain:
		if op.Deadline < 0 {
			return wrong("deadline", fmt.Errorf("%v is less than 0s", op.Deadline))
		}
	case cluster.OpLabel:
		return validateLabels(op.Labels)
	case cluster.OpSettings:
		if op.Settings == nil {
			return wrong("settings", errors.New("none given"))
		}
		if err := op.Settings.Validate(); err != nil {
			return wrong("settings", err)
		}
	case cluster.OpRunNow:
		if err := op.Params.Validate(); err != nil {
			return wrong("params", err)
		}
	case cluster.OpRestart:
		if op.Task == "" && op.Node == "" {
			return refused("specify a task, a worker or a node")
		}
	case cluster.OpMove:
		switch {
		case op.Task == "" || op.Index == nil:
			return refused("name a worker")
		case op.Node == "":
			return wrong("node", errors.New("no node given"))
		}
	}
	return nil
}

// target is a record that is to change.
type target struct {
	record kind
	name   string // of the task or the node
}

// kind is a kind of record, 0 for none.
type kind int

// The kinds of records that change.
const (
	taskRecord kind = iota + 1
	markRecord
	requestsRecord
	settingsRecord
)

// touched returns the record that an operation changes. An eviction has a commit of its own.
func touched(op cluster.Operation) target {
	switch op.Kind {
	case cluster.OpScale, cluster.OpPause, cluster.OpResume, cluster.OpReset, cluster.OpDeclare, cluster.OpPatch, cluster.OpDelete:
		return target{taskRecord, op.Task}
	case cluster.OpCordon, cluster.OpUncordon, cluster.OpDrain, cluster.OpLabel:
		return target{markRecord, op.Node}
	case cluster.OpRestart, cluster.OpMove, cluster.OpRunNow, cluster.OpStepDown, cluster.OpMoveNow:
		return target{requestsRecord, ""}
	case cluster.OpSettings:
		return target{settingsRecord, ""}
	}
	return target{}
}

// editor changes a snapshot of its own. It replaces records and does not change them.
type editor struct {
	*view.Snapshot
	stamp Stamp
}

func newEditor(s *view.Snapshot, stamp Stamp) editor {
	next := *s
	next.Tasks, next.Marks, next.Peers = clone(s.Tasks), clone(s.Marks), clone(s.Peers)
	return editor{&next, stamp}
}

// clone is maps.Clone, except that it returns an empty map for nil.
func clone[K comparable, V any](m map[K]V) map[K]V {
	next := make(map[K]V, len(m)+1)
	maps.Copy(next, m)
	return next
}

// do applies one operation, which is valid.
func (e editor) do(op cluster.Operation) error {
	switch touched(op).record {
	case taskRecord:
		return e.changeTask(op)
	case markRecord:
		return e.changeMark(op)
	}
	switch op.Kind {
	case cluster.OpSettings:
		e.configure(*op.Settings)
		return nil
	case cluster.OpRestart:
		return e.restart(op)
	case cluster.OpMove:
		return e.move(op)
	case cluster.OpRunNow:
		return e.runNow(op)
	case cluster.OpStepDown:
		return e.stepDown()
	case cluster.OpMoveNow:
		return e.moveNow(vanished(e.Snapshot)...)
	case cluster.OpEvict:
		return e.evict(op)
	case cluster.OpLose:
		return e.lose(op)
	}
	return fmt.Errorf("%w: there is no operation %q", cluster.ErrChange, op.Kind)
}

// unusable refuses to change a record that cannot be used. The error names the operation that replaces the record.
func unusable(err error, remedy string) error {
	return fmt.Errorf("%w: %w; %s", cluster.ErrConflict, err, remedy)
}
