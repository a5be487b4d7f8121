package nodesession

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/election"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// whyNoMember returns, for people, why the node is not a member, and what they can do about it.
func whyNoMember(err error) (reason, help string) {
	if _, unanswered := errors.AsType[*coord.UnansweredError](err); unanswered {
		return reasonOf(err), "retrying for ever; `xconsumer doctor` finds the cause"
	}
	return reasonOf(err), "retrying for ever"
}

// reasonOf returns, for people, why a membership is over or does not begin. It does not name the key that is absent.
func reasonOf(err error) string {
	if errors.Is(err, membership.ErrGone) || errors.Is(err, election.ErrGone) {
		return "not heard of for longer than its session, or evicted"
	}
	if errors.Is(err, coord.ErrUnauthorized) {
		return "the coordination service does not let it use the records of its cluster"
	}
	return coord.Reason(err)
}

// lockedOut returns err. If the node may not use the records of the cluster, it returns an error that says so, which matches
// coord.ErrUnauthorized; the first record that was refused is in the log.
func (r *Runner) lockedOut(err error) error {
	if !errors.Is(err, coord.ErrUnauthorized) {
		return err
	}
	r.cfg.Log.Info("locked out", "error", err.Error())
	return fmt.Errorf(
		"the coordination service does not let this node use the records of cluster %s: %w",
		r.cfg.Cluster,
		coord.ErrUnauthorized,
	)
}

// stillTaken is how often the log repeats that another node has this node's name.
const stillTaken = 5 * time.Minute

// join joins. While another node has this node's name, it waits.
func (r *Runner) join(ctx context.Context, session coord.Session, member cluster.Member) (membership.Self, error) {
	hints := coord.NewHints(session)
	defer hints.Close()
	hints.Watch(r.cfg.Keys.Name(member.Node))
	var owner, logged string
	var since, loggedAt time.Time
	for {
		self, err := membership.Join(ctx, session, r.cfg.Keys, member)
		taken, ok := errors.AsType[*membership.NameTakenError](err)
		if !ok {
			return self, err
		}
		now := time.Now()
		if owner != taken.Owner.Member {
			owner, since = taken.Owner.Member, now
		}
		until := taken.Until(now.Sub(since))
		if reason := owner + until; reason != logged || now.Sub(loggedAt) >= stillTaken {
			logged, loggedAt = reason, now
			r.cfg.Log.Warn("waiting for the node name", "reason", taken.Error(), "member", owner, "until", until, "fix", membership.RenameHelp)
		}
		r.cfg.Presence.set(health{obstacle: fmt.Sprintf("waiting: %v, until %s; %s", taken, until, membership.RenameHelp), session: session})
		select {
		case <-ctx.Done():
			return self, ctx.Err()
		case <-session.Done():
			return self, coord.ErrSessionEnded
		case <-hints.C():
			hints.Take()
		case <-time.After(2 * time.Second):
		}
	}
}
