package model

import "slices"

// The levels of a solution's cost. Each one outranks all later ones.
const (
	CostUnplaced = iota // slots without a node
	CostPenalty         // slots where they should rather not be
	CostZones           // tasks that are uneven over their zones
	CostNodes           // tasks that are uneven over the nodes
	CostBalance         // nodes that carry more or less than they should
	CostMoves           // slots that leave their node
	CostSpared          // the load of spared nodes
	costLevels
)

// Costs is a cost by level.
type Costs [costLevels]int64

// Plus returns the sum, level by level.
func (c Costs) Plus(o Costs) Costs {
	for i := range c {
		c[i] += o[i]
	}
	return c
}

// Less reports whether c is lower than o on the first level on which they differ.
func (c *Costs) Less(o *Costs) bool {
	for i := range c {
		if c[i] != o[i] {
			return c[i] < o[i]
		}
	}
	return false
}

// SpreadCost returns the cost, for the spread of a task, of a node with a number of its slots. The sum of squares is least
// if the numbers are equal. Where nodes weigh differently, the quotas cost nothing, and neither does a deviation from them
// within the slack.
func (m *Matrix) SpreadCost(cell int, slots, slack int64) int64 {
	if m.EqualWeights {
		return slots * slots
	}
	low := int64(m.LowerQuota[cell])
	high := low
	if m.Rounded[cell]&MayRoundUp != 0 {
		high++
	}
	off := max(low-slots-slack, slots-high-slack, 0)
	return off * off
}

// BalanceCost returns the cost of the load of a node. If all nodes weigh the same, and all slots as well, the sum of
// squares is least when the loads are as even as they can be. Otherwise, a load is good enough within one slot of the
// target.
func (m *Matrix) BalanceCost(n int32, load int64, equalCosts bool) int64 {
	if m.EqualWeights && equalCosts {
		return load * load
	}
	if m.TargetLoad == nil {
		return 0
	}
	const coarse = Scale >> 8 // so that squares do not overflow
	off := max(load*Scale-m.TargetLoad[n], m.TargetLoad[n]-load*Scale) - max(m.Quantum, 1)*Scale
	if off < 0 {
		return 0
	}
	off = off/coarse + 1
	return off * off
}

// Cost returns the cost of the solution, by level. One more level comes before the moves: the squares of the differences
// between loads and their targets. Cycle canceling takes loads for balanced within one slot, but rounding makes them more
// even than that.
func (m *Matrix) Cost() []int64 {
	var c Costs
	uneven := int64(0)
	ref := m.measuredBy()
	equalCosts := !m.MixedCosts()
	for t := range m.Tasks {
		c = c.Plus(m.taskCost(t, ref))
	}
	for n := range int32(m.NodeCount) {
		of, off := m.loadCost(n, m.Load[n], ref, equalCosts)
		c = c.Plus(of)
		uneven += off
	}
	return c.withUneven(uneven)
}

// withUneven returns the cost by level, with the level that comes before the moves.
func (c *Costs) withUneven(uneven int64) []int64 { return slices.Insert(c[:], CostMoves, uneven) }

// loadCost returns the cost of a load of a node, and the square of its difference from the target load.
func (m *Matrix) loadCost(n int32, load int64, ref *Matrix, equalCosts bool) (c Costs, uneven int64) {
	c[CostBalance] = ref.BalanceCost(n, load, equalCosts)
	if m.EqualWeights || ref.TargetLoad != nil {
		const coarse = Scale >> 4 // so that squares do not overflow
		off := ref.Excess(n, load) / coarse
		uneven = off * off
	}
	if m.Nodes[n].Spared {
		c[CostSpared] = load
	}
	return c, uneven
}

// taskCost returns the cost of a task's shares, measured by the quotas of another matrix.
func (m *Matrix) taskCost(t int, ref *Matrix) (c Costs) {
	where := m.Tasks[t].Eligible
	c[CostUnplaced] = m.Unplaced[t]
	slack := int64(min(where.Zones, 1)) // the quotas within a zone depend on whether the zone itself rounds up
	for n := range int32(m.NodeCount) {
		cell := t*m.NodeCount + int(n)
		slots := int64(m.Share[cell])
		if m.Nodes[n].Gone || where.Penalty[n] == Ineligible {
			continue
		}
		c[CostPenalty] += slots * int64(where.Penalty[n])
		c[CostNodes] += ref.SpreadCost(cell, slots, slack)
		c[CostMoves] += max(int64(m.Current[cell])-slots, 0)
	}
	c[CostZones] = sumOfSquares(m.zoneShares(t))
	return c
}

// zoneShares returns the slots of a task by zone.
func (m *Matrix) zoneShares(t int) []int64 {
	where := m.Tasks[t].Eligible
	zones := make([]int64, where.Zones)
	if len(zones) == 0 {
		return zones
	}
	for n, slots := range m.Row(m.Share, t) {
		if zone := where.Zone[n]; zone >= 0 {
			zones[zone] += int64(slots)
		}
	}
	return zones
}

func sumOfSquares(list []int64) (sum int64) {
	for _, n := range list {
		sum += n * n
	}
	return sum
}

// measuredBy returns the matrix with the quotas and target loads that solutions are measured by. It is the matrix itself,
// unless its quotas favor zones that have more of a task now: then they are computed again without regard to the present
// placement, so that the measure does not depend on it.
func (m *Matrix) measuredBy() *Matrix {
	zoned := slices.ContainsFunc(m.Tasks, func(t Task) bool { return t.Eligible.Zones > 1 })
	switch {
	case m.reference != nil:
	case !zoned || m.EqualWeights && !m.MixedCosts():
		m.reference = m
	default:
		m.reference = NewMatrix(m.Problem)
		m.reference.SetQuotas(ignoreCurrent)
		m.reference.FreezeQuotas()
	}
	return m.reference
}
