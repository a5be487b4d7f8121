package solver

import (
	"cmp"
	"slices"
)

// Eligibility says where the slots of a task may run, and where they run best. Tasks with the same constraints share one
// value, by which remainders of tasks that compete for the same nodes are recognized.
type Eligibility struct {
	Penalty []int32 // by node: of a slot there; Ineligible if the node cannot run it
	Zone    []int32 // by node: the zone that it lies in; -1 for none that counts
	Zones   int     // 0 if slots are not spread over zones

	tiers []tier // by rising penalty
}

// tier is the nodes with the same penalty.
type tier struct {
	pools []pool // one for each zone
	nodes []int32
}

// pool is the nodes of a tier in one zone.
type pool struct {
	zone  int32
	nodes []int32
}

// NewEligibility groups the nodes by penalty and zone. It keeps both slices.
func NewEligibility(penalty, zone []int32, zones int) *Eligibility {
	e := &Eligibility{Penalty: penalty, Zone: zone, Zones: zones}
	var nodes []int32
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
			e.tiers = append(e.tiers, tier{})
		}
		last := &e.tiers[len(e.tiers)-1]
		if len(last.pools) == 0 || last.pools[len(last.pools)-1].zone != zone[n] {
			last.pools = append(last.pools, pool{zone: zone[n], nodes: nodes[i:i]})
		}
		p := &last.pools[len(last.pools)-1]
		p.nodes = p.nodes[:len(p.nodes)+1]
		last.nodes = append(last.nodes, n)
	}
	return e
}
