package model

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Where all nodes can take everything, quotas are what they are if each node is asked.
func TestQuotasOfRoomyNodes(t *testing.T) {
	r := rand.New(rand.NewPCG(20, 2))
	roomy := 0
	for i := range 5_000 {
		nodes, tasks := 1+r.IntN(6), 1+r.IntN(4)
		p := &Problem{Current: make([]int32, nodes*tasks)}
		for range nodes {
			n := Node{Weight: 1, Capacity: Unlimited, Gone: r.IntN(10) == 0, Closed: r.IntN(40) == 0}
			if r.IntN(4) == 0 {
				n.Capacity = 10 + r.Int64N(60)
			}
			p.Nodes = append(p.Nodes, n)
		}
		for range tasks {
			penalty, zone := make([]int32, nodes), make([]int32, nodes)
			for n := range nodes {
				penalty[n], zone[n] = int32(r.IntN(5)/4), int32(r.IntN(5)/4)
				if p.Nodes[n].Gone {
					penalty[n] = Ineligible
				}
			}
			p.Tasks = append(p.Tasks, Task{Cost: 1 + r.Int64N(3), Slots: r.Int64N(12), Eligible: NewEligibility(penalty, zone, 2)})
		}
		for range r.IntN(6) {
			t, n := r.IntN(tasks), r.IntN(nodes)
			if p.Tasks[t].Slots > 0 && p.Current[t*nodes+n] == 0 {
				p.Current[t*nodes+n]++
			}
		}
		got, want := NewMatrix(p), NewMatrix(p)
		got.SetQuotas(FavorCurrent)
		a := apportionment{Matrix: want, favorCurrent: FavorCurrent, maxSlots: make([]int64, nodes)}
		for t := range p.Tasks {
			a.apportionTask(t)
		}
		if NewMatrix(p).isRoomy() {
			roomy++
		}
		if !slices.Equal(got.Share, want.Share) || !slices.Equal(got.Rounded, want.Rounded) || !slices.Equal(got.Load, want.Load) ||
			!slices.Equal(got.Unplaced, want.Unplaced) ||
			!slices.EqualFunc(got.Remainders, want.Remainders, func(a, b Remainder) bool { return a.Task == b.Task && a.Left == b.Left && a.Zone == b.Zone }) {
			t.Fatalf("case %d: %+v instead of %+v: %+v", i, got, want, p)
		}
	}
	if roomy < 500 {
		t.Errorf("%d cases with room", roomy)
	}
}
