package leader

import (
	"context"
	"errors"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// commits makes the commits of a term, and keeps the state of the epoch after the last one.
type commits struct {
	*Leader
	term election.Term
	view *view.View
	ring ring
	// nextToken and committed are the epoch's after this leader's last commit.
	nextToken, committed int64
}

// fencedBy returns the first operations of every commit of a leader, and the epoch that they write. They require that the
// candidate key exists and that nothing was written to the epoch since the leader read it, not even by an earlier commit of its
// own that is still under way.
func (c *commits) fencedBy(snap *view.Snapshot, token int64, balanceAt time.Time) ([]coord.Op, *schema.Epoch) {
	epoch := *snap.Epoch.Rec
	epoch.NextToken, epoch.BalanceAt = token, balanceAt
	epoch.NextDecision = c.ring.next(snap) + 1
	at := snap.Epoch.Version
	return []coord.Op{
		coord.Check(c.term.Candidate, 0),
		coord.Set(c.Keys.Epoch(), schema.Encode(&epoch, at+1), at),
	}, &epoch
}

// submit makes a commit. If the commit is too large, the error is a *tooLarge.
func (c *commits) submit(ctx context.Context, ops []coord.Op) error {
	_, err := c.Session.Commit(ctx, ops...)
	if errors.Is(err, coord.ErrTooLarge) {
		return &tooLarge{ops, err}
	}
	return err
}

// plain makes a commit that moves no slot. The ops begin with those of fencedBy.
func (c *commits) plain(ctx context.Context, snap *view.Snapshot, epoch *schema.Epoch, ops []coord.Op) error {
	ring := c.ring.record(epoch, nil)
	if err := c.submit(ctx, append(ops, ring...)); err != nil {
		return err
	}
	c.applied(snap, epoch, ring)
	return nil
}

// applied records a commit that was made. It was prepared from snap, and wrote epoch and its part of the ring.
func (c *commits) applied(snap *view.Snapshot, epoch *schema.Epoch, ring []coord.Op) {
	c.ring.recorded(ring)
	c.view.PutEpoch(epoch, snap.Epoch.Version+1)
	c.nextToken, c.committed = epoch.NextToken, snap.Epoch.Version+1
}
