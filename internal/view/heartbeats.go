package view

import (
	"context"
	"errors"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// readLastHeartbeats asks the service for the last heartbeats of the members that a batch has shown to be gone or evicted. Where it
// does not show one, or cannot be asked, the leader waits longer; so only the end of ctx or of the session is an error.
func (v *View) readLastHeartbeats(ctx context.Context, b *batch) error {
	gone := v.goneWithoutHeartbeat(b)
	if len(gone) == 0 {
		return nil
	}
	type answer struct {
		committedBy time.Duration
		err         error
	}
	answers := make([]answer, len(gone))
	inParallel(len(gone), func(i int) {
		by, err := coord.LastWrite(ctx, v.session, v.keys.Heartbeat(gone[i]))
		answers[i] = answer{by, err}
		if v.progress != nil {
			v.progress()
		}
	})
	for i, a := range answers {
		switch {
		case a.err == nil:
			p := *v.snap.Peers[gone[i]]
			p.LastHeartbeat = a.committedBy
			v.snap.Peers[gone[i]] = &p
		case ctx.Err() != nil || errors.Is(a.err, coord.ErrSessionEnded):
			for _, memberID := range gone {
				v.hints.Mark(v.keys.Member(memberID))
			}
			return a.err
		}
	}
	return nil
}

// goneWithoutHeartbeat returns the members of a batch that are gone or evicted, and whose last heartbeat is not known.
func (v *View) goneWithoutHeartbeat(b *batch) (members []string) {
	if !v.leader {
		return nil
	}
	listed := map[string]bool{}
	for key := range b.taken {
		memberID := schema.Base(key)
		p := v.snap.Peers[memberID]
		if p == nil || listed[memberID] || p.LastHeartbeat != 0 || !p.Assignment.Good() || p.Assignment.Rec.Closed != nil {
			continue
		}
		if p.Assignment.Rec.Evicted || p.Member.Absent && p.Status.Absent {
			listed[memberID] = true
			members = append(members, memberID)
		}
	}
	slices.Sort(members)
	return members
}
