package planner

import "slices"

// rest keeps what is there unless the plan is strictly better: a plan that is as good does not move anybody. What is compared does
// not depend on who has what now, moves aside, so each plan of a cluster where nothing happens is better than the one before, and
// they end.
//
// While a plan is being carried out, what is there is on the way to it, and may be worse than what was there before: workers that
// change places leave one after the other. A plan that is made from there may take back what the one before began, and so on without
// end. So the plan that is being carried out is kept as well, unless the new one is strictly better.
func (m *matrix) rest() {
	toward, stays := m.toward(), m.mayRest()
	if toward == nil && !stays {
		return
	}
	m.fixFloors()
	best, cost := m.stand(), m.total()
	keep := func(cells []int32) {
		m.lay(cells)
		if c := m.total(); slices.Compare(c, cost) <= 0 {
			best, cost = m.stand(), c
		}
	}
	if toward != nil {
		keep(toward)
	}
	if stays {
		keep(m.have)
	}
	m.restore(best)
}

// toward returns the shares of the plan that is being carried out, nil if there is none or the new plan is the same.
func (m *matrix) toward() []int32 {
	var cells []int32
	for t := range m.in.Tasks {
		task := &m.in.Tasks[t]
		if task.Toward == nil || task.Fixed {
			continue
		}
		if cells == nil {
			cells = slices.Clone(m.have)
		}
		row := m.row(cells, t)
		clear(row)
		for _, n := range task.Toward {
			if n != Nobody {
				row[n]++
			}
		}
	}
	if slices.Equal(cells, m.share) {
		return nil
	}
	return cells
}

// mayRest reports whether the plan moves something and places no more than have a place now: one that places more is better
// in any case, and one that moves nothing needs no comparison.
func (m *matrix) mayRest() bool {
	moving, more := false, int64(0)
	for t := range m.in.Tasks {
		more += m.count[t] - m.short[t]
		have, share := m.row(m.have, t), m.row(m.share, t)
		for n := range have {
			if m.in.Nodes[n].Gone || m.in.Tasks[t].Fixed {
				continue
			}
			moving = moving || share[n] < have[n]
			more -= int64(have[n])
		}
	}
	return moving && more <= 0
}

// total is what the plan costs, in the order of polish. Before the moves come the squares of how far the loads are off: within what
// polish takes for balanced, dealing out still evens them.
func (m *matrix) total() []int64 {
	var c costs
	even := int64(0)
	y := m.yardstick()
	f := flow{matrix: y, unit: 1, alone: !m.mixed()}
	for t := range m.in.Tasks {
		c[costUnplaced] += m.short[t]
		slack := int64(min(m.of[t].zones, 1)) // what is even within a zone depends on whether it has one more
		zones := make([]int64, m.of[t].zones)
		for n := range int32(m.nodes) {
			cell := t*m.nodes + int(n)
			x := int64(m.share[cell])
			if zone := m.of[t].zone[n]; len(zones) > 0 && zone >= 0 {
				zones[zone] += x
			}
			if m.in.Nodes[n].Gone || m.of[t].rank[n] < 0 {
				continue
			}
			c[costPenalty] += x * int64(m.of[t].rank[n])
			c[costNodes] += y.uneven(cell, x, slack)
			c[costMoves] += max(int64(m.have[cell])-x, 0)
		}
		for _, x := range zones {
			c[costZones] += x * x
		}
	}
	for n := range int32(m.nodes) {
		c[costBalance] += f.imbalance(n, m.load[n])
		if m.even || y.ideal != nil {
			off := y.excess(n, m.load[n]) / (fine >> 4)
			even += off * off
		}
		if m.leads(n) {
			c[costLeader] += m.load[n]
		}
	}
	return slices.Insert(c[:], costMoves, even)
}

// yardstick is the ideal that plans are measured by. It is that of the plan itself, unless that favours the zones that have more of a
// task now: then it is found once more without a look at who has what.
func (m *matrix) yardstick() *matrix {
	zoned := slices.ContainsFunc(m.of, func(c *class) bool { return c.zones > 1 })
	switch {
	case m.measure != nil:
	case !zoned || m.even && !m.mixed():
		m.measure = m
	default:
		m.measure = newMatrix(m.in)
		m.measure.blind = true
		m.measure.outline()
		m.measure.fixFloors()
	}
	return m.measure
}
