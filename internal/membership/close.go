package membership

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Departure is what a leaving member has recorded of its own keys, which saves reading them. If a record turns out to be different,
// all are read.
type Departure struct {
	Assignment        *schema.Assignment // nil if unknown
	AssignmentVersion int64
	StatusVersion     int64
	NoCompletions     bool // it has written no record of ended slots
	KeepAlive         KeepAlive
	Burst             *schema.Burst // nil if the member did not lead, or no other member leaves
	// Started are the grants that the member has started, with their tokens. What it never started does not wait for its node.
	Started map[cluster.Slot]int64
}

// close closes an assignment, which will have the given version.
func (d *Departure) close(assignment *schema.Assignment, version int64, closed *schema.Closed) {
	if closed.RestartGrace > 0 {
		why := cluster.Reason{Code: cluster.WhyLeft, Node: assignment.Node}
		assignment.GiveBack(version, why, func(slot cluster.Slot, h *schema.Granted) bool { return d.Started[slot] != h.Token })
	}
	assignment.Close(closed)
}

// Close closes a member of which nothing runs any longer. One commit marks its assignment and deletes its other keys, so its slots
// are free at once. Maintain must have returned.
func Close(ctx context.Context, s coord.Session, keys schema.Keys, self Self, d Departure, by, cause string) error {
	closed := &schema.Closed{By: by, Cause: cause, Left: true, NoCompletions: d.NoCompletions, Burst: d.Burst, RestartGrace: self.RestartGrace}
	if closed.RestartGrace > 0 {
		closed.At = time.Now().UTC().Truncate(time.Millisecond)
	}
	_, err := coord.Update(ctx, s, func(last error) ([]coord.Op, error) {
		if last == nil && d.Assignment != nil {
			return closeKnown(keys, self, d, closed), nil
		}
		return closeRead(ctx, s, keys, self.Member, s.Info().ID, func(assignment *schema.Assignment, version int64, _ *schema.Status) {
			d.close(assignment, version, closed)
		})
	})
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// FormerMember is a member whose process has died, and the cause.
type FormerMember struct {
	Member, Node string
	Session      string // the session of its keys
	By, Cause    string
	// Blame is set if the worker processes of the member may have killed its process. The slots that it had started in the last
	// minute are then recorded, so that they do not take down one node after another.
	Blame bool
}

// CloseDead closes a member of which nothing runs any longer, over another session than its own. If the member is not found, it
// looks again for a moment, since the join may still be under way; after that there is nothing to close.
func CloseDead(ctx context.Context, s coord.Session, keys schema.Keys, former FormerMember) error {
	const looks, pause = 5, 100 * time.Millisecond
	for look := 1; ; look++ {
		err := closeDead(ctx, s, keys, former)
		if !errors.Is(err, coord.ErrNotFound) || look == looks {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// CloseFormer closes the former member of a node that has lost its session, once nothing of that member runs any longer. Otherwise
// the slots of an evicted member would wait for a session timeout of each new leader. A member that no longer exists is
// not an error.
func CloseFormer(ctx context.Context, s coord.Session, keys schema.Keys, former FormerMember) error {
	err := closeDead(ctx, s, keys, former)
	if errors.Is(err, coord.ErrNotFound) {
		return nil
	}
	return err
}

func closeDead(ctx context.Context, s coord.Session, keys schema.Keys, former FormerMember) error {
	died := time.Now().UTC().Truncate(time.Millisecond)
	mark := func(assignment *schema.Assignment, _ int64, status *schema.Status) {
		c := &schema.Closed{By: former.By, Cause: former.Cause}
		if former.Blame && status != nil {
			c.StartedLast60s = startedSince(status.Holding, died.Add(-suspicion))
			c.At = died
		}
		assignment.Close(c)
	}
	m := cluster.Member{MemberID: former.Member, Node: former.Node}
	if _, err := coord.Update(
		ctx,
		s,
		func(error) ([]coord.Op, error) { return closeRead(ctx, s, keys, m, former.Session, mark) },
	); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// suspicion is the age up to which the start of a slot may be the cause of a crash.
const suspicion = time.Minute

// startedSince returns the slots that were claimed after a time, by the clock of the machine that claimed them, which is this one.
func startedSince(holding []schema.Claimed, since time.Time) []schema.Claimed {
	var list []schema.Claimed
	for _, h := range holding {
		if h.Since.After(since) {
			list = append(list, schema.Claimed{SlotRange: schema.SlotRange{Task: h.Task, Slots: h.Slots, Token: h.Token}, Since: h.Since})
		}
	}
	return list
}

// closeKnown returns the commit that closes a member whose keys are as they were last seen.
func closeKnown(keys schema.Keys, self Self, d Departure, closed *schema.Closed) []coord.Op {
	assignment := *d.Assignment
	d.close(&assignment, d.AssignmentVersion+1, closed)
	return []coord.Op{
		coord.Set(keys.Assignment(self.MemberID), schema.Encode(&assignment, d.AssignmentVersion+1), d.AssignmentVersion),
		coord.Delete(keys.Member(self.MemberID), 0),
		coord.Delete(keys.Status(self.MemberID), d.StatusVersion),
		coord.Delete(keys.Heartbeat(self.MemberID), d.KeepAlive.version),
		coord.Delete(keys.Name(self.Node), 0),
		coord.Delete(self.Election, 0),
	}
}

// closeRead reads all keys of the member at once and returns the commit that closes it, nil if it is closed. The function mark closes
// the assignment, which will have a version, given the member's status, nil if there is no usable one.
func closeRead(
	ctx context.Context,
	s coord.Session,
	keys schema.Keys,
	m cluster.Member,
	session string,
	mark func(assignment *schema.Assignment, version int64, status *schema.Status),
) ([]coord.Op, error) {
	var bound SessionKeys
	var berr error
	var reading sync.WaitGroup
	reading.Go(func() { bound, berr = ReadSessionKeys(ctx, s, keys, m.MemberID, m.Node) })
	r, err := s.Get(ctx, keys.Assignment(m.MemberID))
	reading.Wait()
	if err != nil {
		return nil, err
	}
	var assignment schema.Assignment
	if err := schema.Decode(keys.Assignment(m.MemberID), r, &assignment); err != nil {
		return nil, err
	}
	if assignment.Closed != nil {
		return nil, nil
	}
	if berr != nil {
		return nil, berr
	}
	mark(&assignment, r.Version+1, bound.Status)
	set := coord.Set(keys.Assignment(m.MemberID), schema.Encode(&assignment, r.Version+1), r.Version)
	return append([]coord.Op{set}, bound.DeleteOps(session)...), nil
}
