package members

import (
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
)

// When the nodes of a cluster are restarted one after the other, each comes back empty. If the others gave it its share at once, every
// slot would move twice: away from its node, and to one that has come back. So a node that comes back gets free slots only, those that
// the next node leaves, until no node has come or gone for a while (cluster.Rebalance.Quiet). A new node gets its share at once, since
// nothing else would bring it any.
//
// A node comes back if the leader has seen its name lately. A leader that begins while slots are granted has seen nothing: it may have
// begun because the node that led is restarted, too. To it, all nodes come back, and so does every node that comes until it has
// seen a quiet time. That is the harmless error: a new node gets its share a moment later, and nothing that could run waits.

// seenLately is for how long the name of a node that has gone is remembered.
const seenLately = 10 * time.Minute

// FindReturns returns the leader's memory of the nodes that come back. None of it affects slots that run nowhere.
func FindReturns(f *round.Facts, m States) round.Returns {
	last := f.Memory.Returns
	if f.DryRun { // readers do not know which nodes have come back
		return last
	}
	next := round.Returns{At: f.Now, Changed: last.Changed, Seen: map[string]time.Duration{}, Back: map[string]time.Duration{}}
	begins := last.Seen == nil
	for _, memberID := range f.MemberIDs {
		if m.Live(memberID) {
			next.Live = append(next.Live, memberID)
		}
		if begins || m.Live(memberID) { // a member that joins may be read in parts: its node is not seen before it is live
			next.Seen[f.NodeName(memberID)] = f.Now
		}
	}
	quiet := f.Snapshot.Rebalance().QuietFor()
	if begins {
		next.Settled = !f.AnythingGranted()
	} else {
		next.Settled = last.Settled || f.Now >= last.Changed+quiet // the change that it may see now is not part of that time
	}
	if begins || !slices.Equal(next.Live, last.Live) {
		next.Changed = f.Now
	}
	for name, at := range last.Seen {
		if at == last.At { // it has gone since
			at = f.Now
		}
		if _, exists := next.Seen[name]; !exists && f.Now < at+seenLately {
			next.Seen[name] = at
		}
	}
	for _, memberID := range next.Live {
		since, waits := last.Back[memberID]
		if _, stayed := slices.BinarySearch(last.Live, memberID); !stayed {
			at, seen := last.Seen[f.NodeName(memberID)]
			since, waits = f.Now, !next.Settled || seen && (at == last.At || f.Now < at+seenLately)
		}
		until := min(next.Changed+quiet, since+cluster.MaxQuiets*quiet)
		if waits && f.Now < until && !f.BalancesNow() {
			next.Back[memberID] = since
		}
	}
	return next
}

// PublishDeferral puts into the draft when slots move to nodes that have come back, at the earliest, if some wait for that, and asks for
// a decision then. The time is committed together with other changes, and alone if the published one is wrong.
func PublishDeferral(f *round.Facts, r *round.Returns, waiting bool, draft *round.Draft) {
	if f.DryRun || f.Snapshot.Epoch.Rec == nil {
		return
	}
	out, quiet, end := &draft.Out, f.Snapshot.Rebalance().QuietFor(), time.Duration(0)
	for _, since := range r.Back {
		if until := min(r.Changed+quiet, since+cluster.MaxQuiets*quiet); end == 0 || until < end {
			end = until
		}
	}
	if waiting && end > 0 {
		draft.RequeueAt(end)
		out.BalanceAt = f.WallNow.Add(end - f.Now).UTC().Truncate(time.Millisecond)
	}
	published := f.Snapshot.Epoch.Rec.BalanceAt
	const tolerance = time.Second
	out.Announce = published.IsZero() != out.BalanceAt.IsZero() || out.BalanceAt.Sub(published).Abs() > tolerance
	if !out.Announce {
		out.BalanceAt = published
	}
}
