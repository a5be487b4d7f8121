package planner

import (
	"cmp"
	"slices"
)

// How lighter workers make room for a heavier one: by exchanges between two nodes.

// clear places one of a task where room can be made for it with the fewest moves.
func (r *room) clear(t int) bool {
	if !r.look(2 * r.nodes) {
		return false
	}
	var nodes []int32
	room := int64(0)
	for n := range int32(r.nodes) {
		if node := &r.in.Nodes[n]; !node.Gone {
			room += max(r.free(n), 0)
		}
		if r.takes(t, n) {
			nodes = append(nodes, n)
		}
	}
	if room < r.cost(t) {
		return false // exchanges make no room that is not there
	}
	slices.SortStableFunc(nodes, func(a, b int32) int { return cmp.Compare(r.free(b), r.free(a)) })
	var best []step
	least := int64(1 << 40)
	tries := 0
	for _, n := range nodes {
		if tries >= roomNodes && best != nil || r.looks < 0 {
			break
		}
		mark := len(r.log)
		moved, ok := r.empty(t, n, least)
		if ok {
			tries++
			least, best = moved, slices.Clone(r.log[mark:])
		}
		r.back(mark)
		if ok && moved <= 1 {
			break
		}
	}
	for _, s := range best {
		r.put(s.task, s.node, s.by)
	}
	return best != nil
}

// empty exchanges workers of a node for lighter ones of others until one of a task fits, with fewer moves than most,
// and places it.
func (r *room) empty(t int, n int32, most int64) (moved int64, ok bool) {
	for r.free(n) < r.cost(t) {
		x := r.exchange(t, n, r.cost(t)-r.free(n))
		if moved += x.moves; x.gain == 0 || moved >= most || r.looks < 0 {
			return moved, false
		}
		r.put(x.out, n, -1)
		if x.in >= 0 {
			r.put(x.in, x.with, -1)
			r.put(x.in, n, 1)
		}
		r.put(x.out, x.with, 1)
	}
	if !r.takes(t, n) {
		return moved, false
	}
	moved -= r.arriving(t, n)
	r.put(t, n, 1)
	return moved, moved < most
}

// exchange is one worker that a node gives to another one, for a lighter one or for none.
type exchange struct {
	with        int32
	out, in     int // tasks; in is -1 for none
	gain, moves int64
}

// exchange finds what brings a node most of the room that it needs for the least moves.
func (r *room) exchange(t int, n int32, need int64) (best exchange) {
	better := func(x exchange) bool {
		if best.gain == 0 {
			return true
		}
		a, b := min(x.gain, need)*max(best.moves+1, 1), min(best.gain, need)*max(x.moves+1, 1)
		return a > b || a == b && x.gain < best.gain
	}
	for out := range r.in.Tasks {
		if !r.look(1) {
			return exchange{}
		}
		if out == t || r.share[out*r.nodes+int(n)] == 0 {
			continue
		}
		weight, leaves := r.cost(out), r.leaving(out, n)
		for with := range int32(r.nodes) {
			if !r.look(1) {
				return exchange{}
			}
			if with == n || !r.takes(out, with) {
				continue
			}
			room, moves := r.free(with), leaves-r.arriving(out, with)
			if room >= weight {
				if x := (exchange{with, out, -1, weight, moves}); better(x) {
					best = x
				}
				continue
			}
			if room <= 0 {
				continue
			}
			for in := range r.in.Tasks {
				if !r.look(1) {
					return exchange{}
				}
				if r.share[in*r.nodes+int(with)] == 0 {
					continue
				}
				gain := weight - r.cost(in)
				if gain <= 0 || gain > room || in == t || !r.takes(in, n) {
					continue
				}
				if x := (exchange{with, out, in, gain, moves + r.leaving(in, with) - r.arriving(in, n)}); better(x) {
					best = x
				}
			}
		}
	}
	return best
}

// trade takes a heavy worker's place where at least two lighter ones find one instead.
func (r *room) trade() {
	for better := true; better; {
		better = false
		for t := range r.in.Tasks {
			for n := range int32(r.nodes) {
				if !r.look(1) {
					return
				}
				if r.in.Nodes[n].Gone || r.of[t].rank[n] < 0 || r.share[t*r.nodes+int(n)] == 0 || !r.look(2*len(r.in.Tasks)) || !r.lighter(t) {
					continue
				}
				mark := len(r.log)
				r.put(t, n, -1)
				placed := int64(0)
				lights := r.byWeight()
				slices.Reverse(lights)
				for _, light := range lights {
					for r.cost(light) < r.cost(t) && r.short[light] > 0 && r.fitsNow(light, n) {
						most := r.most(light, n)
						r.put(light, n, int32(most))
						placed += most
					}
				}
				if placed < 2 {
					r.back(mark)
					continue
				}
				better = true
			}
		}
	}
}

// lighter reports whether two workers without a place weigh less than one of a task together or alone.
func (r *room) lighter(t int) bool {
	count := int64(0)
	for o := range r.in.Tasks {
		if r.cost(o) < r.cost(t) {
			count += r.short[o]
		}
	}
	return count >= 2
}
