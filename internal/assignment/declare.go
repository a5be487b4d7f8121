package assignment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
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
func Declare(ctx context.Context, s coord.Session, keys schema.Keys, file string, tasks []cluster.TaskSpec, settings *schema.SettingsSpec) (unapplied []string, err error) {
	for _, spec := range tasks {
		note, err := declare(ctx, s, keys.Task(spec.Name), &taskDeclaration{file: file, spec: spec})
		if err != nil {
			return unapplied, err
		}
		if note != "" {
			unapplied = append(unapplied, fmt.Sprintf("task %s: %s", spec.Name, note))
		}
	}
	if settings != nil {
		note, err := declare(ctx, s, keys.Settings(), &settingsDeclaration{file: file, spec: *settings})
		if err != nil {
			return unapplied, err
		}
		if note != "" {
			unapplied = append(unapplied, "settings: "+note)
		}
	}
	return unapplied, nil
}

// declaration is one record that a file declares.
type declaration interface {
	// fresh returns the record to create.
	fresh() schema.Record
	// merge returns what to write instead of what is stored, nil for nothing, and a note if
	// the file wants something else than what stays in force.
	merge(key string, stored coord.Record) (next schema.Record, note string, err error)
}

// declare brings one record up to date; every write is checked, and refused ones are decided
// anew.
func declare(ctx context.Context, s coord.Session, key string, d declaration) (note string, err error) {
	for {
		stored, err := s.Get(ctx, key)
		var op coord.Op
		switch {
		case errors.Is(err, coord.ErrNotFound):
			op = coord.Create(key, schema.Encode(d.fresh(), 0))
		case err != nil:
			return "", fmt.Errorf("declare: %w", err)
		default:
			next, note, err := d.merge(key, stored)
			if err != nil {
				return "not applied: " + err.Error(), nil //nolint:nilerr // it is for a person to mend
			}
			if next == nil {
				return note, nil
			}
			op = coord.Set(key, schema.Encode(next, stored.Version+1), stored.Version)
		}
		_, err = s.Commit(ctx, op)
		_, checked := coord.FailedCheck(err)
		switch {
		case err == nil:
			return "", nil
		case errors.Is(err, coord.ErrUnauthorized), errors.Is(err, coord.ErrSessionEnded), ctx.Err() != nil:
			return "", fmt.Errorf("declare: %w", err)
		case checked, errors.Is(err, coord.ErrUnknown):
			continue
		}
		return "", fmt.Errorf("declare: %w", err)
	}
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

type taskDeclaration struct {
	file string
	spec cluster.TaskSpec
}

func (d *taskDeclaration) fresh() schema.Record {
	return &schema.Task{Spec: d.spec, Origin: remember(schema.Origin{}, d.file, hash(d.spec))}
}

func (d *taskDeclaration) merge(key string, stored coord.Record) (schema.Record, string, error) {
	rec := new(schema.Task)
	if err := schema.Decode(key, stored, rec); err != nil {
		return nil, "", err
	}
	h := hash(d.spec)
	if slices.Contains(rec.Origin.Seen, h) {
		switch {
		case rec.Deleted:
			return nil, "the task was deleted; use `xconsumer apply` to declare it again", nil
		case rec.Spec != d.spec:
			return nil, seenBefore, nil
		case rec.Effective() != d.spec:
			return nil, "an operator's override stays in force until it is reset", nil
		}
		return nil, "", nil
	}
	rec.Spec, rec.Deleted = d.spec, false
	rec.Origin = remember(rec.Origin, d.file, h)
	return rec, "", nil
}

type settingsDeclaration struct {
	file string
	spec schema.SettingsSpec
}

func (d *settingsDeclaration) fresh() schema.Record {
	return &schema.Settings{Spec: d.spec, Origin: remember(schema.Origin{}, d.file, hash(d.spec))}
}

func (d *settingsDeclaration) merge(key string, stored coord.Record) (schema.Record, string, error) {
	rec := new(schema.Settings)
	if err := schema.Decode(key, stored, rec); err != nil {
		return nil, "", err
	}
	h := hash(d.spec)
	if slices.Contains(rec.Origin.Seen, h) {
		if rec.Spec != d.spec {
			return nil, seenBefore, nil
		}
		return nil, "", nil
	}
	rec.Spec = d.spec
	rec.Origin = remember(rec.Origin, d.file, h)
	return rec, "", nil
}
