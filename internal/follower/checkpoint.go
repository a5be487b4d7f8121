package follower

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Checkpoints stores the progress of workers for the next workers of their slots.
//
// A write is fenced by the grant: it is committed only while the member's status lists the slot under the worker's token. As
// long as it does, no other member can have been granted the slot. So a worker that was paused and wakes too late cannot
// overwrite the progress of its successor.
type Checkpoints struct {
	Session coord.Session
	Keys    schema.Keys
	Member  string // MemberID
}

// Save stores the progress of a worker. The error matches cluster.ErrCheckpoint if data are too large, cluster.ErrReleased if
// the worker no longer has the slot, cluster.ErrLeaseLost if the session has ended, or one of package coord.
func (c Checkpoints) Save(ctx context.Context, g cluster.Grant, data []byte) error {
	if len(data) > cluster.MaxCheckpoint {
		return fmt.Errorf("%w: %d bytes are more than %d", cluster.ErrCheckpoint, len(data), cluster.MaxCheckpoint)
	}
	_, err := coord.Update(ctx, c.Session, func(error) ([]coord.Op, error) { return c.saveOps(ctx, g, data) })
	switch {
	case err == nil:
		return nil
	case errors.Is(err, coord.ErrSessionEnded):
		err = fmt.Errorf("%w: %w", cluster.ErrLeaseLost, err)
	}
	return fmt.Errorf("checkpoint of %s: %w", g.Slot, err)
}

// saveOps returns the commit that stores a worker's progress, nil if it is stored already.
func (c Checkpoints) saveOps(ctx context.Context, g cluster.Grant, data []byte) ([]coord.Op, error) {
	holds, err := c.holds(ctx, g.Slot, g.Token)
	if err != nil {
		return nil, err
	}
	last, version, err := c.read(ctx, g.Slot)
	if err != nil {
		return nil, err
	}
	key, next := c.Keys.Checkpoint(g.Slot), &schema.Checkpoint{Token: g.Token, Generation: g.Generation, Data: data}
	switch {
	case last == nil:
		return []coord.Op{holds, coord.Create(key, schema.Encode(next, 0))}, nil
	case last.Token > g.Token:
		return nil, cluster.ErrReleased
	case last.Token == g.Token && bytes.Equal(last.Data, data):
		return nil, nil // stored already, perhaps by a commit whose outcome was unknown
	}
	return []coord.Op{holds, coord.Set(key, schema.Encode(next, version+1), version)}, nil
}

// holds returns the check that the member holds a slot under a token, or an error if it does not.
func (c Checkpoints) holds(ctx context.Context, slot cluster.Slot, token int64) (coord.Op, error) {
	key := c.Keys.Status(c.Member)
	r, err := c.Session.Get(ctx, key)
	switch {
	case errors.Is(err, coord.ErrNotFound):
		return coord.Op{}, fmt.Errorf("%w: %w", cluster.ErrLeaseLost, err)
	case err != nil:
		return coord.Op{}, err
	}
	var status schema.Status
	if err := schema.Decode(key, r, &status); err != nil {
		return coord.Op{}, err
	}
	if h := schema.Find(status.Holding, slot); h == nil || h.Token != token {
		return coord.Op{}, cluster.ErrReleased
	}
	return coord.Check(key, r.Version), nil
}

// Last returns the latest checkpoint of a slot, nil if there is none since its task was declared: checkpoints of a deleted task
// of the same name do not count.
func (c Checkpoints) Last(ctx context.Context, g cluster.Grant) ([]byte, error) {
	rec, _, err := c.read(ctx, g.Slot)
	if err != nil {
		return nil, fmt.Errorf("checkpoint of %s: %w", g.Slot, err)
	}
	if rec == nil || rec.Generation != g.Generation {
		return nil, nil
	}
	return rec.Data, nil
}

func (c Checkpoints) read(ctx context.Context, slot cluster.Slot) (*schema.Checkpoint, int64, error) {
	key := c.Keys.Checkpoint(slot)
	r, err := c.Session.Get(ctx, key)
	if errors.Is(err, coord.ErrNotFound) {
		return nil, 0, nil
	}
	rec := new(schema.Checkpoint)
	if err == nil {
		err = schema.Decode(key, r, rec)
	}
	if err != nil {
		return nil, 0, err
	}
	return rec, r.Version, nil
}
