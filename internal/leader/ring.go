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

// The ring of decisions: each commit writes the next one and deletes the one that falls out. Where that is refused,
// since a hand has written or deleted decisions or has put back an epoch, the leader reads which there are, goes on
// behind the last, and deletes what is left over, a few at a time.
const (
	maxStale = 4 // left over ones that one commit deletes
)

// nextDecision returns the number of the next decision.
func (l *leading) nextDecision(snap *view.Snapshot) int64 {
	n := snap.Epoch.Rec.NextDecision
	for there := range l.ring {
		if there < schema.MaxDecisions {
			n = max(n, there+1)
		}
	}
	return n
}

// record writes the decision that an epoch counts as its last, and deletes what falls out of the ring.
func (l *leading) record(epoch *schema.Epoch, moves []cluster.Decided) []coord.Op {
	n := epoch.NextDecision - 1
	d := schema.Decision{Decision: cluster.Decision{
		Number: n, Term: l.term.Number, Leader: l.Self.Node, At: time.Now().UTC().Truncate(time.Millisecond), Moves: moves,
	}}
	ops := []coord.Op{coord.Create(l.Keys.Decision(n), d.Encode())}
	old := n - schema.DecisionRing
	if l.ring == nil {
		if old >= 0 {
			ops = append(ops, coord.Delete(l.Keys.Decision(old), 0))
		}
		return ops
	}
	for _, there := range slices.Sorted(maps.Keys(l.ring)) {
		if (there <= old || there >= schema.MaxDecisions) && len(ops) <= maxStale {
			ops = append(ops, coord.Delete(l.Keys.Decision(there), l.ring[there]))
		}
	}
	return ops
}

// recorded remembers what a commit has done to the ring.
func (l *leading) recorded(ops []coord.Op) {
	if l.ring == nil {
		return
	}
	for i := range ops {
		n, err := strconv.ParseInt(schema.Base(ops[i].Key), 10, 64)
		switch {
		case err != nil:
		case ops[i].Kind == coord.KindDelete:
			delete(l.ring, n)
		default:
			l.ring[n] = 0
		}
	}
}

// readRing reads which decisions there are, and the version of the one that was not as expected.
func (l *leading) readRing(ctx context.Context, odd string) error {
	list, err := l.Session.List(ctx, schema.Dir(l.Keys.Decision(0)))
	if err != nil {
		return err
	}
	old := l.ring
	l.ring = map[int64]int64{}
	for _, e := range list {
		n, err := strconv.ParseInt(e.Name, 10, 64)
		if err != nil || n < 0 || l.Keys.Decision(n) != schema.Dir(odd)+"/"+e.Name {
			continue
		}
		l.ring[n] = old[n]
		if l.Keys.Decision(n) != odd {
			continue
		}
		r, err := l.Session.Get(ctx, odd)
		if err != nil && !errors.Is(err, coord.ErrNotFound) {
			return err
		}
		l.ring[n] = r.Version
	}
	return nil
}
