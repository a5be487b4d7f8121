package solver

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// keepIncumbent keeps the present shares unless the solution is strictly better: a solution that is only as good moves
// nothing. Apart from the moves, the costs that are compared do not depend on the present placement. So in a cluster where
// nothing happens, each solution is better than the one before it, and they come to an end.
//
// While a solution is being carried out, the present shares lie on the way to it, and may be worse than the earlier ones:
// slots that change places leave one after the other. A solution found from there could take back the moves that the
// previous one began, and so on without end. So the solution that is being carried out is an incumbent as well.
func keepIncumbent(m *model.Matrix) {
	inProgress, currentCounts := m.InProgress, currentMayWin(m)
	if slices.Equal(inProgress, m.Share) {
		inProgress = nil
	}
	if inProgress == nil && !currentCounts {
		return
	}
	if inProgress != nil {
		prefer(m, inProgress)
	}
	if currentCounts {
		prefer(m, m.Current)
	}
}

// prefer gives every node the number of slots in its cell, as far as it can have them, unless the solution is better.
func prefer(m *model.Matrix, cells []int32) {
	m.FreezeQuotas()
	if d := m.DifferenceTo(cells); d.Allowed {
		if d.Improves() {
			d.Apply()
		}
		return
	}
	best, least := m.Save(), m.Cost()
	adopt(m, cells)
	if slices.Compare(m.Cost(), least) > 0 {
		m.Restore(best)
	}
}

// currentMayWin reports whether the solution moves something and places no more slots than have a node now. A
// solution that places more is better in any case, and one that moves nothing needs no comparison.
func currentMayWin(m *model.Matrix) bool {
	moves, more := false, int64(0)
	for t := range m.Tasks {
		more += m.Count[t] - m.Unplaced[t]
		current, share := m.Row(m.Current, t), m.Row(m.Share, t)
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

// adopt gives every node the number of slots in its cell, as far as it can have them.
func adopt(m *model.Matrix, cells []int32) {
	for t := range m.Tasks {
		for n := range int32(m.NodeCount) {
			cell := t*m.NodeCount + int(n)
			if m.Nodes[n].Gone || m.Tasks[t].Fixed {
				continue
			}
			m.Unplaced[t] += int64(m.Share[cell])
			m.Load[n] -= int64(m.Share[cell]) * m.Tasks[t].Cost
			m.Share[cell] = 0
		}
	}
	r := repair{Matrix: m}
	for t := range m.Tasks {
		for n := range int32(m.NodeCount) {
			cell := t*m.NodeCount + int(n)
			for m.Share[cell] < cells[cell] && m.Unplaced[t] > 0 && r.fits(t, n) {
				r.give(t, n, min(int32(r.most(t, n)), cells[cell]-m.Share[cell]))
			}
		}
	}
}
