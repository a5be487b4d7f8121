package solver

import "slices"

// matrix is a solution in the making. A cell is one task on one node, at index task*nodes+node.
type matrix struct {
	*Problem
	nodes    int
	share    []int32 // by cell: the slots that the node is to have
	count    []int64 // by task: the slots to place on nodes that are not gone
	unplaced []int64 // by task: those of them that have no node
	load     []int64 // by node: the costs of the slots that it is to have

	rounded    []uint8     // by cell: flags
	lowerQuota []int32     // by cell, once shares may change by more than rounding; else nil
	remainders []remainder // what nodes compete for
	targetLoad []int64     // by node, times scale; nil if there are no remainders
	quantum    int64       // the greatest cost of a remainder slot

	equalWeights bool    // all nodes weigh the same
	effort       int     // the steps that were spent
	reference    *matrix // the quotas and target loads that solutions are measured by; nil until needed
}

// Flags of a cell.
const (
	mayRoundUp  uint8 = 1 << iota // the ideal share is a fraction
	roundedUp                     // the share is the upper quota
	transferred                   // has its remainder slot now, and hands it over to another node
)

// remainder is the slots of a task that are left in a pool or tier once its nodes have their lower quotas.
type remainder struct {
	index int // in matrix.remainders
	task  int
	zone  int32
	nodes []int32
	left  int64 // slots that no node has yet
}

func newMatrix(p *Problem) *matrix {
	nodes, cells := len(p.Nodes), len(p.Nodes)*len(p.Tasks)
	m := &matrix{
		Problem: p, nodes: nodes, share: make([]int32, cells), rounded: make([]uint8, cells),
		count: make([]int64, len(p.Tasks)), unplaced: make([]int64, len(p.Tasks)), load: make([]int64, nodes),
		equalWeights: true,
	}
	first := max(slices.IndexFunc(p.Nodes, func(n Node) bool { return !n.Gone }), 0)
	for i := range p.Nodes {
		n := &p.Nodes[i]
		m.equalWeights = m.equalWeights && (n.Gone || n.Weight == p.Nodes[first].Weight)
	}
	for t := range p.Tasks {
		task := &p.Tasks[t]
		m.count[t] = task.Slots
		for n := range p.Nodes {
			if p.Nodes[n].Gone || task.Fixed {
				has := p.Current[t*nodes+n]
				m.share[t*nodes+n] = has
				m.load[n] += int64(has) * task.Cost
				m.count[t] -= int64(has)
			}
		}
		if task.Fixed {
			m.count[t] = 0
		}
	}
	return m
}

func (m *matrix) row(cells []int32, t int) []int32 { return cells[t*m.nodes : (t+1)*m.nodes] }

// penalty returns the penalty of a slot of a task on a node.
func (m *matrix) penalty(t int, n int32) int32 { return m.Tasks[t].Eligible.Penalty[n] }

// freeCapacity returns the cost that a node can still take. It is negative if the node has too much already.
func (m *matrix) freeCapacity(n int32) int64 { return m.Nodes[n].Capacity - m.load[n] }

// hasUnplaced reports whether any slot has no node.
func (m *matrix) hasUnplaced() bool {
	return slices.ContainsFunc(m.unplaced, func(n int64) bool { return n > 0 })
}

// mixedCosts reports whether slots of different tasks cost differently.
func (m *matrix) mixedCosts() bool {
	for t := range m.Tasks {
		if m.Tasks[t].Cost != m.Tasks[0].Cost {
			return true
		}
	}
	return false
}

// freezeQuotas stores the lower quotas, before shares change by more than rounding. It does so only once.
func (m *matrix) freezeQuotas() {
	if m.lowerQuota != nil {
		return
	}
	m.lowerQuota = slices.Clone(m.share)
	for cell, flags := range m.rounded {
		if flags&roundedUp != 0 {
			m.lowerQuota[cell]--
		}
	}
}

// upperQuota returns the ideal share of a cell, rounded up.
func (m *matrix) upperQuota(cell int) int64 {
	quota := int64(m.share[cell])
	switch {
	case m.lowerQuota != nil:
		quota = int64(m.lowerQuota[cell])
	case m.rounded[cell]&roundedUp != 0:
		quota--
	}
	if m.rounded[cell]&mayRoundUp != 0 {
		quota++
	}
	return quota
}

// snapshot is the part of a matrix that changes after rounding.
type snapshot struct {
	share          []int32
	load, unplaced []int64
}

func (m *matrix) save() snapshot {
	return snapshot{slices.Clone(m.share), slices.Clone(m.load), slices.Clone(m.unplaced)}
}

func (m *matrix) restore(s snapshot) {
	copy(m.share, s.share)
	copy(m.load, s.load)
	copy(m.unplaced, s.unplaced)
}
