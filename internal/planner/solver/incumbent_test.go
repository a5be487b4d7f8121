package solver

import (
	"math/rand/v2"
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// randomProblem draws a small problem in which nodes and tasks are of many kinds.
func randomProblem(r *rand.Rand) *model.Problem {
	nodes, tasks, zones := 1+r.IntN(7), 1+r.IntN(5), r.IntN(3)
	p := &model.Problem{Current: make([]int32, nodes*tasks)}
	for range nodes {
		n := model.Node{Weight: 1, Capacity: model.Unlimited, Closed: r.IntN(8) == 0, Gone: r.IntN(8) == 0, Spared: r.IntN(6) == 0}
		if r.IntN(3) == 0 {
			n.Weight = 1 + r.Int64N(3)
		}
		if r.IntN(2) == 0 {
			n.Capacity = r.Int64N(20)
		}
		p.Nodes = append(p.Nodes, n)
	}
	for t := range tasks {
		penalty, zone, fixed := make([]int32, nodes), make([]int32, nodes), r.IntN(8) == 0
		for n := range nodes {
			penalty[n], zone[n] = int32(r.IntN(5)/2), int32(r.IntN(max(zones, 1)))
			if r.IntN(6) == 0 || p.Nodes[n].Gone || fixed {
				penalty[n] = model.Ineligible
				zone[n] -= int32(min(zones, r.IntN(2)))
			}
		}
		task := model.Task{Cost: 1, Slots: r.Int64N(12), Fixed: fixed, Eligible: model.NewEligibility(penalty, zone, zones)}
		if r.IntN(3) == 0 {
			task.Cost = 1 + r.Int64N(3)
		}
		if r.IntN(3) == 0 {
			task.MaxPerNode = 1 + r.Int64N(3)
		}
		for range r.Int64N(task.Slots + 1) {
			p.Current[t*nodes+r.IntN(nodes)]++
		}
		p.Tasks = append(p.Tasks, task)
	}
	return p
}

// What a difference says of other shares is what taking them would show.
func TestDifference(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 1))
	allowed, improves := 0, 0
	for i := range 6_000 {
		p := randomProblem(r)
		m := model.NewMatrix(p)
		solve(m)
		m.FreezeQuotas()
		other := slices.Clone(m.Share)
		if i%3 == 0 {
			other = p.Current
		}
		for range r.IntN(4) {
			if cell := r.IntN(len(other)); i%3 > 0 {
				other[cell] = max(other[cell]+int32(r.IntN(3))-1, 0)
			}
		}
		d := m.DifferenceTo(other)
		if !d.Allowed {
			continue
		}
		allowed++
		more := d.Cost()
		solved, least := m.Save(), m.Cost()
		adopt(m, other)
		adopted := slices.Compare(m.Cost(), least) <= 0
		want := []any{slices.Clone(m.Share), slices.Clone(m.Load), slices.Clone(m.Unplaced), m.Cost()}
		for level, cost := range m.Cost() {
			if more[level] != cost-least[level] {
				t.Fatalf("case %d: %v instead of %v, and that is %v more: %+v with %v", i, m.Cost(), least, more, p, other)
			}
		}
		m.Restore(solved)
		if d.Improves() != adopted {
			t.Fatalf("case %d: %v, want %v: %+v with %v instead of %v", i, d.Improves(), adopted, p, other, m.Share)
		}
		if adopted {
			improves++
		}
		d.Apply()
		if !slices.Equal(m.Share, want[0].([]int32)) || !slices.Equal(m.Load, want[1].([]int64)) ||
			!slices.Equal(m.Unplaced, want[2].([]int64)) || !slices.Equal(m.Cost(), want[3].([]int64)) {
			t.Fatalf("case %d: %v, want %v: %+v with %v", i, m, want, p, other)
		}
	}
	if allowed < 2_000 || improves < 200 {
		t.Errorf("%d allowed, %d of them no worse", allowed, improves)
	}
}
