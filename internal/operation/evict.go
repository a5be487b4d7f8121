package operation

import (
	"context"
	"errors"
	"fmt"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// evict ends the membership of a node in one commit: its assignment says so, and all its keys that are bound to
// its session are deleted. Its next heartbeat fails, and that fences it.
func (o Operator) evict(ctx context.Context, s *view.Snapshot, node string) (revision string, err error) {
	memberID := ""
	for g, p := range s.Peers {
		if p.Live() && p.Member.Rec != nil && p.Member.Rec.Node == node {
			memberID = g
		}
	}
	if memberID == "" {
		return "", fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
	}
	return o.write(ctx, func(ctx context.Context) ([]coord.Op, string, error) {
		ops, version, err := o.evictOps(ctx, memberID, node)
		return ops, revisionOf(version), err
	})
}

// evictOps is the commit that evicts a member. Its keys are read after its assignment.
func (o Operator) evictOps(ctx context.Context, memberID, node string) (ops []coord.Op, version int64, err error) {
	stored, err := o.Session.Get(ctx, o.Keys.Assignment(memberID))
	if errors.Is(err, coord.ErrNotFound) {
		return nil, 0, fmt.Errorf("%w: %q is no longer a member", cluster.ErrNoNode, node)
	}
	if err != nil {
		return nil, 0, err
	}
	var assignment schema.Assignment
	if err := schema.Decode(o.Keys.Assignment(memberID), stored, &assignment); err != nil {
		return nil, 0, fmt.Errorf("%w: %w; the leader writes the record again", cluster.ErrConflict, err)
	}
	if assignment.Evicted || assignment.Closed != nil {
		return nil, 0, fmt.Errorf("%w: %q is no longer a member", cluster.ErrNoNode, node)
	}
	assignment.Evicted = true
	version = stored.Version + 1
	bound, err := membership.ReadSessionKeys(ctx, o.Session, o.Keys, memberID, node)
	if err != nil {
		return nil, 0, err
	}
	if bound.Session == "" {
		return nil, 0, fmt.Errorf("%w: %q is no longer a member", cluster.ErrNoNode, node)
	}
	if bound.Status != nil {
		assignment.Adopt(bound.Status.Holding, version)
	}
	set := coord.Set(o.Keys.Assignment(memberID), schema.Encode(&assignment, version), stored.Version)
	return append([]coord.Op{set}, bound.DeleteOps(bound.Session)...), version, nil
}
