package model

import "slices"

// Matrix is a solution in the making. A cell is one task on one node, at index task*NodeCount+node.
type Matrix struct {
	*Problem
	NodeCount int
	Share     []int32 // by cell: the slots that the node is to have
	Count     []int64 // by task: the slots to place on nodes that are not gone
	Unplaced  []int64 // by task: those of them that have no node
	Load      []int64 // by node: the costs of the slots that it is to have

	Rounded    []uint8     // by cell: flags
	LowerQuota []int32     // by cell, once shares may change by more than rounding; else nil
	Remainders []Remainder // the slots that nodes compete for
	TargetLoad []int64     // by node, times scale; nil without remainders
	Quantum    int64       // the greatest cost of a remainder slot

	EqualWeights bool    // all nodes weigh the same
	Effort       int     // the steps that were spent
	reference    *Matrix // the quotas and target loads that solutions are measured by; nil until needed
}

// Flags of a cell.
const (
	MayRoundUp  uint8 = 1 << iota // the ideal share is a fraction
	RoundedUp                     // the share is the upper quota
	Transferred                   // has its remainder slot now, and hands it over to another node
)

// Remainder is the slots of a task that are left in a pool or tier once its nodes have their lower quotas.
type Remainder struct {
	Index int // in Matrix.Remainders
	Task  int
	Zone  int32
	Nodes []int32
	Left  int64 // slots that no node has yet
}

// NewMatrix returns a matrix in which only nodes that are gone and tasks that are fixed have their slots.
func NewMatrix(p *Problem) *Matrix {
	nodes, cells := len(p.Nodes), len(p.Nodes)*len(p.Tasks)
	m := &Matrix{
		Problem: p, NodeCount: nodes, Share: p.Space.Numbers(cells), Rounded: p.Space.Flags(cells),
		Count: make([]int64, len(p.Tasks)), Unplaced: make([]int64, len(p.Tasks)), Load: p.Space.Amounts(nodes),
		EqualWeights: true,
	}
	first := max(slices.IndexFunc(p.Nodes, func(n Node) bool { return !n.Gone }), 0)
	for i := range p.Nodes {
		n := &p.Nodes[i]
		m.EqualWeights = m.EqualWeights && (n.Gone || n.Weight == p.Nodes[first].Weight)
	}
	for t := range p.Tasks {
		task := &p.Tasks[t]
		m.Count[t] = task.Slots
		for n := range p.Nodes {
			if p.Nodes[n].Gone || task.Fixed {
				has := p.Current[t*nodes+n]
				m.Share[t*nodes+n] = has
				m.Load[n] += int64(has) * task.Cost
				m.Count[t] -= int64(has)
			}
		}
		if task.Fixed {
			m.Count[t] = 0
		}
	}
	return m
}

// Row returns the cells of a task.
func (m *Matrix) Row(cells []int32, t int) []int32 { return cells[t*m.NodeCount : (t+1)*m.NodeCount] }

// Penalty returns the penalty of a slot of a task on a node.
func (m *Matrix) Penalty(t int, n int32) int32 { return m.Tasks[t].Eligible.Penalty[n] }

// FreeCapacity returns the cost that a node can still take. It is negative if the node has too much already.
func (m *Matrix) FreeCapacity(n int32) int64 { return m.Nodes[n].Capacity - m.Load[n] }

// HasUnplaced reports whether any slot has no node.
func (m *Matrix) HasUnplaced() bool {
	return slices.ContainsFunc(m.Unplaced, func(n int64) bool { return n > 0 })
}

// MixedCosts reports whether slots of different tasks cost differently.
func (m *Matrix) MixedCosts() bool {
	for t := range m.Tasks {
		if m.Tasks[t].Cost != m.Tasks[0].Cost {
			return true
		}
	}
	return false
}

// FreezeQuotas stores the lower quotas, before shares change by more than rounding. It does so only once.
func (m *Matrix) FreezeQuotas() {
	if m.LowerQuota != nil {
		return
	}
	m.LowerQuota = m.Space.Numbers(len(m.Share))
	copy(m.LowerQuota, m.Share)
	for cell, flags := range m.Rounded {
		if flags&RoundedUp != 0 {
			m.LowerQuota[cell]--
		}
	}
}

// UpperQuota returns the ideal share of a cell, rounded up.
func (m *Matrix) UpperQuota(cell int) int64 {
	quota := int64(m.Share[cell])
	switch {
	case m.LowerQuota != nil:
		quota = int64(m.LowerQuota[cell])
	case m.Rounded[cell]&RoundedUp != 0:
		quota--
	}
	if m.Rounded[cell]&MayRoundUp != 0 {
		quota++
	}
	return quota
}

// Snapshot is the part of a matrix that changes after rounding.
type Snapshot struct {
	share          []int32
	load, unplaced []int64
}

// Save returns a copy of the shares, loads and unplaced slots.
func (m *Matrix) Save() Snapshot {
	share := m.Space.Numbers(len(m.Share))
	copy(share, m.Share)
	return Snapshot{share, slices.Clone(m.Load), slices.Clone(m.Unplaced)}
}

// Restore puts a saved copy back.
func (m *Matrix) Restore(s Snapshot) {
	copy(m.Share, s.share)
	copy(m.Load, s.load)
	copy(m.Unplaced, s.unplaced)
}
