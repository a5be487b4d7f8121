package operation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Declare publishes what a node's file declares. A task that does not exist is created. A
// declaration that was never seen before replaces the one in force; one that was seen before
// changes nothing, so that a node which restarts with an old file reverts nothing. What an
// operator overrode stays. Of declarations that were replaced more than a thousand times since, and of those of tasks
// that were deleted, it is not certain that they were seen: what seems so changes nothing either.
//
// It returns what was not applied, in words, and fails only if the session or ctx ended or the
// service refused.
func (o Operator) Declare(
	ctx context.Context,
	file string,
	tasks []cluster.TaskSpec,
	settings *schema.SettingsSpec,
) (unapplied []string, err error) {
	o.earlier = new(removals)
	for _, spec := range tasks {
		reason := ""
		_, err := edit(ctx, o, o.Keys.Task(spec.Name), func(rec *schema.Task, exists bool, _ int64) (bool, error) {
			if !exists {
				removed, _, err := o.removed(ctx, o.Keys.Task(spec.Name))
				if err != nil {
					return false, err
				}
				reason = ""
				if removed.Seen.MayContain(hash(spec)) {
					reason = wasDeleted
					return false, nil
				}
			}
			reason = declareTask(rec, file, spec)
			return true, nil
		})
		reason, err = orUnusable(reason, err)
		if err != nil {
			return unapplied, fmt.Errorf("declare: %w", err)
		}
		if reason != "" {
			unapplied = append(unapplied, fmt.Sprintf("task %s: %s", spec.Name, reason))
		}
	}
	if settings == nil {
		return unapplied, nil
	}
	reason := ""
	_, err = edit(ctx, o, o.Keys.Settings(), func(rec *schema.Settings, _ bool, _ int64) (bool, error) {
		reason = declareSettings(rec, file, *settings)
		return true, nil
	})
	reason, err = orUnusable(reason, err)
	if err != nil {
		return unapplied, fmt.Errorf("declare: %w", err)
	}
	if reason != "" {
		unapplied = append(unapplied, "settings: "+reason)
	}
	return unapplied, nil
}

// orUnusable returns what of a file is not applied to a record: the reason given, or that a person has to fix the record.
func orUnusable(reason string, err error) (string, error) {
	if errors.Is(err, schema.ErrCorrupt) || errors.Is(err, schema.ErrForeign) {
		return "not applied: " + err.Error(), nil
	}
	return reason, err
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

// news reports whether a declaration that is not in force was never seen, and why it is not applied if it was.
func news(o schema.Origin, hash string) (bool, string) {
	switch seen, certain := o.Saw(hash); {
	case !seen:
		return true, ""
	case !certain:
		return false, maybeSeen
	}
	return false, seenBefore
}

// remember records the declaration that a person has put in force, and the one before it, as those of files are recorded: a
// node that starts with a file of an earlier state reverts nothing.
func remember(rec *schema.Task, before cluster.TaskSpec) {
	for _, spec := range []cluster.TaskSpec{before, rec.Spec} {
		h := hash(spec)
		if seen, _ := rec.Origin.Saw(h); spec.Name != "" && !seen {
			rec.Origin = rec.Origin.Remember(rec.Origin.File, h)
		}
	}
}

// reverts returns which declarations among operations were in force before, or are of tasks that were deleted since. What
// leaders have removed was read if one of the tasks has no record.
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

// revertOf returns what a declaration was, "" if nothing is known of it or it is in force.
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
	cluster.RevertReplaced: "this declaration was in force before, and another one has taken its place since",
	cluster.RevertMaybe: "this declaration seems to have been in force before, too long ago to be certain, " +
		"and another one has taken its place since",
	cluster.RevertDeleted: "the task was deleted, and this declares it again",
}

// declareTask brings a task's record up to date, and returns what of the file is not in force.
func declareTask(rec *schema.Task, file string, spec cluster.TaskSpec) (unapplied string) {
	h := hash(spec)
	fresh, why := news(rec.Origin, h)
	switch {
	case fresh:
		rec.Declare(spec)
		rec.Origin = rec.Origin.Remember(file, h)
	case rec.Deleted:
		return wasDeleted
	case rec.Spec != spec:
		return why
	case rec.Effective() != spec:
		return "an operator's override stays in force until it is reset"
	}
	return ""
}

func declareSettings(rec *schema.Settings, file string, spec schema.SettingsSpec) (unapplied string) {
	h := hash(spec)
	fresh, why := news(rec.Origin, h)
	switch {
	case fresh:
		rec.Spec = spec
		rec.Origin = rec.Origin.Remember(file, h)
	case rec.Spec != spec:
		return why
	}
	return ""
}
