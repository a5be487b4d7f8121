package planner

import (
	"cmp"
	"slices"
)

// capOf is the most slots of a task that a node may have, given what was dealt before.
func (m *matrix) capOf(t int, n int32) int64 {
	most := (m.limit[n] - m.load[n]) / m.cost(t)
	if per := m.in.Tasks[t].Spec.MaxPerNode; per > 0 {
		most = min(most, int64(per))
	}
	if node := &m.in.Nodes[n]; node.Cordoned || node.Draining {
		most = min(most, int64(m.have[t*m.nodes+int(n)]))
	}
	return max(most, 0)
}

// apportionTask deals the whole parts of a task's ideal shares, and notes who competes for the
// odd ones. A tier gets what the ones before it have no room for.
func (m *matrix) apportionTask(t int) {
	rest := m.count[t]
	for _, tier := range m.of[t].tiers {
		if rest == 0 {
			break
		}
		room := int64(0)
		for _, n := range tier.nodes {
			m.caps[n] = m.capOf(t, n)
			room += m.caps[n]
		}
		now := min(rest, room)
		rest -= now
		if len(tier.pools) == 1 {
			m.apportion(t, tier.nodes, now)
			continue
		}
		for z, share := range m.zoneShares(t, tier, now) {
			m.apportion(t, tier.pools[z].nodes, share)
		}
	}
	m.short[t] = rest
}

// apportion deals count slots of a task to nodes by their weights, within m.caps.
func (m *matrix) apportion(t int, nodes []int32, count int64) {
	row, flags, cost := m.row(m.share, t), m.flags[t*m.nodes:(t+1)*m.nodes], m.cost(t)
	m.order = append(m.order[:0], nodes...)
	active, rest := m.order, count
	var whole int64 // weight of the active nodes
	for {
		whole = 0
		for _, n := range active {
			whole += m.weight[n]
		}
		before := rest
		kept := active[:0]
		for _, n := range active {
			if m.caps[n]*whole > before*m.weight[n] {
				kept = append(kept, n)
				continue
			}
			row[n] = int32(m.caps[n])
			m.load[n] += m.caps[n] * cost
			rest -= m.caps[n]
		}
		if len(kept) == len(active) {
			break
		}
		active = kept
	}
	left := rest
	if m.even && len(active) > 0 {
		base := rest / int64(len(active))
		left = rest % int64(len(active))
		for _, n := range active {
			row[n] = int32(base)
			m.load[n] += base * cost
			if left > 0 {
				flags[n] = mayHaveOdd
			}
		}
	} else {
		for _, n := range active {
			base := rest * m.weight[n] / whole
			row[n] = int32(base)
			m.load[n] += base * cost
			left -= base
			if base*whole != rest*m.weight[n] {
				flags[n] = mayHaveOdd
			}
		}
	}
	if left > 0 {
		m.groups = append(m.groups, group{index: len(m.groups), task: t, zone: m.of[t].zone[nodes[0]], nodes: nodes, left: left})
	}
}

// zoneShares deals count slots of a task to the zones of a tier, the odd ones first to zones that
// have them, then to those with most nodes, then to those that carry least.
func (m *matrix) zoneShares(t int, tier tier, count int64) []int64 {
	zones := len(tier.pools)
	wanted, caps, shares := count, make([]int64, zones), make([]int64, zones)
	have, load := make([]int64, zones), make([]int64, zones)
	active := make([]int, zones)
	for z, p := range tier.pools {
		active[z] = z
		for _, n := range p.nodes {
			caps[z] += m.caps[n]
			if !m.blind {
				have[z] += int64(m.have[t*m.nodes+int(n)])
			}
			load[z] += m.load[n]
		}
	}
	gone := m.goneIn(t, tier)
	for _, there := range gone {
		count += there
	}
	for {
		before, size := count, int64(len(active))
		rest := active[:0]
		for _, z := range active {
			if share := before / max(size, 1); gone[z] > share { // it has more than its share already
				count -= gone[z]
				continue
			}
			if most := caps[z] + gone[z]; most*size <= before {
				shares[z] = caps[z]
				count -= most
				continue
			}
			rest = append(rest, z)
		}
		if len(rest) == int(size) {
			break
		}
		active = rest
	}
	if len(active) == 0 {
		return m.fillZones(shares, caps, wanted)
	}
	base, odd := count/int64(len(active)), int(count%int64(len(active)))
	slices.SortStableFunc(active, func(a, b int) int {
		keepsA, keepsB := have[a]+gone[a] > base, have[b]+gone[b] > base
		if keepsA != keepsB {
			if keepsA {
				return -1
			}
			return 1
		}
		sizeA, sizeB := int64(len(tier.pools[a].nodes)), int64(len(tier.pools[b].nodes))
		return cmp.Or(cmp.Compare(sizeB, sizeA), cmp.Compare(load[a]*sizeB, load[b]*sizeA))
	})
	for i, z := range active {
		shares[z] = base - gone[z]
		if i < odd {
			shares[z]++
		}
	}
	return m.fillZones(shares, caps, wanted)
}

// fillZones deals what is left to zones that have more than their share but room.
func (m *matrix) fillZones(shares, caps []int64, wanted int64) []int64 {
	for _, share := range shares {
		wanted -= share
	}
	for z := range shares {
		more := min(wanted, caps[z]-shares[z])
		shares[z] += more
		wanted -= more
	}
	return shares
}

// goneIn counts the slots of a task that nodes which are gone still have in the zones of a tier.
func (m *matrix) goneIn(t int, tier tier) []int64 {
	list, c := make([]int64, len(tier.pools)), m.of[t]
	for n := range m.in.Nodes {
		if !m.in.Nodes[n].Gone {
			continue
		}
		for z, p := range tier.pools {
			if c.zone[n] == p.zone {
				list[z] += int64(m.share[t*m.nodes+n])
			}
		}
	}
	return list
}
