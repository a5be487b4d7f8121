package membership

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Errors of operations on a whole cluster; compare with errors.Is.
var (
	// ErrLive: the cluster has members.
	ErrLive = errors.New("the cluster has live members")
	// ErrNoCluster: the cluster does not exist.
	ErrNoCluster = errors.New("no such cluster")
	// ErrNothingToRaise: the members speak no later protocol.
	ErrNothingToRaise = errors.New("there is no later protocol that all members speak")
)

// Bootstrap creates a cluster if there is none, with tokens above a floor: in a store that was restored from a copy, new tokens
// must be above all that were given since the copy. With a floor, it also creates the epoch again if it is missing or damaged. It
// returns the next token.
func Bootstrap(ctx context.Context, s coord.Session, keys schema.Keys, floor int64) (next int64, err error) {
	if _, err := activeProtocol(ctx, s, keys); err != nil {
		return 0, fmt.Errorf("bootstrap: %w", err)
	}
	if _, err := coord.Update(ctx, s, func(error) ([]coord.Op, error) {
		epoch, stored, err := readEpoch(ctx, s, keys, floor)
		if err != nil {
			return nil, err
		}
		next = epoch.NextToken
		if next > floor {
			return nil, nil
		}
		if err := noMembers(ctx, s, keys); err != nil {
			return nil, err
		}
		next = floor + 1
		epoch.NextToken = next
		if stored == nil {
			return []coord.Op{coord.Create(keys.Epoch(), schema.Encode(&epoch, 0))}, nil
		}
		return []coord.Op{coord.Set(keys.Epoch(), schema.Encode(&epoch, stored.Version+1), stored.Version)}, nil
	}); err != nil {
		return 0, fmt.Errorf("bootstrap: %w", err)
	}
	return next, nil
}

// readEpoch reads the epoch, and its stored record, nil if absent. With a floor, an unusable epoch is replaced by a new one: its
// content is lost, except for what the caller passes and the decisions contain.
func readEpoch(ctx context.Context, s coord.Session, keys schema.Keys, floor int64) (epoch schema.Epoch, stored *coord.Record, err error) {
	r, err := s.Get(ctx, keys.Epoch())
	if err == nil {
		stored = &r
		err = schema.Decode(keys.Epoch(), r, &epoch)
	}
	unusable := errors.Is(err, coord.ErrNotFound) || errors.Is(err, schema.ErrCorrupt) || errors.Is(err, schema.ErrForeign)
	if unusable && floor > 0 {
		epoch = schema.Epoch{NextToken: 1}
		epoch.NextDecision, err = nextDecision(ctx, s, keys)
	}
	return epoch, stored, err
}

// nextDecision returns the number after the last decision that is kept.
func nextDecision(ctx context.Context, s coord.Session, keys schema.Keys) (next int64, err error) {
	list, err := s.List(ctx, schema.Dir(keys.Decision(0)))
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return 0, err
	}
	for _, e := range list {
		if n, err := strconv.ParseInt(e.Name, 10, 64); err == nil && n >= next && n < schema.MaxDecisions {
			next = n + 1
		}
	}
	return next, nil
}

func noMembers(ctx context.Context, s coord.Session, keys schema.Keys) error {
	members, err := s.List(ctx, keys.Members())
	if err == nil && len(members) > 0 {
		err = fmt.Errorf("%w: %d; stop them first", ErrLive, len(members))
	}
	return err
}

// DeleteCluster deletes everything of a cluster that has no live members, and returns the number of deleted records. A call after
// an interrupted one continues the deletion.
//
// No commit can check that there are no members. So meta, which every join checks, is deleted first: from then on no node can
// join. If a member joined just before that, the cluster stays, and meta is created again. The epoch is deleted last: a store that
// has an epoch and no meta is damaged, and no node begins a new cluster in it. Otherwise a new cluster could begin among the
// records of the old one, and with tokens below those of its checkpoints.
func DeleteCluster(ctx context.Context, s coord.Session, keys schema.Keys) (records int, err error) {
	if _, err := s.Get(ctx, keys.Meta()); errors.Is(err, coord.ErrNotFound) {
		if entries, err := s.List(ctx, keys.Root()); err == nil && len(entries) == 0 {
			return 0, ErrNoCluster
		}
	}
	meta, err := deleteMeta(ctx, s, keys)
	if err == nil {
		err = noMembers(ctx, s, keys)
	}
	if err != nil {
		if meta != nil {
			err = errors.Join(err, restoreMeta(ctx, s, keys, meta))
		}
		return 0, fmt.Errorf("delete: %w", err)
	}
	if meta != nil {
		records++
	}
	below, err := deleteRecords(ctx, s, keys)
	records += below
	if err != nil {
		return records, fmt.Errorf("delete: %w", err)
	}
	return records, nil
}

// deleteRecords deletes everything of a cluster that has no meta, the epoch last. From then on the keys may be those of a new
// cluster, so only the root is deleted, if it is empty.
func deleteRecords(ctx context.Context, s coord.Session, keys schema.Keys) (records int, err error) {
	entries, err := s.List(ctx, keys.Root())
	if err != nil && !errors.Is(err, coord.ErrNotFound) {
		return 0, err
	}
	var below []string
	for _, e := range entries {
		if key := keys.Root() + "/" + e.Name; key != keys.Epoch() {
			below = append(below, key)
		}
	}
	for _, key := range append(below, keys.Epoch()) {
		n, err := coord.DeleteTree(ctx, s, key)
		records += n
		if err != nil {
			return records, err
		}
	}
	root, err := s.Get(ctx, keys.Root())
	if err == nil {
		_, err = s.Commit(ctx, coord.Delete(keys.Root(), root.Version))
	}
	switch {
	case err == nil:
		records++
	case !errors.Is(err, coord.ErrNotFound) && !errors.Is(err, coord.ErrInvalid): // ErrInvalid: it has keys again
		return records, err
	}
	return records, nil
}

// deleteMeta deletes meta unless there are members. It returns the record that it has or may have deleted, nil for none.
func deleteMeta(ctx context.Context, s coord.Session, keys schema.Keys) (meta *coord.Record, err error) {
	var live error
	unknown := false // the outcome of an attempt
	_, err = coord.Update(ctx, s, func(last error) ([]coord.Op, error) {
		unknown = unknown || errors.Is(last, coord.ErrUnknown)
		stored, err := s.Get(ctx, keys.Meta())
		switch {
		case errors.Is(err, coord.ErrNotFound): // deleted by an earlier attempt or call
			return nil, nil
		case err != nil:
			return nil, err
		}
		live = noMembers(ctx, s, keys)
		switch {
		case live == nil:
			meta = &stored
			return []coord.Op{coord.Delete(keys.Meta(), stored.Version)}, nil
		case errors.Is(last, coord.ErrUnknown): // it is written, so that a deletion which is still under way fails
			return []coord.Op{coord.Set(keys.Meta(), stored.Value, stored.Version)}, nil
		}
		return nil, live
	})
	if err != nil && !unknown && !errors.Is(err, coord.ErrUnknown) {
		meta = nil // every attempt was refused
	}
	return meta, cmp.Or(err, live)
}

// restoreMeta creates meta again as it was, unless another client has done so, and writes it until its version is above that of the
// deleted record: a deletion whose outcome is unknown may still be under way, and the versions of a new key begin at 0.
func restoreMeta(ctx context.Context, s coord.Session, keys schema.Keys, meta *coord.Record) error {
	for safe := false; !safe; {
		if _, err := coord.Update(ctx, s, func(error) ([]coord.Op, error) {
			stored, err := s.Get(ctx, keys.Meta())
			switch {
			case errors.Is(err, coord.ErrNotFound):
				return []coord.Op{coord.Create(keys.Meta(), meta.Value)}, nil
			case err != nil:
				return nil, err
			}
			safe = stored.Version > meta.Version
			if safe {
				return nil, nil
			}
			return []coord.Op{coord.Set(keys.Meta(), stored.Value, stored.Version)}, nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// Raise reports the active protocol, and why there is no later one to raise it to: one protocol exists so far. The code that
// activates a later one comes with that protocol.
func Raise(ctx context.Context, s coord.Session, keys schema.Keys) (from, to int, err error) {
	stored, err := s.Get(ctx, keys.Meta())
	if errors.Is(err, coord.ErrNotFound) {
		return 0, 0, ErrNoCluster
	}
	if err != nil {
		return 0, 0, fmt.Errorf("raise: %w", err)
	}
	var meta schema.Meta
	if err := schema.Decode(keys.Meta(), stored, &meta); err != nil {
		return 0, 0, fmt.Errorf("raise: %w", err)
	}
	// All existing programs speak one protocol; members that speak more will list that in their records.
	if schema.Protocol <= meta.Protocol {
		return meta.Protocol, meta.Protocol, fmt.Errorf("%w: it is %d", ErrNothingToRaise, meta.Protocol)
	}
	return meta.Protocol, meta.Protocol, fmt.Errorf(
		"%w: it is %d, and this program speaks %d",
		ErrNothingToRaise,
		meta.Protocol,
		schema.Protocol,
	)
}
