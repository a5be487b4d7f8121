package membership

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// PeerSecret returns what the nodes of a cluster prove to each other with that they are of it. The first that asks makes
// it, in one commit that fails for all others, so that all have the same. Where closed says that the store refuses strangers
// now, one that was made while it may not have is deleted, and another one is made: the first may be known to others. The
// error matches ErrNoCluster, schema.ErrCorrupt or one of package coord.
func PeerSecret(ctx context.Context, s coord.Session, keys schema.Keys, closed bool) (secret []byte, err error) {
	for secret == nil && err == nil { // one that is deleted takes a commit of its own
		_, err = coord.Update(ctx, s, func(error) (ops []coord.Op, err error) {
			secret, ops, err = peerSecret(ctx, s, keys, closed)
			return ops, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("peer secret: %w", err)
	}
	return secret, nil
}

// peerSecret returns the secret, and what has to be committed for it; no secret while another one is to be deleted.
func peerSecret(ctx context.Context, s coord.Session, keys schema.Keys, closed bool) (secret []byte, ops []coord.Op, err error) {
	var rec schema.PeerSecret
	stored, err := s.Get(ctx, keys.PeerSecret())
	switch {
	case err == nil:
		if err := schema.Decode(keys.PeerSecret(), stored, &rec); err != nil {
			return nil, nil, fmt.Errorf("%w; delete it, and the nodes make another one", err)
		}
		if rec.Closed || !closed {
			return []byte(rec.Secret), nil, nil
		}
		return nil, []coord.Op{coord.Delete(keys.PeerSecret(), stored.Version)}, nil
	case !errors.Is(err, coord.ErrNotFound):
		return nil, nil, err
	}
	meta, err := s.Get(ctx, keys.Meta())
	if errors.Is(err, coord.ErrNotFound) {
		return nil, nil, ErrNoCluster
	}
	if err != nil {
		return nil, nil, err
	}
	rec.Secret, rec.Closed = rand.Text()+rand.Text(), closed
	return []byte(rec.Secret), []coord.Op{coord.Check(keys.Meta(), meta.Version), coord.Create(keys.PeerSecret(), schema.Encode(&rec, 0))}, nil
}

// ForgetPeerSecret deletes what PeerSecret returns, so that the next that asks makes another one, and reports whether
// there was one.
func ForgetPeerSecret(ctx context.Context, s coord.Session, keys schema.Keys) (there bool, err error) {
	if _, err := coord.Update(ctx, s, func(error) ([]coord.Op, error) {
		stored, err := s.Get(ctx, keys.PeerSecret())
		if errors.Is(err, coord.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		there = true
		return []coord.Op{coord.Delete(keys.PeerSecret(), stored.Version)}, nil
	}); err != nil {
		return false, fmt.Errorf("peer secret: %w", err)
	}
	return there, nil
}
