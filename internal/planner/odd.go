package planner

import (
	"cmp"
	"slices"
)

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
	if m.spare == nil {
		return // where slots weigh differently, counting them tells nothing; way evens the loads out
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
