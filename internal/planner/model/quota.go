package model

import (
	"cmp"
	"slices"
)

// Whether quotas favor the zones that have more of a task now.
const (
	FavorCurrent  = true
	ignoreCurrent = false
)

// SetQuotas gives every node its lower quotas, and finds the target loads. It returns nil without remainders.
func (m *Matrix) SetQuotas(favor bool) *WaterFilling {
	a := apportionment{Matrix: m, favorCurrent: favor, maxSlots: m.Space.Amounts(m.NodeCount), roomy: m.isRoomy()}
	for t := range m.Tasks {
		a.apportionTask(t)
	}
	return m.setTargetLoads()
}

// apportionment gives every node its lower quota of every task, and collects the remainders.
type apportionment struct {
	*Matrix
	favorCurrent bool    // zones that have more of a task now round up first
	maxSlots     []int64 // by node: the most slots of the task at hand that it can take
	active       []int32 // scratch
	roomy        bool    // all nodes get the same, unless a task has a limit
}

// isRoomy reports whether all nodes that are not gone weigh the same, and each can take all slots that are to be placed, and one more.
func (m *Matrix) isRoomy() bool {
	if !m.EqualWeights {
		return false
	}
	total, highest := int64(0), int64(0)
	for t := range m.Tasks {
		total += m.Count[t] * m.Tasks[t].Cost
		highest = max(highest, m.Tasks[t].Cost)
	}
	for n := range m.Nodes {
		if node := &m.Nodes[n]; !node.Gone && (node.Closed || m.FreeCapacity(int32(n)) < total+highest) {
			return false
		}
	}
	return true
}

// setMaxSlots finds out how many slots of a task a node can take in addition to those that it got already.
func (a *apportionment) setMaxSlots(t int, n int32) int64 {
	task := &a.Tasks[t]
	most := a.FreeCapacity(n)
	if task.Cost > 1 {
		most /= task.Cost
	}
	if task.MaxPerNode > 0 {
		most = min(most, task.MaxPerNode)
	}
	if a.Nodes[n].Closed {
		most = min(most, int64(a.Current[t*a.NodeCount+int(n)]))
	}
	a.maxSlots[n] = max(most, 0)
	return a.maxSlots[n]
}

// apportionTask distributes the slots of a task over its tiers. A tier gets what the tiers before it cannot take.
func (a *apportionment) apportionTask(t int) {
	unplaced := a.Count[t]
	for _, tier := range a.Tasks[t].Eligible.Tiers {
		if unplaced == 0 {
			break
		}
		count := unplaced
		if !a.unlimited(t) || len(tier.Pools) > 1 {
			most := int64(0)
			for _, n := range tier.Nodes {
				most += a.setMaxSlots(t, n)
			}
			count = min(unplaced, most)
		}
		unplaced -= count
		if len(tier.Pools) == 1 {
			a.apportionNodes(t, tier.Nodes, count)
			continue
		}
		for z, share := range a.zoneShares(t, tier, count) {
			a.apportionNodes(t, tier.Pools[z].Nodes, share)
		}
	}
	a.Unplaced[t] = unplaced
}

// unlimited reports whether no node can be full before it has all slots of a task.
func (a *apportionment) unlimited(t int) bool { return a.roomy && a.Tasks[t].MaxPerNode == 0 }

// apportionNodes gives the nodes their lower quotas of count slots of a task, by their weights. The other slots become a
// remainder.
func (a *apportionment) apportionNodes(t int, nodes []int32, count int64) {
	active, weight := nodes, int64(0)
	if !a.unlimited(t) {
		active, count, weight = a.saturateNodes(t, nodes, count)
	}
	row, flags, cost := a.Row(a.Share, t), a.Rounded[t*a.NodeCount:(t+1)*a.NodeCount], a.Tasks[t].Cost
	left := count
	var quota int64
	var fraction bool
	if size := int64(len(active)); a.EqualWeights && size > 0 {
		quota, fraction = count/size, count%size > 0
	}
	for _, n := range active {
		if !a.EqualWeights {
			quota = count * a.Nodes[n].Weight / weight
			fraction = quota*weight != count*a.Nodes[n].Weight
		}
		row[n] = int32(quota)
		a.Load[n] += quota * cost
		left -= quota
		if fraction {
			flags[n] = MayRoundUp
		}
	}
	if left > 0 {
		a.Remainders = append(a.Remainders, Remainder{
			Index: len(a.Remainders), Task: t, Zone: a.Tasks[t].Eligible.Zone[nodes[0]], Nodes: nodes, Left: left,
		})
	}
}

// saturateNodes gives nodes that cannot take their ideal share as much as they can take. It returns the other nodes, their
// weight, and the slots that are left for them.
func (a *apportionment) saturateNodes(t int, nodes []int32, count int64) (active []int32, left, weight int64) {
	row, cost := a.Row(a.Share, t), a.Tasks[t].Cost
	a.active = append(a.active[:0], nodes...)
	active, left = a.active, count
	for {
		weight = 0
		for _, n := range active {
			weight += a.Nodes[n].Weight
		}
		before := left
		rest := active[:0]
		for _, n := range active {
			if a.maxSlots[n]*weight > before*a.Nodes[n].Weight {
				rest = append(rest, n)
				continue
			}
			row[n] = int32(a.maxSlots[n])
			a.Load[n] += a.maxSlots[n] * cost
			left -= a.maxSlots[n]
		}
		if len(rest) == len(active) {
			return active, left, weight
		}
		active = rest
	}
}

// zone is one zone of a tier, with the numbers that count when slots of a task are distributed over zones.
type zone struct {
	nodes    int64
	maxSlots int64
	current  int64 // slots that its nodes have now
	gone     int64 // slots that nodes which are gone still have in it
	load     int64
	share    int64 // the result: slots for its nodes that are not gone
}

// zonesOf describes the zones of a tier to the distribution of a task.
func (a *apportionment) zonesOf(t int, tier Tier) []zone {
	zones := make([]zone, len(tier.Pools))
	for i, pool := range tier.Pools {
		z := &zones[i]
		z.nodes = int64(len(pool.Nodes))
		for _, n := range pool.Nodes {
			z.maxSlots += a.maxSlots[n]
			if a.favorCurrent {
				z.current += int64(a.Current[t*a.NodeCount+int(n)])
			}
			z.load += a.Load[n]
		}
	}
	for n := range a.Nodes {
		if !a.Nodes[n].Gone {
			continue
		}
		for i, pool := range tier.Pools {
			if a.Tasks[t].Eligible.Zone[n] == pool.Zone {
				zones[i].gone += int64(a.Share[t*a.NodeCount+n])
			}
		}
	}
	return zones
}

// zoneShares distributes count slots of a task evenly over the zones of a tier. Zones that have more than an even share now
// round up first, then those with most nodes, then those that carry least.
func (a *apportionment) zoneShares(t int, tier Tier, count int64) []int64 {
	zones := a.zonesOf(t, tier)
	total := count
	for i := range zones {
		total += zones[i].gone
	}
	active, total := saturateZones(zones, total)
	if len(active) > 0 {
		base, extra := total/int64(len(active)), int(total%int64(len(active)))
		slices.SortStableFunc(active, func(i, k int) int {
			x, y := &zones[i], &zones[k]
			return cmp.Or(CompareBools(y.current+y.gone > base, x.current+x.gone > base),
				cmp.Compare(y.nodes, x.nodes), cmp.Compare(x.load*y.nodes, y.load*x.nodes))
		})
		for i, z := range active {
			zones[z].share = base - zones[z].gone
			if i < extra {
				zones[z].share++
			}
		}
	}
	return fillZones(zones, count)
}

// saturateZones takes out the zones that have more than an even share already, and gives those that cannot take an even share as
// much as they can take, once none is left that has more: what the others get is less then. It returns the other zones, and the slots for
// them, those of nodes that are gone included.
func saturateZones(zones []zone, total int64) (active []int, left int64) {
	for z := range zones {
		active = append(active, z)
	}
	for {
		before, size := total, int64(len(active))
		hasMore := func(i int) bool { return zones[i].gone > before/size }
		anyHasMore := slices.ContainsFunc(active, hasMore)
		rest := active[:0]
		for _, i := range active {
			z := &zones[i]
			switch most := z.maxSlots + z.gone; {
			case hasMore(i):
				total -= z.gone
			case !anyHasMore && most*size <= before:
				z.share = z.maxSlots
				total -= most
			default:
				rest = append(rest, i)
			}
		}
		if len(rest) == int(size) {
			return rest, total
		}
		active = rest
	}
}

// fillZones gives the remaining slots to the zones that can take more than their share. It returns the shares.
func fillZones(zones []zone, count int64) []int64 {
	for i := range zones {
		count -= zones[i].share
	}
	shares := make([]int64, len(zones))
	for i := range zones {
		z := &zones[i]
		more := min(count, z.maxSlots-z.share)
		count -= more
		shares[i] = z.share + more
	}
	return shares
}

// CompareBools orders false before true.
func CompareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
