package operation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Declare publishes the declarations of a node's file. A task that does not exist is created. A declaration that is new to the
// cluster replaces the one in force. A declaration that was in force before changes nothing, so a node that restarts with an
// old file reverts nothing. Overrides of operators stay. Only the last thousand declarations of an existing task are remembered
// exactly. For older ones, and those of deleted tasks, a new declaration may be taken for a known one, and then changes nothing.
//
// Declare returns the changes that were not applied, in words. It fails only if the session or ctx ended, or if the service
// refused the write.
func (o Operator) Declare(
	ctx context.Context,
	file string,
	tasks []cluster.TaskSpec,
	settings *cluster.Settings,
) (unapplied []string, err error) {
	o.earlier = new(removals)
	var all []declaration
	for _, spec := range tasks {
		all = append(all, declaration{
			"task " + spec.Name, target{taskRecord, spec.Name}, func(e editor) (string, error) { return e.declareTask(file, spec) },
		})
	}
	if settings != nil {
		all = append(all, declaration{
			"settings", target{settingsRecord, ""}, func(e editor) (string, error) { return e.declareSettings(file, *settings) },
		})
	}
	for some := range slices.Chunk(all, mostDeclared) {
		why, err := o.declare(ctx, some)
		unapplied = append(unapplied, why...)
		if err != nil {
			return unapplied, err
		}
	}
	return unapplied, nil
}

// declaration is what a file declares of one record. Put returns why it is not in force after that, "" if it is.
type declaration struct {
	name string
	of   target
	put  func(editor) (unapplied string, err error)
}

// mostDeclared is how many declarations a commit has.
const mostDeclared = 60

// declare puts declarations into one commit, so that a cluster that starts does not assign some tasks before it knows the others. If
// they do not fit, or an operator must repair one of their records, each has a commit of its own. It returns which of them are not
// applied, and why.
func (o Operator) declare(ctx context.Context, all []declaration) (unapplied []string, err error) {
	var targets []target
	for i := range all {
		targets = append(targets, all[i].of)
	}
	_, _, err = o.commit(ctx, &view.Snapshot{}, targets, func(_ context.Context, s *view.Snapshot) (*view.Snapshot, error) {
		e := newEditor(s, o.stamp)
		unapplied = nil
		for i := range all {
			why, err := all[i].put(e)
			if err != nil {
				return nil, err
			}
			if why != "" {
				unapplied = append(unapplied, all[i].name+": "+why)
			}
		}
		return e.Snapshot, nil
	})
	unusable := errors.Is(err, schema.ErrCorrupt) || errors.Is(err, schema.ErrForeign)
	switch {
	case len(all) > 1 && (unusable || errors.Is(err, coord.ErrTooLarge)):
		unapplied = nil
		for one := range slices.Chunk(all, 1) {
			why, err := o.declare(ctx, one)
			unapplied = append(unapplied, why...)
			if err != nil {
				return unapplied, err
			}
		}
		return unapplied, nil
	case unusable:
		return []string{all[0].name + ": not applied: " + err.Error()}, nil
	case err != nil:
		return nil, fmt.Errorf("declare %s: %w", all[0].name, err)
	}
	return unapplied, nil
}

// Why a declaration is not applied.
const (
	seenBefore = "the cluster has another declaration, and this one was in force before; use `xconsumer apply` to make it so again"
	maybeSeen  = "the cluster has another declaration, and this one seems to have been in force before, too long ago to be certain; " +
		"use `xconsumer apply` to put it in force"
	wasDeleted = "the task was deleted; use `xconsumer apply` to declare it again"
)

// hash identifies a declaration by its JSON, so that a field which a later version adds, and
// omits when it is empty, does not make every old declaration look new.
func hash(spec any) string {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("operation: %T cannot be marshalled: %v", spec, err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// news reports whether a declaration that is not in force is new to the cluster, and otherwise why it is not applied.
func news(o schema.Origin, hash string) (bool, string) {
	switch seen, certain := o.Saw(hash); {
	case !seen:
		return true, ""
	case !certain:
		return false, maybeSeen
	}
	return false, seenBefore
}

// remember records the declaration that an operator has put in force, and the one before it, in the same way as those of files: a
// node that starts with an older file reverts nothing.
func remember(o schema.Origin, before, now any) schema.Origin {
	for _, declared := range []any{before, now} {
		h := hash(declared)
		if seen, _ := o.Saw(h); !seen && !reflect.ValueOf(declared).IsZero() {
			o = o.Remember(o.File, h)
		}
	}
	return o
}

// reverts returns the declarations among operations that were in force before, or are of tasks that were deleted since. If one of
// the tasks has no record, the record of removals was read.
func reverts(s *view.Snapshot, ops cluster.Operations) (list []cluster.PlannedRevert) {
	for _, op := range ops {
		if op.Kind != cluster.OpDeclare {
			continue
		}
		if code := revertOf(s.Tasks[op.Task].Rec, s.Removed.Rec, *op.Spec); code != "" {
			list = append(list, cluster.PlannedRevert{Task: op.Task, Code: code, Reason: revertWords[code]})
		}
	}
	return list
}

// revertOf returns which kind of earlier declaration this is, "" if it is in force or not known.
func revertOf(rec *schema.Task, removed *schema.Removed, spec cluster.TaskSpec) cluster.Revert {
	switch {
	case rec == nil && removed != nil && removed.Seen.MayContain(hash(spec)), rec != nil && rec.Deleted:
		return cluster.RevertDeleted
	case rec == nil || rec.Spec == spec:
		return ""
	}
	seen, certain := rec.Origin.Saw(hash(spec))
	switch {
	case seen && certain:
		return cluster.RevertReplaced
	case seen:
		return cluster.RevertMaybe
	}
	return ""
}

var revertWords = map[cluster.Revert]string{
	cluster.RevertReplaced: "this declaration was in force before, and was replaced since",
	cluster.RevertMaybe: "this declaration seems to have been in force before, too long ago to be certain, " +
		"and was replaced since",
	cluster.RevertDeleted: "the task was deleted, and this declares it again",
}

// declareTask declares a task from a file. It returns why the declaration is not in force after that, "" if it is.
func (e editor) declareTask(file string, spec cluster.TaskSpec) (unapplied string, err error) {
	h, entry, rec := hash(spec), e.Tasks[spec.Name], schema.Task{}
	switch removed := e.Removed.Rec; {
	case entry.Err != nil:
		return "", unusable(entry.Err, taskRemedy)
	case entry.Good():
		rec = *entry.Rec
	case removed.Seen.MayContain(h):
		return wasDeleted, nil
	default:
		rec.Generation = removed.Generation
	}
	fresh, why := news(rec.Origin, h)
	switch {
	case fresh:
		rec.Declare(spec)
		rec.Origin = rec.Origin.Remember(file, h)
	case rec.Deleted:
		unapplied = wasDeleted
	case rec.Spec != spec:
		unapplied = why
	case rec.Effective() != spec:
		unapplied = "an operator's override stays in force until it is reset"
	}
	e.Tasks[spec.Name] = view.Entry[schema.Task]{Rec: &rec, Version: entry.Version}
	return unapplied, nil
}

// declareSettings is declareTask for the settings.
func (e editor) declareSettings(file string, spec cluster.Settings) (unapplied string, err error) {
	h, entry, rec := hash(spec), e.Settings, schema.Settings{}
	switch {
	case entry.Err != nil:
		return "", unusable(entry.Err, otherRemedy)
	case entry.Good():
		rec = *entry.Rec
	}
	fresh, why := news(rec.Origin, h)
	switch {
	case fresh:
		rec.Spec = spec
		rec.Origin = rec.Origin.Remember(file, h)
	case rec.Spec != spec:
		unapplied = why
	}
	e.Settings = view.Entry[schema.Settings]{Rec: &rec, Version: entry.Version}
	return unapplied, nil
}

// configure makes settings those in force. It replaces a record that cannot be used.
func (e editor) configure(spec cluster.Settings) {
	entry, rec := e.Settings, schema.Settings{}
	if entry.Good() {
		rec = *entry.Rec
	}
	rec.Origin = remember(rec.Origin, rec.Spec, spec)
	rec.Spec = spec
	e.Settings = view.Entry[schema.Settings]{Rec: &rec, Version: entry.Version}
}
