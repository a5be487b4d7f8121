package solver

import "slices"

// keepIncumbent keeps what nodes have now unless the solution is strictly better: a solution that is only as good moves nothing.
// Apart from the moves, what is compared does not depend on who has what now. So in a cluster where nothing happens, each
// solution is better than the one before it, and they come to an end.
//
// While a solution is being carried out, what nodes have now lies on the way to it, and may be worse than what they had
// before: slots that change places leave one after the other. A solution found from there could take back what the one before
// it began, and so on without end. So the solution that is being carried out is an incumbent as well.
func (m *matrix) keepIncumbent() {
	inProgress, currentCounts := m.InProgress, m.currentMayWin()
	if slices.Equal(inProgress, m.share) {
		inProgress = nil
	}
	if inProgress == nil && !currentCounts {
		return
	}
	m.freezeQuotas()
	best, least := m.save(), m.cost()
	compare := func(cells []int32) {
		m.adopt(cells)
		if c := m.cost(); slices.Compare(c, least) <= 0 {
			best, least = m.save(), c
		}
	}
	if inProgress != nil {
		compare(inProgress)
	}
	if currentCounts {
		compare(m.Current)
	}
	m.restore(best)
}

// currentMayWin reports whether the solution moves something and places no more slots than have a node now. A
// solution that places more is better in any case, and one that moves nothing needs no comparison.
func (m *matrix) currentMayWin() bool {
	moves, more := false, int64(0)
	for t := range m.Tasks {
		more += m.count[t] - m.unplaced[t]
		current, share := m.row(m.Current, t), m.row(m.share, t)
		for n := range current {
			if m.Nodes[n].Gone || m.Tasks[t].Fixed {
				continue
			}
			moves = moves || share[n] < current[n]
			more -= int64(current[n])
		}
	}
	return moves && more <= 0
}

// adopt gives every node so many slots of every task, as far as it can have them.
func (m *matrix) adopt(cells []int32) {
	for t := range m.Tasks {
		for n := range int32(m.nodes) {
			cell := t*m.nodes + int(n)
			if m.Nodes[n].Gone || m.Tasks[t].Fixed {
				continue
			}
			m.unplaced[t] += int64(m.share[cell])
			m.load[n] -= int64(m.share[cell]) * m.Tasks[t].Cost
			m.share[cell] = 0
		}
	}
	r := repair{matrix: m}
	for t := range m.Tasks {
		for n := range int32(m.nodes) {
			cell := t*m.nodes + int(n)
			for m.share[cell] < cells[cell] && m.unplaced[t] > 0 && r.fits(t, n) {
				r.add(t, n, min(int32(r.most(t, n)), cells[cell]-m.share[cell]))
			}
		}
	}
}
