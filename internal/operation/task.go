package operation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// changeTask changes the record of a task, if it is at the revision that the operation is bound to. A record that cannot be used or
// was deleted manually is replaced only by operations that give all of its content.
func (e editor) changeTask(op cluster.Operation) error {
	entry, wrong := e.Tasks[op.Task], e.Unusable(op.Task)
	rec, replaces := schema.Task{}, op.Kind == cluster.OpDeclare || op.Kind == cluster.OpDelete
	switch {
	case entry.Good():
		rec = *entry.Rec
	case entry.Err != nil && !replaces:
		return unusable(entry.Err, taskRemedy)
	case replaces:
		rec = e.lastKnown(op.Task)
		if op.Kind == cluster.OpDelete {
			rec.Deleted = false // also if that was readable: the task is declared again
		}
	}
	stored := entry.Good() || entry.Err != nil
	there := stored && !rec.Deleted
	if err := matches(op, there, rec.Revision(entry.Version)); err != nil {
		return err
	}
	err := applyToTask(&rec, there || !stored && wrong != "" && op.Kind == cluster.OpDelete, op)
	switch {
	case errors.Is(err, cluster.ErrNoTask) && wrong != "":
		return fmt.Errorf("%w: %s", err, wrong)
	case errors.Is(err, cluster.ErrNoTask) && e.Undeclared(op.Task):
		return fmt.Errorf(
			"%w: it is not declared. An assignment that was edited manually grants it; "+
				"its workers are being released, and there is nothing to delete",
			err,
		)
	case err != nil:
		return err
	}
	e.Tasks[op.Task] = view.Entry[schema.Task]{Rec: &rec, Version: entry.Version}
	return nil
}

// lastKnown returns the last known content of a task whose record is absent or cannot be used. It is a different task
// from all removed ones of that name.
func (e editor) lastKnown(task string) schema.Task {
	rec := schema.Task{Spec: cluster.TaskSpec{Name: task, WorkName: task}}
	if last := e.Tasks[task].Rec; last != nil {
		rec = *last
	} else {
		if spec, granted := e.Specs()[task]; granted {
			rec.Spec = spec
		}
		if agenda := e.TaskRuns[task].Rec; agenda != nil { // its runs continue
			rec.Generation = agenda.Generation
		}
	}
	if e.Removed.Rec != nil {
		rec.Generation = max(rec.Generation, e.Removed.Rec.Generation)
	}
	return rec
}

// matches refuses an operation that is bound to another revision of a record.
func matches(op cluster.Operation, exists bool, now string) error {
	switch {
	case op.If == "" || exists && op.If == now:
		return nil
	case op.If == cluster.IfAbsent && exists:
		return fmt.Errorf("task %q: %w", op.Task, cluster.ErrExists)
	case op.If == cluster.IfAbsent:
		return nil
	case !exists:
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	}
	return fmt.Errorf("%w: task %q is at revision %s, not %s", cluster.ErrMovedOn, op.Task, now, op.If)
}

func applyToTask(rec *schema.Task, exists bool, op cluster.Operation) error {
	if !exists && op.Kind != cluster.OpDeclare {
		return fmt.Errorf("%w: %q", cluster.ErrNoTask, op.Task)
	}
	before := rec.Spec
	switch op.Kind {
	case cluster.OpScale:
		rec.Override.WorkerNum = op.Workers
	case cluster.OpPause:
		rec.Override.Paused = new(true)
	case cluster.OpResume:
		rec.Override.Paused = new(false)
	case cluster.OpReset:
		rec.Override = cluster.Override{}
	case cluster.OpDelete:
		rec.Deleted, rec.Override = true, cluster.Override{}
		return nil
	case cluster.OpDeclare:
		rec.Declare(*op.Spec)
	case cluster.OpPatch:
		if err := patch(&rec.Spec, op.Patch); err != nil {
			return err
		}
	}
	if op.Kind == cluster.OpDeclare || op.Kind == cluster.OpPatch {
		if err := schedule.Validate(rec.Spec); err != nil {
			return fmt.Errorf("%w: %w", cluster.ErrChange, err)
		}
		rec.Origin = remember(rec.Origin, before, rec.Spec)
	}
	if err := rec.Effective().ValidateStored(); err != nil { // a declaration of an earlier version stays as it is
		field, of := errors.AsType[*cluster.FieldError](err)
		switch {
		case op.Kind == cluster.OpDeclare || op.Kind == cluster.OpPatch:
			return fmt.Errorf("%w: %w", cluster.ErrChange, err)
		case op.Kind == cluster.OpScale && of && field.Field == "workerNum":
			return wrong("workers", field.Err)
		}
		return fmt.Errorf("%w: %s", cluster.ErrConflict, err.Error()) // the error is about fields of the declaration, not of the operation
	}
	return nil
}

// patch changes parts of a declaration: fields of an object, and fields of the objects in it, one level deep. Null resets a field to
// its default (RFC 7396).
func patch(spec *cluster.TaskSpec, text json.RawMessage) error {
	refused := func(err error) error { return fmt.Errorf("%w: patch: %w", cluster.ErrChange, err) }
	var changes map[string]any
	if err := json.Unmarshal(text, &changes); err != nil || changes == nil {
		return fmt.Errorf("%w: patch: want an object with the fields that change, as in {\"workerNum\": 3}", cluster.ErrChange)
	}
	if name, given := changes["name"]; given && name != spec.Name {
		return wrong("name", fmt.Errorf("a task keeps its name, %q", spec.Name))
	}
	old, err := json.Marshal(spec)
	if err != nil {
		return refused(err)
	}
	fields := map[string]any{}
	if err := json.Unmarshal(old, &fields); err != nil {
		return refused(err)
	}
	if err := errors.Join(unreadable(changes)...); err != nil {
		return fmt.Errorf("%w: %w", cluster.ErrChange, err)
	}
	next, err := readSpec(merge(fields, changes))
	if err != nil {
		return refused(err)
	}
	next.Unknown = spec.Unknown
	*spec = next
	return nil
}

// readSpec reads a declaration from its fields.
func readSpec(fields map[string]any) (spec cluster.TaskSpec, err error) {
	text, err := json.Marshal(fields)
	if err != nil {
		return spec, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return spec, d.Decode(&spec)
}

// unreadable returns the mistakes in those fields of a patch that a declaration cannot have, each read by itself.
func unreadable(changes map[string]any) (errs []error) {
	check := func(field string, alone map[string]any) {
		_, err := readSpec(alone)
		if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			err = fmt.Errorf("want %s, got %s", kind.Type.Kind(), kind.Value)
		}
		if err != nil && strings.HasPrefix(err.Error(), "json: unknown field") {
			err = errors.New("unknown field")
		}
		if err != nil {
			errs = append(errs, &cluster.FieldError{Field: field, Err: err})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		inner, nested := changes[name].(map[string]any)
		if _, err := readSpec(map[string]any{name: map[string]any{}}); !nested || err != nil || name == "params" {
			check(name, map[string]any{name: changes[name]})
			continue
		}
		for _, within := range slices.Sorted(maps.Keys(inner)) {
			check(name+"."+within, map[string]any{name: map[string]any{within: inner[within]}})
		}
	}
	return errs
}

// merge is the algorithm of RFC 7396.
func merge(target, changes map[string]any) map[string]any {
	for name, value := range changes {
		switch inner := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			before, _ := target[name].(map[string]any)
			if before == nil {
				before = map[string]any{}
			}
			target[name] = merge(before, inner)
		default:
			target[name] = value
		}
	}
	return target
}
