package solver

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// exchange is a slot that a node gives to another node, for a slot of lower cost (a swap) or for nothing (a shift).
type exchange struct {
	with        int32
	out, in     int   // tasks; in is -1 for a shift
	gain, moves int64 // the capacity that becomes free, and the slots that move
}

// placeByExchanges places one slot of a task where room can be made for it with the fewest moves.
func (r *repair) placeByExchanges(t int) bool {
	if !r.spend(2 * r.NodeCount) {
		return false
	}
	var nodes []int32
	free := int64(0)
	for n := range int32(r.NodeCount) {
		if !r.Nodes[n].Gone {
			free += max(r.FreeCapacity(n), 0)
		}
		if r.accepts(t, n) {
			nodes = append(nodes, n)
		}
	}
	if free < r.Tasks[t].Cost {
		return false // exchanges add no capacity
	}
	slices.SortStableFunc(nodes, func(a, b int32) int { return cmp.Compare(r.FreeCapacity(b), r.FreeCapacity(a)) })
	var best []change
	fewest := int64(1 << 40)
	tries := 0
	for _, n := range nodes {
		if tries >= repairTries && best != nil || r.budget < 0 {
			break
		}
		length := len(r.log)
		moves, ok := r.makeRoom(t, n, fewest)
		if ok {
			tries++
			fewest, best = moves, slices.Clone(r.log[length:])
		}
		r.undoTo(length)
		if ok && moves <= 1 {
			break
		}
	}
	for _, c := range best {
		r.add(c.task, c.node, c.by)
	}
	return best != nil
}

// makeRoom exchanges slots of a node until one slot of a task fits, with fewer moves than most, and places it there.
func (r *repair) makeRoom(t int, n int32, most int64) (moves int64, ok bool) {
	cost := r.Tasks[t].Cost
	for r.FreeCapacity(n) < cost {
		x := r.bestExchange(t, n, cost-r.FreeCapacity(n))
		moves += x.moves
		if x.gain == 0 || moves >= most || r.budget < 0 {
			return moves, false
		}
		r.add(x.out, n, -1)
		if x.in >= 0 {
			r.add(x.in, x.with, -1)
			r.add(x.in, n, 1)
		}
		r.add(x.out, x.with, 1)
	}
	if !r.accepts(t, n) {
		return moves, false
	}
	moves -= r.movesSavedIfGiven(t, n)
	r.add(t, n, 1)
	return moves, moves < most
}

// bestExchange finds the exchange that brings a node most of the capacity that it needs for the fewest moves. It returns the
// zero value if there is none, or the budget is spent.
func (r *repair) bestExchange(t int, n int32, need int64) (best exchange) {
	for out := range r.Tasks {
		if !r.spend(1) {
			return exchange{}
		}
		if out == t || r.Share[out*r.NodeCount+int(n)] == 0 {
			continue
		}
		for with := range int32(r.NodeCount) {
			if !r.spend(1) {
				return exchange{}
			}
			if with == n || !r.accepts(out, with) {
				continue
			}
			var ok bool
			best, ok = r.bestExchangeWith(t, n, with, out, need, best)
			if !ok {
				return exchange{}
			}
		}
	}
	return best
}

// bestExchangeWith returns the best exchange of a slot for one of another node, or the one that is best so far. ok
// is false if the budget is spent.
func (r *repair) bestExchangeWith(t int, n, with int32, out int, need int64, best exchange) (_ exchange, ok bool) {
	cost, free := r.Tasks[out].Cost, r.FreeCapacity(with)
	moves := r.movesIfTaken(out, n) - r.movesSavedIfGiven(out, with)
	if free >= cost {
		if x := (exchange{with, out, -1, cost, moves}); x.better(best, need) {
			best = x
		}
		return best, true
	}
	if free <= 0 {
		return best, true
	}
	for in := range r.Tasks {
		if !r.spend(1) {
			return best, false
		}
		if r.Share[in*r.NodeCount+int(with)] == 0 {
			continue
		}
		gain := cost - r.Tasks[in].Cost
		if gain <= 0 || gain > free || in == t || !r.accepts(in, n) {
			continue
		}
		x := exchange{with, out, in, gain, moves + r.movesIfTaken(in, with) - r.movesSavedIfGiven(in, n)}
		if x.better(best, need) {
			best = x
		}
	}
	return best, true
}

// better reports whether an exchange gains more of the capacity that is needed for each move than another one.
func (x exchange) better(than exchange, need int64) bool {
	if than.gain == 0 {
		return true
	}
	a, b := min(x.gain, need)*max(than.moves+1, 1), min(than.gain, need)*max(x.moves+1, 1)
	return a > b || a == b && x.gain < than.gain
}

// replaceHeavy takes a slot off its node where at least two unplaced slots of lower cost can be placed instead.
func (r *repair) replaceHeavy() {
	for improved := true; improved; {
		improved = false
		for t := range r.Tasks {
			for n := range int32(r.NodeCount) {
				if !r.spend(1) {
					return
				}
				if r.mayReplace(t, n) && r.spend(2*len(r.Tasks)) && r.lighterUnplaced(t) >= 2 && r.replace(t, n) {
					improved = true
				}
			}
		}
	}
}

// mayReplace reports whether a slot of a task may be taken off a node.
func (r *repair) mayReplace(t int, n int32) bool {
	return !r.Nodes[n].Gone && r.Penalty(t, n) != model.Ineligible && r.Share[t*r.NodeCount+int(n)] > 0
}

// lighterUnplaced counts the unplaced slots that cost less than one of a task.
func (r *repair) lighterUnplaced(t int) (count int64) {
	for o := range r.Tasks {
		if r.Tasks[o].Cost < r.Tasks[t].Cost {
			count += r.Unplaced[o]
		}
	}
	return count
}

// replace replaces a slot of a task on a node by lighter ones, the lightest first. It changes nothing if fewer than two
// fit.
func (r *repair) replace(t int, n int32) bool {
	length := len(r.log)
	r.add(t, n, -1)
	placed := int64(0)
	lightest := r.unplacedTasks()
	slices.Reverse(lightest)
	for _, o := range lightest {
		for r.Tasks[o].Cost < r.Tasks[t].Cost && r.Unplaced[o] > 0 && r.fits(o, n) {
			most := r.most(o, n)
			r.add(o, n, int32(most))
			placed += most
		}
	}
	if placed < 2 {
		r.undoTo(length)
		return false
	}
	return true
}
