package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"gitee.com/ken.yang/xconsumer/coord"
)

// LastWrite implements coord.Historian. It reads the key as it was at former revisions, and so finds the last one at which the
// key existed. This revision is usually the last but one, or one a little before. A key that existed for a few revisions only may
// be missed.
func (ss *session) LastWrite(ctx context.Context, key string) (committedBy time.Duration, err error) {
	ss.mu.Lock()
	answers := ss.answers.Clone()
	ss.mu.Unlock()
	last, head, err := ss.lastWrite(ctx, key, answers.Oldest())
	arrived := ss.Now()
	committedBy, ok := answers.CommittedBy(last, head, arrived)
	if err == nil && !ok {
		err = coord.ErrNoHistory
	}
	if err != nil {
		return 0, fmt.Errorf("last write of %s: %w", key, err)
	}
	return committedBy, nil
}

// lastWrite returns the revision of the last write of a deleted key, and a revision at which the key was absent. It looks back to
// the revision least: at an earlier one the key may have been absent because it had not been created yet.
func (ss *session) lastWrite(ctx context.Context, key string, least int64) (last, head int64, err error) {
	now, err := ss.getAt(ctx, key, 0)
	if err != nil {
		return 0, 0, err
	}
	head = now.Header.Revision
	if len(now.Kvs) > 0 {
		return 0, head, coord.ErrNoHistory
	}
	// The greatest revisions at which the key existed and at which nothing is known, and the least at which it was absent.
	there, unknown, absent := int64(0), least-1, head
	for back := int64(1); absent-max(there, unknown) > 1; back *= 2 {
		low := max(there, unknown)
		at := max(head-back, low+1)
		if low >= least {
			at = low + (absent-low)/2
		}
		modified, err := ss.modifiedAt(ctx, key, at)
		switch {
		case errors.Is(err, coord.ErrNoHistory): // compacted
			unknown = at
		case err != nil:
			return 0, head, err
		case modified > 0:
			there, last = at, modified
		default:
			absent = at
		}
	}
	if there == 0 || absent-there > 1 {
		return 0, head, coord.ErrNoHistory
	}
	return last, head, nil
}

// modifiedAt returns the revision of the last write of a key as of a revision, 0 if the key did not exist then.
func (ss *session) modifiedAt(ctx context.Context, key string, revision int64) (int64, error) {
	resp, err := ss.getAt(ctx, key, revision)
	if err != nil || len(resp.Kvs) == 0 {
		return 0, err
	}
	return resp.Kvs[0].ModRevision, nil
}

// getAt reads a key as of a revision, 0 for the present one. It arms no watch.
func (ss *session) getAt(ctx context.Context, key string, revision int64) (*clientv3.GetResponse, error) {
	return repeat(ctx, ss, func() error { return nil }, func(ctx context.Context) (*clientv3.GetResponse, error) {
		return ss.client.Get(ctx, ss.rooted(key), clientv3.WithRev(revision), clientv3.WithKeysOnly())
	})
}
