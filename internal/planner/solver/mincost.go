package solver

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// Limits of cycle canceling, so that a solution is never late.
const (
	cancelCells           = 1 << 13   // problems with more cells are left as they are, unless slots are unplaced
	cancelCellsIfUnplaced = 1 << 20   // problems with more cells are left as they are in any case
	cancelBudget          = 4_000_000 // steps; each of them relaxes an arc
)

// cancelCycles improves the solution by canceling cycles of negative cost. The slots of all tasks with the same cost are one flow:
// from their task over a zone to a node, or to nowhere, and from there into one sink. A cycle of negative cost in the residual
// network is an improvement, and a flow without such a cycle is optimal, because all costs are convex. Tasks with different costs
// are improved one cost after the other, the greatest first.
func cancelCycles(m *model.Matrix) {
	cells := len(m.Share)
	if m.NodeCount == 0 || cells > cancelCellsIfUnplaced || cells > cancelCells && !m.HasUnplaced() {
		return
	}
	m.FreezeQuotas()
	cancelWithin(m, cancelBudget)
}

// cancelWithin pushes slots along cycles until no cycle improves the solution, or the budget is spent.
func cancelWithin(m *model.Matrix, budget int) {
	const passes = 3 // over all costs
	var slotCosts []int64
	for t := range m.Tasks {
		slotCosts = append(slotCosts, m.Tasks[t].Cost)
	}
	slices.Sort(slotCosts)
	slotCosts = slices.Compact(slotCosts)
	slices.Reverse(slotCosts)
	equalCosts := len(slotCosts) == 1
	for range passes {
		improved := false
		for _, c := range slotCosts {
			w := newNetwork(m, c, equalCosts)
			for budget > 0 {
				cycle := w.negativeCycle(&budget)
				if cycle == nil {
					break
				}
				w.push(cycle)
				improved = true
			}
		}
		if equalCosts || !improved {
			return
		}
	}
}

// network is the residual network of the slots of all tasks with one cost.
//
// Its vertices are the tasks, the nodes, nowhere, the sink, and the zones of each task, in this order.
type network struct {
	*model.Matrix
	slotCost   int64
	equalCosts bool // all tasks have this cost
	tasks      []int
	vertices   int32
	arcs       []arc
	zoned      []int64       // by zone vertex: the slots in the zone
	dist       []model.Costs // by vertex
	pred       []int32       // by vertex: the arc by which it was reached
	mark       []int32       // by vertex
}

// arc is one way for a slot to flow.
type arc struct {
	from, to int32
	kind     arcKind
	task     int32 // of cell, zone and nowhere arcs
	at       int32 // the node, or the zone vertex
}

type arcKind uint8

const (
	cellArc    arcKind = iota // to a node
	zoneArc                   // to a zone
	nodeArc                   // from a node to the sink
	nowhereArc                // of a slot that stays unplaced
	freeArc                   // from nowhere to the sink
	reverse                   // is added to a kind: a slot is taken back
)

func newNetwork(m *model.Matrix, slotCost int64, equalCosts bool) *network {
	w := &network{Matrix: m, slotCost: slotCost, equalCosts: equalCosts}
	for t := range m.Tasks {
		if m.Tasks[t].Cost == slotCost {
			w.tasks = append(w.tasks, t)
		}
	}
	w.vertices = w.sink() + 1
	for i := range w.tasks {
		w.addTask(int32(i))
	}
	for n := range int32(m.NodeCount) {
		if !m.Nodes[n].Gone {
			w.addArc(w.node(n), w.sink(), nodeArc, 0, n)
		}
	}
	w.addArc(w.nowhere(), w.sink(), freeArc, 0, 0)
	w.dist, w.pred, w.mark = make([]model.Costs, w.vertices), make([]int32, w.vertices), make([]int32, w.vertices)
	return w
}

func (w *network) node(n int32) int32 { return int32(len(w.tasks)) + n }

func (w *network) nowhere() int32 { return w.node(int32(w.NodeCount)) }

func (w *network) sink() int32 { return w.nowhere() + 1 }

// addArc adds an arc and its reverse.
func (w *network) addArc(from, to int32, kind arcKind, task, at int32) {
	w.arcs = append(w.arcs, arc{from, to, kind, task, at}, arc{to, from, kind + reverse, task, at})
}

// addTask adds the arcs of a task, which is a vertex, and its zones.
func (w *network) addTask(vertex int32) {
	t := w.tasks[vertex]
	where := w.Tasks[t].Eligible
	w.addArc(vertex, w.nowhere(), nowhereArc, int32(t), 0)
	firstVertex, firstZone := w.vertices, int32(len(w.zoned))
	w.vertices += int32(where.Zones)
	w.zoned = append(w.zoned, make([]int64, where.Zones)...)
	for z := range int32(where.Zones) {
		w.addArc(vertex, firstVertex+z, zoneArc, int32(t), firstZone+z)
	}
	for n := range w.Nodes {
		if where.Zones > 0 && w.Nodes[n].Gone && where.Zone[n] >= 0 {
			w.zoned[firstZone+where.Zone[n]] += int64(w.Share[t*w.NodeCount+n])
		}
	}
	for _, tier := range where.Tiers {
		for _, n := range tier.Nodes {
			from := vertex
			if where.Zones > 0 {
				from = firstVertex + where.Zone[n]
				w.zoned[firstZone+where.Zone[n]] += int64(w.Share[t*w.NodeCount+int(n)])
			}
			w.addArc(from, w.node(n), cellArc, int32(t), n)
		}
	}
}

// arcCost returns the cost of one slot along the arc, and whether one can take it.
func (w *network) arcCost(a *arc) (c model.Costs, ok bool) {
	switch a.kind {
	case cellArc:
		return w.cellCost(int(a.task), a.at, 1)
	case cellArc + reverse:
		return w.cellCost(int(a.task), a.at, -1)
	case zoneArc:
		c[model.CostZones] = 2*w.zoned[a.at] + 1
		return c, true
	case zoneArc + reverse:
		c[model.CostZones] = 1 - 2*w.zoned[a.at]
		return c, w.zoned[a.at] > 0
	case nodeArc:
		return w.nodeCost(a.at, 1)
	case nodeArc + reverse:
		return w.nodeCost(a.at, -1)
	case nowhereArc:
		c[model.CostUnplaced] = 1
		return c, true
	case nowhereArc + reverse:
		c[model.CostUnplaced] = -1
		return c, w.Unplaced[a.task] > 0
	}
	return c, true
}

// cellCost returns the cost of one more slot of a task on a node, or of one less.
func (w *network) cellCost(t int, n int32, by int64) (c model.Costs, ok bool) {
	cell := t*w.NodeCount + int(n)
	slots, current := int64(w.Share[cell]), int64(w.Current[cell])
	switch {
	case by < 0 && slots == 0:
		return c, false
	case by > 0:
		if most := w.Tasks[t].MaxPerNode; most > 0 && slots >= most {
			return c, false
		}
		if w.Nodes[n].Closed && slots >= current {
			return c, false
		}
	}
	c[model.CostPenalty] = by * int64(w.Penalty(t, n))
	c[model.CostNodes] = w.SpreadCost(cell, slots+by, 0) - w.SpreadCost(cell, slots, 0)
	c[model.CostMoves] = max(current-slots-by, 0) - max(current-slots, 0)
	return c, true
}

// nodeCost returns the cost of one more slot on a node, or of one less.
func (w *network) nodeCost(n int32, by int64) (c model.Costs, ok bool) {
	load, next := w.Load[n], w.Load[n]+by*w.slotCost
	if next < 0 || by > 0 && next > w.Nodes[n].Capacity {
		return c, false
	}
	c[model.CostBalance] = w.BalanceCost(n, next, w.equalCosts) - w.BalanceCost(n, load, w.equalCosts)
	if w.Nodes[n].Spared {
		c[model.CostSpared] = by
	}
	return c, true
}

// negativeCycle looks for a cycle of negative cost by the Bellman-Ford method, with a look for cycles among the predecessors
// after each round. It returns the arcs of the cycle, nil if there is none or the budget is spent.
func (w *network) negativeCycle(budget *int) []int32 {
	clear(w.dist)
	for v := range w.pred {
		w.pred[v] = -1
	}
	for range w.vertices {
		changed := false
		for i := range w.arcs {
			a := &w.arcs[i]
			c, ok := w.arcCost(a)
			if !ok {
				continue
			}
			c = c.Plus(w.dist[a.from])
			if c.Less(&w.dist[a.to]) {
				w.dist[a.to], w.pred[a.to], changed = c, int32(i), true
			}
		}
		w.Effort += len(w.arcs)
		*budget -= len(w.arcs)
		if !changed || *budget < 0 {
			return nil
		}
		if cycle := w.predecessorCycle(); cycle != nil {
			return cycle
		}
	}
	return nil
}

// predecessorCycle returns the arcs of a cycle among the predecessors, nil if there is none.
func (w *network) predecessorCycle() []int32 {
	clear(w.mark)
	for v := range w.vertices {
		for u := v; w.mark[u] == 0; u = w.arcs[w.pred[u]].from {
			w.mark[u] = v + 1
			if w.pred[u] < 0 {
				break
			}
			if p := w.arcs[w.pred[u]].from; w.mark[p] == v+1 {
				return w.cycleThrough(p)
			}
		}
	}
	return nil
}

// cycleThrough returns the arcs of the cycle that a vertex lies on.
func (w *network) cycleThrough(v int32) (cycle []int32) {
	for u := v; ; {
		cycle = append(cycle, w.pred[u])
		u = w.arcs[w.pred[u]].from
		if u == v {
			return cycle
		}
	}
}

// push sends one slot along a cycle.
func (w *network) push(cycle []int32) {
	for _, i := range cycle {
		a := &w.arcs[i]
		by, kind := int64(1), a.kind
		if kind >= reverse {
			by, kind = -1, kind-reverse
		}
		switch kind {
		case cellArc:
			w.Share[int(a.task)*w.NodeCount+int(a.at)] += int32(by)
		case zoneArc:
			w.zoned[a.at] += by
		case nodeArc:
			w.Load[a.at] += by * w.slotCost
		case nowhereArc:
			w.Unplaced[a.task] += by
		}
	}
}
