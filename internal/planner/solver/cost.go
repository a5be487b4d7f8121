package solver

import "slices"

// The levels of a solution's cost. Each one outranks all later ones.
const (
	costUnplaced = iota // slots without a node
	costPenalty         // slots where they should rather not be
	costZones           // tasks that are uneven over their zones
	costNodes           // tasks that are uneven over the nodes
	costBalance         // nodes that carry more or less than they should
	costMoves           // slots that leave their node
	costSpared          // what spared nodes carry
	costLevels
)

// costs is a cost by level.
type costs [costLevels]int64

func (c costs) plus(o costs) costs {
	for i := range c {
		c[i] += o[i]
	}
	return c
}

func (c *costs) less(o *costs) bool {
	for i := range c {
		if c[i] != o[i] {
			return c[i] < o[i]
		}
	}
	return false
}

// spreadCost returns what it costs the spread of a task that a node has so many slots of it. Squares add up to least where
// the numbers are equal. Where nodes weigh differently, the quotas cost nothing, nor does a deviation from them within the slack.
func (m *matrix) spreadCost(cell int, slots, slack int64) int64 {
	if m.equalWeights {
		return slots * slots
	}
	low := int64(m.lowerQuota[cell])
	high := low
	if m.rounded[cell]&mayRoundUp != 0 {
		high++
	}
	off := max(low-slots-slack, slots-high-slack, 0)
	return off * off
}

// balanceCost returns what it costs that a node carries a load. Where all nodes weigh the same and so do all slots, squares
// add up to least when the loads are as even as they can be. Otherwise, a load is good enough within one slot of the target.
func (m *matrix) balanceCost(n int32, load int64, equalCosts bool) int64 {
	if m.equalWeights && equalCosts {
		return load * load
	}
	if m.targetLoad == nil {
		return 0
	}
	const coarse = scale >> 8 // so that squares do not overflow
	off := max(load*scale-m.targetLoad[n], m.targetLoad[n]-load*scale) - max(m.quantum, 1)*scale
	if off < 0 {
		return 0
	}
	off = off/coarse + 1
	return off * off
}

// cost returns the cost of the solution, by level. Before the moves comes one more level, the squares of how far loads are
// from their targets: cycle canceling takes loads for balanced within one slot, but rounding makes them more even than that.
func (m *matrix) cost() []int64 {
	var c costs
	uneven := int64(0)
	ref := m.measuredBy()
	equalCosts := !m.mixedCosts()
	for t := range m.Tasks {
		c = c.plus(m.taskCost(t, ref))
	}
	for n := range int32(m.nodes) {
		c[costBalance] += ref.balanceCost(n, m.load[n], equalCosts)
		if m.equalWeights || ref.targetLoad != nil {
			const coarse = scale >> 4 // so that squares do not overflow
			off := ref.excess(n, m.load[n]) / coarse
			uneven += off * off
		}
		if m.Nodes[n].Spared {
			c[costSpared] += m.load[n]
		}
	}
	return slices.Insert(c[:], costMoves, uneven)
}

// taskCost returns the cost of a task's shares, measured by the quotas of another matrix.
func (m *matrix) taskCost(t int, ref *matrix) (c costs) {
	where := m.Tasks[t].Eligible
	c[costUnplaced] = m.unplaced[t]
	slack := int64(min(where.Zones, 1)) // the quotas within a zone depend on whether the zone itself rounds up
	zones := make([]int64, where.Zones)
	for n := range int32(m.nodes) {
		cell := t*m.nodes + int(n)
		slots := int64(m.share[cell])
		if zone := where.Zone[n]; len(zones) > 0 && zone >= 0 {
			zones[zone] += slots
		}
		if m.Nodes[n].Gone || where.Penalty[n] == Ineligible {
			continue
		}
		c[costPenalty] += slots * int64(where.Penalty[n])
		c[costNodes] += ref.spreadCost(cell, slots, slack)
		c[costMoves] += max(int64(m.Current[cell])-slots, 0)
	}
	for _, slots := range zones {
		c[costZones] += slots * slots
	}
	return c
}

// measuredBy returns the matrix with the quotas and target loads that solutions are measured by. It is the matrix itself, unless its
// quotas favor zones that have more of a task now: then they are found again without regard to who has what, so that
// the measure does not change with what is measured.
func (m *matrix) measuredBy() *matrix {
	zoned := slices.ContainsFunc(m.Tasks, func(t Task) bool { return t.Eligible.Zones > 1 })
	switch {
	case m.reference != nil:
	case !zoned || m.equalWeights && !m.mixedCosts():
		m.reference = m
	default:
		m.reference = newMatrix(m.Problem)
		m.reference.setQuotas(ignoreCurrent)
		m.reference.freezeQuotas()
	}
	return m.reference
}
