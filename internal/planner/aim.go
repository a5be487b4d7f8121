package planner

import (
	"cmp"
	"slices"
)

// fine is the unit in which ideal loads are counted: 1/fine of a slot.
const fine = 1 << 20

// aim says how much of the odd ones each node should have over all tasks: the nodes of each pool
// are filled up to one level, each by its weight. Where all odd ones weigh the same, a node should
// have a whole number of them; the rounding favours those who can keep what they have, and
// the leader least.
func (m *matrix) aim() {
	if len(m.groups) == 0 {
		return
	}
	m.keeps, m.ideal = make([]int64, m.nodes), make([]int64, m.nodes)
	most := make([]int64, m.nodes) // what a node may carry at most
	copy(most, m.load)
	basins, same := m.basins(most)
	for n := range most {
		most[n] = min(most[n], max(m.limit[n], m.load[n]))
		m.ideal[n] = m.load[n] * fine
	}
	m.fill(basins, most)
	for n := range m.room {
		m.room[n] = m.ideal[n] - m.load[n]*fine
	}
	if same {
		m.wholeRooms(basins, most)
	}
}

// basin is the groups that share the same nodes.
type basin struct {
	nodes []int32
	left  int64   // what is to be dealt, in weight
	most  []int64 // by position in nodes: the most of it that a node can take
	part  []int64 // by position: the node's ideal part of it, times fine
	whole int     // basins with nodes in common have the same number
}

// basins sorts the groups by their nodes. It tells whether all their slots weigh the same.
func (m *matrix) basins(most []int64) (list []*basin, same bool) {
	type identity struct {
		first *int32
		count int
	}
	known := map[identity]*basin{}
	same = true
	for i := range m.groups {
		g := &m.groups[i]
		cost, at := m.cost(g.task), g.task*m.nodes
		same = same && cost == m.cost(m.groups[0].task)
		m.unit = max(m.unit, cost)
		id := identity{&g.nodes[0], len(g.nodes)}
		b := known[id]
		if b == nil {
			b = &basin{nodes: g.nodes, most: make([]int64, len(g.nodes)), part: make([]int64, len(g.nodes))}
			known[id] = b
			list = append(list, b)
		}
		b.left += g.left * cost
		for k, n := range g.nodes {
			if m.flags[at+int(n)] != 0 {
				b.most[k] += cost
				most[n] += cost
				if m.have[at+int(n)] > m.share[at+int(n)] {
					m.keeps[n]++
				}
			}
		}
	}
	m.connect(list)
	return list, same
}

// connect numbers the basins so that those with nodes in common have the same number.
func (m *matrix) connect(list []*basin) {
	first := slices.Repeat([]int{-1}, m.nodes)
	for i, b := range list {
		b.whole = i
	}
	for _, b := range list {
		for _, n := range b.nodes {
			if first[n] < 0 {
				first[n] = b.whole
			}
			if old, now := b.whole, first[n]; old != now {
				for _, o := range list {
					if o.whole == old {
						o.whole = now
					}
				}
				for i, w := range first {
					if w == old {
						first[i] = now
					}
				}
			}
		}
	}
}

// fill fills the basins. Those that share nodes are filled again given what the others hold,
// which approaches the most even filling.
func (m *matrix) fill(list []*basin, most []int64) {
	rounds := 1
	for i, b := range list {
		if b.whole != i {
			rounds = 8
		}
	}
	for range rounds {
		for _, b := range list {
			for k, n := range b.nodes {
				m.ideal[n] -= b.part[k]
			}
			level := m.level(b, most)
			for k, n := range b.nodes {
				b.part[k] = m.partAt(b, k, level, most)
				m.ideal[n] += b.part[k]
			}
		}
	}
}

// partAt is what a node takes of a basin that is filled up to a level.
func (m *matrix) partAt(b *basin, k int, level int64, most []int64) int64 {
	n := b.nodes[k]
	return max(min(m.weight[n]*level-m.ideal[n], b.most[k]*fine, most[n]*fine-m.ideal[n]), 0)
}

// level finds the highest level at which the basin does not hold more than there is.
func (m *matrix) level(b *basin, most []int64) int64 {
	holds := func(level int64) (sum int64) {
		for k := range b.nodes {
			sum += m.partAt(b, k, level, most) >> 4 // or it would not fit
		}
		return sum
	}
	total := b.left * (fine >> 4)
	low, high := int64(0), int64(1)
	for high < 1<<46 && holds(high) < total {
		low, high = high, high*2
	}
	for low+1 < high {
		if middle := (low + high) / 2; holds(middle) <= total {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// wholeRooms rounds the rooms to whole odd ones that add up to what there is, for each set of
// basins that share nodes: first up for those who can keep one more; who else gets one more is left
// to who can take it, and these are marked as spare.
func (m *matrix) wholeRooms(list []*basin, most []int64) {
	step := m.unit * fine
	left := make([]int64, len(list))
	of := slices.Repeat([]int{-1}, m.nodes)
	for _, b := range list {
		left[b.whole] += b.left / m.unit
		for _, n := range b.nodes {
			of[n] = b.whole
		}
	}
	m.order = m.order[:0]
	for n := range m.room {
		if of[n] < 0 {
			continue
		}
		slack := m.weight[n]*2 + 64 // levels are rounded down
		whole := (m.room[n] + slack) / step
		if m.room[n]-whole*step > slack && m.load[n]+(whole+1)*m.unit <= most[n] {
			m.order = append(m.order, int32(n))
		}
		m.room[n] = whole
		left[of[n]] -= whole
	}
	wants := func(n int32) bool { return m.keeps[n] > m.room[n] }
	slices.SortStableFunc(m.order, func(a, b int32) int {
		return cmp.Or(compare(wants(b), wants(a)), compare(m.leads(a), m.leads(b)))
	})
	m.spare = make([]bool, m.nodes)
	for _, n := range m.order {
		switch {
		case left[of[n]] <= 0:
		case wants(n):
			m.room[n]++
			left[of[n]]--
		default:
			m.spare[n] = true
		}
	}
	for n := len(m.room) - 1; n >= 0; n-- { // where rounding went too far
		if of[n] >= 0 && left[of[n]] < 0 && m.room[n] > 0 {
			m.room[n]--
			left[of[n]]++
		}
	}
	for n := range m.room {
		m.room[n] *= step
	}
}
