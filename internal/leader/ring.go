package leader

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// maxStale is how many obsolete decisions one commit deletes at most.
const maxStale = 4

// ring is the decisions that are kept. Each commit writes the next one and deletes the oldest. A commit is refused if decisions
// were written or deleted manually, or an old epoch was restored. The leader then reads which decisions exist, continues after
// the last, and deletes the obsolete ones, a few at a time.
type ring struct {
	*Leader
	term  int64
	there map[int64]int64 // the versions of the existing decisions, once one was unexpected; nil before
}

// next returns the number of the next decision.
func (r *ring) next(snap *view.Snapshot) int64 {
	n := snap.Epoch.Rec.NextDecision
	for kept := range r.there {
		if kept < schema.MaxDecisions {
			n = max(n, kept+1)
		}
	}
	return n
}

// record writes the decision that an epoch counts as its last, and deletes those that leave the ring.
func (r *ring) record(epoch *schema.Epoch, steps []cluster.Decided) []coord.Op {
	n := epoch.NextDecision - 1
	d := schema.Decision{Decision: cluster.Decision{
		Number: n, Term: r.term, Leader: r.Self.Node, At: time.Now().UTC().Truncate(time.Millisecond), Moves: steps,
	}}
	ops := []coord.Op{coord.Create(r.Keys.Decision(n), d.Encode())}
	old := n - schema.DecisionRing
	if r.there == nil {
		if old >= 0 {
			ops = append(ops, coord.Delete(r.Keys.Decision(old), 0))
		}
		return ops
	}
	for _, kept := range slices.Sorted(maps.Keys(r.there)) {
		if (kept <= old || kept >= schema.MaxDecisions) && len(ops) <= maxStale {
			ops = append(ops, coord.Delete(r.Keys.Decision(kept), r.there[kept]))
		}
	}
	return ops
}

// recorded records what a commit has done to the ring.
func (r *ring) recorded(ops []coord.Op) {
	if r.there == nil {
		return
	}
	for i := range ops {
		n, err := strconv.ParseInt(schema.Base(ops[i].Key), 10, 64)
		switch {
		case err != nil:
		case ops[i].Kind == coord.KindDelete:
			delete(r.there, n)
		default:
			r.there[n] = 0
		}
	}
}

// read reads which decisions exist, and the version of the unexpected one.
func (r *ring) read(ctx context.Context, odd string) error {
	list, err := r.Session.List(ctx, schema.Dir(r.Keys.Decision(0)))
	if err != nil {
		return err
	}
	old := r.there
	r.there = map[int64]int64{}
	for _, e := range list {
		n, err := strconv.ParseInt(e.Name, 10, 64)
		if err != nil || n < 0 || r.Keys.Decision(n) != schema.Dir(odd)+"/"+e.Name {
			continue
		}
		r.there[n] = old[n]
		if r.Keys.Decision(n) != odd {
			continue
		}
		found, err := r.Session.Get(ctx, odd)
		if err != nil && !errors.Is(err, coord.ErrNotFound) {
			return err
		}
		r.there[n] = found.Version
	}
	return nil
}
