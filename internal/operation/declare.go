package operation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// maxSeen bounds how many former declarations a record remembers.
const maxSeen = 32

// Declare publishes what a node's file declares. A task that does not exist is created. A
// declaration that was never seen before replaces the one in force; one that was seen before
// changes nothing, so that a node which restarts with an old file reverts nothing. What an
// operator overrode stays.
//
// It returns what was not applied, in words, and fails only if the session or ctx ended or the
// service refused.
func (o Operator) Declare(ctx context.Context, file string, tasks []cluster.TaskSpec, settings *schema.SettingsSpec) (unapplied []string, err error) {
	for _, spec := range tasks {
		note := ""
		_, err := edit(ctx, o, o.Keys.Task(spec.Name), func(rec *schema.Task, _ bool, _ int64) (bool, error) {
			note = declareTask(rec, file, spec)
			return true, nil
		})
		if note, err = unusable(note, err); err != nil {
			return unapplied, fmt.Errorf("declare: %w", err)
		}
		if note != "" {
			unapplied = append(unapplied, fmt.Sprintf("task %s: %s", spec.Name, note))
		}
	}
	if settings == nil {
		return unapplied, nil
	}
	note := ""
	_, err = edit(ctx, o, o.Keys.Settings(), func(rec *schema.Settings, _ bool, _ int64) (bool, error) {
		note = declareSettings(rec, file, *settings)
		return true, nil
	})
	if note, err = unusable(note, err); err != nil {
		return unapplied, fmt.Errorf("declare: %w", err)
	}
	if note != "" {
		unapplied = append(unapplied, "settings: "+note)
	}
	return unapplied, nil
}

// unusable makes a note of a record that somebody has to mend.
func unusable(note string, err error) (string, error) {
	if errors.Is(err, schema.ErrCorrupt) || errors.Is(err, schema.ErrForeign) {
		return "not applied: " + err.Error(), nil
	}
	return note, err
}

const seenBefore = "the cluster has another declaration, and this one was in force before; use `xconsumer apply` to make it so again"

// hash identifies a declaration by its JSON, so that a field which a later version adds, and
// omits when it is empty, does not make every old declaration look new.
func hash(spec any) string {
	text, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("assignment: %T cannot be marshalled: %v", spec, err))
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func remember(o schema.Origin, file, hash string) schema.Origin {
	o.File = file
	o.Seen = append(slices.Clone(o.Seen), hash)
	if extra := len(o.Seen) - maxSeen; extra > 0 {
		o.Seen = o.Seen[extra:]
	}
	return o
}

// declareTask brings a task's record up to date, and notes what the file wants otherwise.
func declareTask(rec *schema.Task, file string, spec cluster.TaskSpec) (note string) {
	h := hash(spec)
	if !slices.Contains(rec.Origin.Seen, h) {
		rec.Spec, rec.Deleted = spec, false
		rec.Origin = remember(rec.Origin, file, h)
		return ""
	}
	switch {
	case rec.Deleted:
		return "the task was deleted; use `xconsumer apply` to declare it again"
	case rec.Spec != spec:
		return seenBefore
	case rec.Effective() != spec:
		return "an operator's override stays in force until it is reset"
	}
	return ""
}

func declareSettings(rec *schema.Settings, file string, spec schema.SettingsSpec) (note string) {
	h := hash(spec)
	switch {
	case !slices.Contains(rec.Origin.Seen, h):
		rec.Spec = spec
		rec.Origin = remember(rec.Origin, file, h)
	case rec.Spec != spec:
		return seenBefore
	}
	return ""
}
