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
	quiet, begins := f.Snapshot.Rebalance().QuietFor(), last.Names == nil
	next := last
	if begins {
		next.Settled = !f.AnythingGranted()
	} else {
		next.Settled = last.Settled || f.Now >= last.Changed+quiet // the change that it may see now is not part of that time
	}
	var came []string
	if begins || !sameLive(f, m, last.Live) {
		next.Changed = f.Now
		came = takeNames(f, m, &next)
	}
	next.Back = map[string]time.Duration{}
	wait := func(memberID string, since time.Duration) {
		if f.Now < waitEnds(&next, since, quiet) && !f.BalancesNow() {
			next.Back[memberID] = since
		}
	}
	for memberID, since := range last.Back {
		if _, lives := slices.BinarySearch(next.Live, memberID); lives {
			wait(memberID, since)
		}
	}
	for _, memberID := range came {
		name := f.NodeName(memberID)
		gone, seen := last.Gone[name]
		if !next.Settled || last.Names[name] || seen && f.Now < gone+seenLately {
			wait(memberID, f.Now)
		}
	}
	return next
}

// waitEnds returns when a node that has come back at a time gets its share, as far as is known: when the nodes have been quiet, or after
// several such times.
func waitEnds(r *round.Returns, since, quiet time.Duration) time.Duration {
	return min(r.Changed+quiet, since+cluster.MaxQuiets*quiet)
}

// sameLive reports whether the live members are those of a sorted list.
func sameLive(f *round.Facts, m States, list []string) bool {
	n := 0
	for _, memberID := range f.MemberIDs {
		if !m.Live(memberID) {
			continue
		}
		if n == len(list) || list[n] != memberID {
			return false
		}
		n++
	}
	return n == len(list)
}

// takeNames takes the live members, and the names of their nodes and of those that have gone, into the memory. It returns the members
// that have come.
func takeNames(f *round.Facts, m States, r *round.Returns) (came []string) {
	last, begins := *r, r.Names == nil
	r.Live, r.Gone = make([]string, 0, len(f.MemberIDs)), map[string]time.Duration{}
	r.Names = make(map[string]bool, len(f.MemberIDs))
	for _, memberID := range f.MemberIDs {
		if begins || m.Live(memberID) { // a member that joins may be read in parts: its node is not seen before it is live
			r.Names[f.NodeName(memberID)] = true
		}
		if !m.Live(memberID) {
			continue
		}
		r.Live = append(r.Live, memberID)
		if _, stayed := slices.BinarySearch(last.Live, memberID); !stayed {
			came = append(came, memberID)
		}
	}
	for name, since := range last.Gone {
		if !r.Names[name] && f.Now < since+seenLately {
			r.Gone[name] = since
		}
	}
	for name := range last.Names {
		if !r.Names[name] {
			r.Gone[name] = f.Now
		}
	}
	return came
}

// PublishDeferral puts into the draft when slots move to nodes that have come back, at the earliest, if some wait for that, and asks for
// a decision then. The time is committed together with other changes, and alone if the published one is wrong.
func PublishDeferral(f *round.Facts, r *round.Returns, waiting bool, draft *round.Draft) {
	if f.DryRun || f.Snapshot.Epoch.Rec == nil {
		return
	}
	out, quiet, end := &draft.Out, f.Snapshot.Rebalance().QuietFor(), time.Duration(0)
	for _, since := range r.Back {
		if until := waitEnds(r, since, quiet); end == 0 || until < end {
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
