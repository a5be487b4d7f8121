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
		same = same && (i == 0 || cost == m.unit)
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

// compare orders false before true.
func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// handOver passes odd ones from nodes that have more than they should keep to those that lack
// some, each of another task where that is possible: so that no task is left with many that only
// few can take.
func (m *matrix) handOver() {
	const effort = 5_000_000
	if m.unit == 0 {
		return
	}
	step, spent := m.unit*fine, 0
	var lacking []int32
	need := func(n int32) int64 { return m.room[n]/step - m.keeps[n] }
	for n := range int32(m.nodes) {
		if need(n) > 0 {
			lacking = append(lacking, n)
		}
	}
	next := 0 // the group to begin with
	for from := range int32(m.nodes) {
		for tries := 0; need(from) < 0 && len(lacking) > 0 && tries < len(m.groups) && spent < effort; tries++ {
			g := &m.groups[next]
			next = (next + 1) % len(m.groups)
			spent++
			if !m.keeper(g, from) || g.left == 0 {
				continue
			}
			spent += len(lacking)
			at := slices.IndexFunc(lacking, func(to int32) bool {
				return g.zone == m.of[g.task].zone[to] && m.fits(g, to) && !m.keeper(g, to) && m.worth(from, to)
			})
			if at < 0 {
				continue
			}
			to := lacking[at]
			m.flags[g.task*m.nodes+int(from)] |= handedOver
			m.keeps[from]--
			m.give(g, to)
			if need(to) <= 0 {
				lacking = slices.Delete(lacking, at, at+1)
			}
			tries = -1
		}
	}
}

// worth tells whether it evens the loads out that one node hands an odd one over to another one.
func (m *matrix) worth(from, to int32) bool {
	a := m.excess(from, m.load[from]+m.keeps[from]*m.unit)
	b := m.excess(to, m.load[to]+m.keeps[to]*m.unit)
	step := m.unit * fine
	return a-b > step && (m.even || a >= step || b <= -step)
}

// keeper tells whether a node has an odd one of a group that it might keep.
func (m *matrix) keeper(g *group, n int32) bool {
	cell := g.task*m.nodes + int(n)
	return m.flags[cell] == mayHaveOdd && m.have[cell] > m.share[cell]
}

// keep leaves odd ones where they are. Where a task has fewer than before, those give up theirs who
// have most of others.
func (m *matrix) keep() {
	for i := range m.groups {
		m.keepGroup(&m.groups[i])
	}
}

func (m *matrix) keepGroup(g *group) {
	const buckets = 64
	step := m.cost(g.task) * fine
	candidate := func(n int32) bool { return m.keeper(g, n) }
	surplus := func(n int32) int {
		return int(min(max(m.keeps[n]-m.room[n]/step+buckets/2, 0), buckets-1))
	}
	var sizes [buckets]int64
	for _, n := range g.nodes {
		if candidate(n) && m.fits(g, n) {
			sizes[surplus(n)]++
		}
	}
	last, quota := buckets, g.left // everybody in the buckets below last, and quota of that one
	for b, size := range sizes {
		if quota < size {
			last = b
			break
		}
		quota -= size
	}
	consider := func(n int32) {
		s := surplus(n)
		m.keeps[n]--
		if !m.fits(g, n) || s > last || s == last && quota == 0 {
			return
		}
		if s == last {
			quota--
		}
		m.give(g, n)
	}
	leader := Nobody
	for _, n := range g.nodes {
		switch {
		case !candidate(n):
		case m.leads(n):
			leader = n
		default:
			consider(n)
		}
	}
	if leader != Nobody {
		consider(leader)
	}
}

// deal gives the odd ones that are left to those who lack most. Where those who lack some cannot
// take one of this task, others make way for it.
func (m *matrix) deal(way *way) {
	lacked := slices.Clone(m.room)
	for i := range m.groups {
		g := &m.groups[i]
		if g.left > few {
			m.dealMany(g, way, lacked, len(m.groups)-1-i)
		}
		for g.left > 0 {
			best := Nobody
			for _, n := range g.nodes {
				if m.fits(g, n) && (best == Nobody || m.lacksMore(n, best)) {
					best = n
				}
			}
			if best == Nobody {
				m.short[g.task] += g.left // full by now; polish looks for a way
				break
			}
			if m.lack(best) > 0 || !way.forNew(g) {
				m.fillUp(g, best)
				way.note(g, best)
			}
		}
	}
}

// few odd ones are dealt by looking for the best node once for each.
const few = 4

// dealMany deals many odd ones of a task. Nodes take part in the course of all groups in turn,
// each as often as it lacks some: were those who lack most always first, all nodes of a kind would
// have odd ones of the same tasks, and could not take each other's later.
func (m *matrix) dealMany(g *group, way *way, lacked []int64, after int) {
	m.order = m.order[:0]
	for _, n := range g.nodes {
		if m.fits(g, n) && m.lack(n) > 0 {
			m.order = append(m.order, n)
		}
	}
	due := func(n int32) int64 {
		return m.lack(n) - lacked[n]/int64(len(m.groups))*int64(after) + m.unit*stagger(n)
	}
	slices.SortFunc(m.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(due(b), due(a)), compare(m.leads(a), m.leads(b)), cmp.Compare(a, b))
	})
	for _, n := range m.order[:min(int(g.left), len(m.order))] {
		m.fillUp(g, n)
		way.note(g, n)
	}
}

// stagger spreads nodes evenly over one slot (multiples of the golden ratio), so that they do not
// all take part in the same turns.
func stagger(n int32) int64 { return int64(uint32(n)*2654435769) >> 12 }

// lacksMore tells whether a should get an odd one rather than b.
func (m *matrix) lacksMore(a, b int32) bool {
	if lackA, lackB := m.lack(a), m.lack(b); lackA != lackB {
		return lackA > lackB
	}
	return m.leads(b) && !m.leads(a)
}

// lack is how much a node lacks, the last bit of which it may go without.
func (m *matrix) lack(n int32) int64 {
	if m.room[n] == 0 && m.spare != nil && m.spare[n] {
		return 1
	}
	return m.room[n]
}

// fillUp gives an odd one to a node that may be one that can go without.
func (m *matrix) fillUp(g *group, n int32) {
	if m.room[n] == 0 && m.spare != nil && m.spare[n] {
		m.spare[n] = false
		m.room[n] += m.unit * fine
	}
	m.give(g, n)
}
