package operation

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// commitEvict ends the membership of a node in one commit: it writes the assignment as Effect returns it, and deletes all keys that
// are bound to the member's session. The member's next heartbeat fails, and that fences it.
func (o Operator) commitEvict(ctx context.Context, s *view.Snapshot, node string) (revision string, err error) {
	memberID, err := liveMember(s, node)
	if err != nil {
		return "", err
	}
	return o.write(ctx, func(ctx context.Context) ([]coord.Op, string, error) {
		ops, version, err := o.evictOps(ctx, memberID, *s.Peers[memberID])
		return ops, revisionOf(version), err
	})
}

// evictOps returns the commit that evicts a member. It reads the member's keys after its assignment.
func (o Operator) evictOps(ctx context.Context, memberID string, p view.Peer) (ops []coord.Op, version int64, err error) {
	p.Assignment, _, err = load[schema.Assignment](ctx, o, o.Keys.Assignment(memberID))
	if err != nil {
		return nil, 0, err
	}
	node := p.Member.Rec.Node
	bound, err := membership.ReadSessionKeys(ctx, o.Session, o.Keys, memberID, node)
	if err != nil {
		return nil, 0, err
	}
	p.Status.Rec = bound.Status
	eviction, err := evictionOf(node, &p)
	switch {
	case err != nil:
		return nil, 0, err
	case bound.Session == "":
		return nil, 0, noLongerAMember(node)
	}
	return eviction.Ops(o.Keys, memberID, bound.DeleteOps(bound.Session)), eviction.Version, nil
}

// evict ends the membership of a node.
func (e editor) evict(op cluster.Operation) error {
	memberID, err := liveMember(e.Snapshot, op.Node)
	if err != nil {
		return err
	}
	p := *e.Peers[memberID]
	eviction, err := evictionOf(op.Node, &p)
	if err != nil {
		return err
	}
	p.Assignment.Rec, p.Assignment.RecAt, p.Assignment.Version = eviction.Assignment, eviction.Version, eviction.Version
	e.removeKeys(memberID, p)
	return nil
}

// lose deletes the keys of a member, as the end of its session does, and requests that no delay hold its work.
func (e editor) lose(op cluster.Operation) error {
	memberID, err := liveMember(e.Snapshot, op.Node)
	if err != nil {
		return err
	}
	e.removeKeys(memberID, *e.Peers[memberID])
	return e.moveNow(memberID)
}

// removeKeys replaces a member by one without keys, as if they were read after its assignment.
func (e editor) removeKeys(memberID string, p view.Peer) {
	p.Member.Absent, p.Member.Read = true, max(p.Member.Read, p.Assignment.Read)
	p.Status.Absent, p.Status.Read = true, max(p.Status.Read, p.Assignment.Read)
	e.Peers[memberID] = &p
}

// evictionOf returns the eviction of a member, for the plan and for the commit. It refuses a member that has been evicted or closed,
// and one whose assignment cannot be used, since its grants are unknown.
func evictionOf(node string, p *view.Peer) (membership.Eviction, error) {
	switch a := p.Assignment; {
	case a.Err != nil:
		return membership.Eviction{}, fmt.Errorf("%w: %w; the leader writes the record again", cluster.ErrConflict, a.Err)
	case !a.Good() || a.Rec.Evicted || a.Rec.Closed != nil:
		return membership.Eviction{}, noLongerAMember(node)
	}
	return membership.Evict(p.Assignment.Rec, p.Assignment.Version, p.Member.Rec, p.Status.Rec), nil
}

func noLongerAMember(node string) error {
	return fmt.Errorf("%w: %q is no longer a member", cluster.ErrNoNode, node)
}

// liveMember returns the live member of a node. The store refuses a second one of the same name. If one was created manually, the
// first by ID is returned.
func liveMember(s *view.Snapshot, node string) (memberID string, err error) {
	for _, memberID := range slices.Sorted(maps.Keys(s.Peers)) {
		if p := s.Peers[memberID]; p.Live() && p.Member.Rec != nil && p.Member.Rec.Node == node {
			return memberID, nil
		}
	}
	return "", fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
}
