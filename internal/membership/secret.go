package membership

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// PeerSecret returns the secret by which the nodes of a cluster prove to each other that they belong to it. The first caller
// creates it, in one commit that fails for all others, so all have the same. Closed reports that the store refuses strangers
// now. A secret that may be older than that is then deleted and replaced, since strangers may have read it. The error matches
// ErrNoCluster, schema.ErrCorrupt or one of package coord.
func PeerSecret(ctx context.Context, s coord.Session, keys schema.Keys, closed bool) (secret []byte, err error) {
	for secret == nil && err == nil { // a deletion is a commit of its own
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

// peerSecret returns the secret, and the operations to commit for it; no secret while an old one is to be deleted.
func peerSecret(ctx context.Context, s coord.Session, keys schema.Keys, closed bool) (secret []byte, ops []coord.Op, err error) {
	var rec schema.PeerSecret
	stored, err := s.Get(ctx, keys.PeerSecret())
	switch {
	case err == nil:
		if err := schema.Decode(keys.PeerSecret(), stored, &rec); err != nil {
			return nil, nil, fmt.Errorf("%w; delete it, and the nodes create another one", err)
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

// ForgetPeerSecret deletes the secret, so that the next caller of PeerSecret creates another one. It reports whether there was one.
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
