package mem

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
)

// LastWrite implements coord.Historian, for a service that ends sessions early as etcd's may. Like etcd's reads it needs a
// server that reaches the store.
func (ss *session) LastWrite(ctx context.Context, key string) (committedBy time.Duration, err error) {
	s := ss.service
	if s.cfg.TakeoverDelay != coord.OwnTimeout {
		return 0, fmt.Errorf("last write of %s: %w", key, coord.ErrNoHistory)
	}
	if err := ss.call(ctx).wait(ss.storeReachable, 0); err != nil {
		return 0, fmt.Errorf("last write of %s: %w", key, err)
	}
	var answers coord.Revisions
	var was former
	var head int64
	var known bool
	err = ss.read(ctx, "last write of", key, func(*server) {
		answers, head = ss.answers.Clone(), s.changes
		was, known = s.former[key]
		known = known && s.keys[key] == nil && was.gone > answers.Oldest() // an older one may never have existed
	})
	if err != nil {
		return 0, err
	}
	committedBy, ok := answers.CommittedBy(was.last, head, ss.Now())
	if !known || !ok {
		return 0, fmt.Errorf("last write of %s: %w", key, coord.ErrNoHistory)
	}
	return committedBy, nil
}
