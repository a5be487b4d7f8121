package model

import (
	"cmp"
	"slices"
)

// Eligibility contains where the slots of a task may run, and where they run best. Tasks with the same constraints share
// one value, by which remainders of tasks that compete for the same nodes are recognized.
type Eligibility struct {
	Penalty []int32 // by node: of a slot there; Ineligible if the node cannot run it
	Zone    []int32 // by node: the zone that it lies in; -1 for none that counts
	Zones   int     // 0 if slots are not spread over zones

	Tiers []Tier // by rising penalty
}

// Tier is the nodes with the same penalty.
type Tier struct {
	Pools []Pool // one for each zone
	Nodes []int32
}

// Pool is the nodes of a tier in one zone.
type Pool struct {
	Zone  int32
	Nodes []int32
}

// NewEligibility groups the nodes by penalty and zone. It keeps both slices.
func NewEligibility(penalty, zone []int32, zones int) *Eligibility {
	e := &Eligibility{Penalty: penalty, Zone: zone, Zones: zones}
	nodes := make([]int32, 0, len(penalty))
	for n, p := range penalty {
		if p != Ineligible {
			nodes = append(nodes, int32(n))
		}
	}
	slices.SortFunc(nodes, func(a, b int32) int {
		return cmp.Or(cmp.Compare(penalty[a], penalty[b]), cmp.Compare(zone[a], zone[b]), cmp.Compare(a, b))
	})
	for i, n := range nodes {
		if i == 0 || penalty[n] != penalty[nodes[i-1]] {
			e.Tiers = append(e.Tiers, Tier{Nodes: nodes[i:i]})
		}
		last := &e.Tiers[len(e.Tiers)-1]
		if len(last.Pools) == 0 || last.Pools[len(last.Pools)-1].Zone != zone[n] {
			last.Pools = append(last.Pools, Pool{Zone: zone[n], Nodes: nodes[i:i]})
		}
		p := &last.Pools[len(last.Pools)-1]
		p.Nodes = p.Nodes[:len(p.Nodes)+1]
		last.Nodes = last.Nodes[:len(last.Nodes)+1]
	}
	return e
}
