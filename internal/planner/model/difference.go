package model

import "slices"

// Difference is what the cost of a solution changes by if its shares become other ones.
type Difference struct {
	// Allowed reports whether all constraints hold with the other shares. If it is false, they need not be broken.
	Allowed bool

	matrix *Matrix
	other  []int32
	more   Costs
	uneven int64 // see Cost
}

// DifferenceTo compares the solution with other shares. It computes costs only where the two differ.
func (m *Matrix) DifferenceTo(other []int32) *Difference {
	d := &Difference{matrix: m, other: other}
	load := m.Space.Amounts(m.NodeCount) // by node: how much more it carries
	ref := m.measuredBy()
	for t := range m.Tasks {
		if !m.Tasks[t].Fixed && !d.compareTask(t, ref, load) {
			return d
		}
	}
	d.Allowed = d.compareLoads(ref, load)
	return d
}

// compareTask compares the shares of a task. It reports false if they need not be allowed.
func (d *Difference) compareTask(t int, ref *Matrix, load []int64) bool {
	m, task, where := d.matrix, &d.matrix.Tasks[t], d.matrix.Tasks[t].Eligible
	share, other := m.Row(m.Share, t), m.Row(d.other, t)
	slack, added := int64(min(where.Zones, 1)), int64(0)
	var zones []int64 // by zone: the slots with the other shares; nil if they are the same
	for n := range share {
		if share[n] == other[n] || m.Nodes[n].Gone {
			continue
		}
		cell, was, next := t*m.NodeCount+n, int64(share[n]), int64(other[n])
		current := int64(m.Current[cell])
		if where.Penalty[n] == Ineligible || task.MaxPerNode > 0 && next > task.MaxPerNode || m.Nodes[n].Closed && next > current {
			return false
		}
		added += next - was
		load[n] += (next - was) * task.Cost
		d.more[CostPenalty] += (next - was) * int64(where.Penalty[n])
		d.more[CostNodes] += ref.SpreadCost(cell, next, slack) - ref.SpreadCost(cell, was, slack)
		d.more[CostMoves] += max(current-next, 0) - max(current-was, 0)
		if where.Zones > 0 && where.Zone[n] >= 0 {
			if zones == nil {
				zones = m.zoneShares(t)
			}
			zones[where.Zone[n]] += next - was
		}
	}
	d.more[CostUnplaced] -= added
	if zones != nil {
		d.more[CostZones] += sumOfSquares(zones) - sumOfSquares(m.zoneShares(t))
	}
	return added <= m.Unplaced[t]
}

// compareLoads compares the loads of the nodes. It reports false if a node cannot carry what it would get.
func (d *Difference) compareLoads(ref *Matrix, more []int64) bool {
	m, equalCosts := d.matrix, !d.matrix.MixedCosts()
	for n := range int32(m.NodeCount) {
		if more[n] == 0 {
			continue
		}
		if more[n] > max(m.FreeCapacity(n), 0) {
			return false
		}
		was, uneven := m.loadCost(n, m.Load[n], ref, equalCosts)
		next, after := m.loadCost(n, m.Load[n]+more[n], ref, equalCosts)
		for level := range d.more {
			d.more[level] += next[level] - was[level]
		}
		d.uneven += after - uneven
	}
	return true
}

// Cost returns what the other shares cost more, by level.
func (d *Difference) Cost() []int64 { return d.more.withUneven(d.uneven) }

// Improves reports whether the solution costs no less than the other shares.
func (d *Difference) Improves() bool {
	cost := d.Cost()
	at := slices.IndexFunc(cost, func(more int64) bool { return more != 0 })
	return at < 0 || cost[at] < 0
}

// Apply makes the other shares those of the solution.
func (d *Difference) Apply() {
	m := d.matrix
	for t := range m.Tasks {
		share, other := m.Row(m.Share, t), m.Row(d.other, t)
		for n := range share {
			if share[n] == other[n] || m.Nodes[n].Gone || m.Tasks[t].Fixed {
				continue
			}
			added := int64(other[n] - share[n])
			m.Load[n] += added * m.Tasks[t].Cost
			m.Unplaced[t] -= added
			share[n] = other[n]
		}
	}
}
