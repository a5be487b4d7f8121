package membership

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/jitter"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// PeerSecret returns what the nodes of a cluster prove to each other with that they are of it. Whoever asks first makes
// it, in one commit that fails for all others, so that all have the same. Where closed says that the store refuses strangers
// now, one that was made while it may not have is deleted, and another one is made: the first may be known to others. The
// error matches ErrNoCluster, schema.ErrCorrupt or one of package coord.
func PeerSecret(ctx context.Context, s coord.Session, keys schema.Keys, closed bool) ([]byte, error) {
	for failures := 0; ; failures++ {
		if err := jitter.Backoff(ctx, failures); err != nil {
			return nil, fmt.Errorf("peer secret: %w", err)
		}
		var rec schema.PeerSecret
		stored, err := s.Get(ctx, keys.PeerSecret())
		switch {
		case err == nil:
			if err := schema.Decode(keys.PeerSecret(), stored, &rec); err != nil {
				return nil, fmt.Errorf("peer secret: %w; delete it, and the nodes make another one", err)
			}
			if rec.Closed || !closed {
				return []byte(rec.Secret), nil
			}
			_, err = s.Commit(ctx, coord.Delete(keys.PeerSecret(), stored.Version))
			if _, checked := coord.FailedCheck(err); err != nil && !checked && !errors.Is(err, coord.ErrUnknown) {
				return nil, fmt.Errorf("peer secret: %w", err)
			}
			continue
		case !errors.Is(err, coord.ErrNotFound):
			return nil, fmt.Errorf("peer secret: %w", err)
		}
		meta, err := s.Get(ctx, keys.Meta())
		if errors.Is(err, coord.ErrNotFound) {
			return nil, fmt.Errorf("peer secret: %w", ErrNoCluster)
		}
		if err != nil {
			return nil, fmt.Errorf("peer secret: %w", err)
		}
		rec.Secret, rec.Closed = rand.Text()+rand.Text(), closed
		_, err = s.Commit(ctx, coord.Check(keys.Meta(), meta.Version), coord.Create(keys.PeerSecret(), schema.Encode(&rec, 0)))
		if _, checked := coord.FailedCheck(err); err != nil && !checked && !errors.Is(err, coord.ErrUnknown) {
			return nil, fmt.Errorf("peer secret: %w", err)
		}
		// It is read back: the one in the store counts, whoever has made it.
	}
}

// ForgetPeerSecret deletes what PeerSecret returns, so that the next that asks makes another one, and reports whether
// there was one.
func ForgetPeerSecret(ctx context.Context, s coord.Session, keys schema.Keys) (bool, error) {
	for failures := 0; ; failures++ {
		if err := jitter.Backoff(ctx, failures); err != nil {
			return false, fmt.Errorf("peer secret: %w", err)
		}
		stored, err := s.Get(ctx, keys.PeerSecret())
		if errors.Is(err, coord.ErrNotFound) {
			return failures > 0, nil
		}
		if err != nil {
			return false, fmt.Errorf("peer secret: %w", err)
		}
		_, err = s.Commit(ctx, coord.Delete(keys.PeerSecret(), stored.Version))
		if _, checked := coord.FailedCheck(err); err == nil {
			return true, nil
		} else if !checked && !errors.Is(err, coord.ErrUnknown) {
			return false, fmt.Errorf("peer secret: %w", err)
		}
	}
}
