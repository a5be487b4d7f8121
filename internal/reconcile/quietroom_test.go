package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// backBoard is a cluster of a few nodes with little room, of which some have come back empty.
func backBoard(r *rand.Rand) (b *board, back map[string]time.Duration) {
	b, back = newBoard(), map[string]time.Duration{}
	nodes := 3 + r.IntN(4)
	names := make([]string, nodes)
	labels := make([]cluster.Labels, nodes)
	for n := range names {
		names[n], labels[n] = fmt.Sprintf("n%d", n), cluster.Labels{"x": fmt.Sprint(r.IntN(2)), "y": fmt.Sprint(r.IntN(2))}
	}
	granted := make([][]schema.Granted, nodes)
	for t := range 1 + r.IntN(4) {
		s := spec(fmt.Sprintf("t%d", t), 1+r.IntN(4))
		s.MaxPerNode, s.Weight = r.IntN(3), r.IntN(3)
		switch r.IntN(4) {
		case 0:
			s.Require = "x=1"
		case 1:
			s.Require = "y=1"
		}
		b.snap.Tasks[s.Name] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: s}}
		for i := range s.WorkerNum {
			if n := r.IntN(nodes + 1); n < nodes-1 { // the last one is empty, others may be
				granted[n] = append(granted[n], schematest.Granted(fmt.Sprintf("%s %d @%d", s.Name, i, 5+r.IntN(20)))...)
			}
		}
	}
	works := []string{"t0", "t1", "t2", "t3"}
	for n, name := range names {
		p := b.live(name, 3, granted[n], nil, 3, schematest.ClaimAll(granted[n]))
		p.Member.Rec.Works, p.Member.Rec.Labels, p.Member.Rec.Capacity = works, labels[n], r.IntN(6)
		if n == nodes-1 || r.IntN(4) == 0 {
			back[name] = b.now
		}
	}
	return b, back
}

// While moves wait for the nodes to be quiet, the plan places everything that it would place otherwise, no node has more than it may have,
// and no slot moves to the node where it is.
func TestQuietPlans(t *testing.T) {
	waits := 0
	for seed := range uint64(4000) {
		b, back := backBoard(rand.New(rand.NewPCG(seed, 1)))
		b.storeSpecs()
		full, plan := b.placeAfter(nil), b.placeAfter(back)
		waits += plan.KeptFromReturned
		bad := func(format string, args ...any) {
			t.Errorf("seed %d: %s\n%v instead of %v: %+v", seed, fmt.Sprintf(format, args...), plan.Target.Target, full.Target.Target, plan.Target.Moves)
		}
		load := make([]int, len(plan.Nodes))
		for row, targets := range plan.Target.Target {
			spec, counts := plan.In.Tasks[row].Spec, make([]int, len(plan.Nodes))
			for i, n := range targets {
				switch otherwise := full.Target.Target[row][i]; {
				case n != planner.Nobody:
					load[n] += spec.Cost()
					counts[n]++
				case otherwise != planner.Nobody:
					bad("%s#%d has no place", spec.Name, i)
				}
			}
			if most := slices.Max(counts); spec.MaxPerNode > 0 && most > spec.MaxPerNode {
				bad("a node has %d of %s", most, spec.Name)
			}
		}
		for n, has := range load {
			if most := plan.In.Nodes[n].Capacity; most > 0 && has > most {
				bad("%s has %d of %d", plan.In.Nodes[n].Name, has, most)
			}
		}
		for _, m := range plan.Target.Moves {
			switch {
			case m.From == m.To || m.To != plan.Target.Target[m.Task][m.Slot]:
				bad("%+v moves nothing", m)
			case m.To == planner.Nobody:
			case plan.KeptFromReturned > 0 && back[plan.Nodes[m.To]] != 0 && placement.Urgency(m.Reason.Code) >= placement.ForComfort:
				bad("%+v should wait", m)
			}
		}
		if t.Failed() {
			return
		}
	}
	if waits < 300 {
		t.Errorf("%d moves wait in all", waits)
	}
}

// placeAfter makes the plan of a leader that knows which members have come back.
func (b *board) placeAfter(back map[string]time.Duration) *placement.Placement {
	w := round.World{Snapshot: &b.snap, Self: "n0", Now: b.now, TakeoverDelay: grace, Timeout: timeout, MaxAssignments: round.MaxAssignments}
	w.Memory.Returns = settledNodes()
	w.Memory.Returns.Live, w.Memory.Returns.Changed, w.Memory.Returns.Back = slices.Sorted(maps.Keys(b.snap.Peers)), b.now, back
	draft := round.NewDraft(&w)
	return reconcile.Place(reconcile.Inspect(w, draft), draft)
}

// Workers of runs never move for balance, so they do not wait for the nodes to be quiet.
func TestRunsDoNotWaitForQuiet(t *testing.T) {
	s := spec("a", 4)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "r", WorkerNum: 4}, WorkName: "a"}}}}}
	all := cluster.RunTask("a", "r") + " 0-3 @6"
	b.live("L", 5, schematest.Granted(all), nil, 5, schematest.Claimed(all)).Assignment.Rec.Granted[0].Spec.WorkName = "a"
	b.live("M", 3, nil, nil, 3, nil)
	d := b.decide(atNoon, func(w *round.World) {
		r := &w.Memory.Returns
		r.Live, r.Changed, r.Back = []string{"L", "M"}, b.now, map[string]time.Duration{"M": b.now}
	})
	if d.Pending > 0 || d.Announce || len(d.Memory.Returns.Back) != 1 {
		t.Errorf("pending %d, until %v; %v have come back", d.Pending, d.BalanceAt, d.Memory.Returns.Back)
	}
}
