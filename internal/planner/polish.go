package planner

import "slices"

// The effort that polish spends at most, so that a plan is never late: worlds with more cells are
// left as they are unless slots are without a place, and it stops after so many looks at an exchange.
const (
	polishCells = 1 << 13
	shortCells  = 1 << 20
	polishLooks = 4_000_000
)

// The levels of a plan's cost, the first one outranking the next.
const (
	costUnplaced = iota
	costPenalty
	costZones
	costNodes
	costBalance
	costMoves
	costLeader
	levels
)

type costs [levels]int64

func (c costs) plus(o costs) costs {
	for i := range c {
		c[i] += o[i]
	}
	return c
}

func (c *costs) less(o *costs) bool {
	for i := range c {
		if c[i] != o[i] {
			return c[i] < o[i]
		}
	}
	return false
}

// polish improves the plan by cycles of exchanges. The slots of all tasks that weigh the same
// are one flow: from their task over a zone to a node, or to nowhere, and into one sink. A cycle
// of negative cost in what may still flow is an improvement, and a flow without one is optimal
// (all costs are convex). Tasks of different weights are improved one weight after the other,
// the heaviest first.
func (m *matrix) polish() {
	if cells := len(m.share); m.nodes == 0 || cells > shortCells || cells > polishCells && !m.isShort() {
		return
	}
	m.fixFloors()
	m.improve(polishLooks)
}

// fixFloors notes which part of the shares are whole parts, before shares change that are not odd ones.
func (m *matrix) fixFloors() {
	if m.floors != nil {
		return
	}
	m.floors = slices.Clone(m.share)
	for cell, flags := range m.flags {
		if flags&hasOdd != 0 {
			m.floors[cell]--
		}
	}
}

// improve pushes slots along cycles until there are none that improve the plan, or so many looks are spent.
func (m *matrix) improve(looks int) {
	var weights []int64
	for t := range m.in.Tasks {
		weights = append(weights, m.cost(t))
	}
	slices.Sort(weights)
	weights = slices.Compact(weights)
	slices.Reverse(weights)
	for range 3 {
		better := false
		for _, w := range weights {
			f := newFlow(m, w, len(weights) == 1)
			for looks > 0 {
				cycle := f.negativeCycle(&looks)
				if cycle == nil {
					break
				}
				f.push(cycle)
				better = true
			}
		}
		if len(weights) == 1 || !better {
			return
		}
	}
}

// flow is the slots of the tasks of one weight.
type flow struct {
	*matrix
	unit     int64
	alone    bool // there are no tasks of other weights
	vertices int
	arcs     []arc
	zoned    []int64 // by zone vertex: slots in the zone
	dist     []costs
	pred     []int32 // by vertex: the arc by which it was reached
	mark     []int32
}

// arc is one way in which a slot may flow, forward or taken back.
type arc struct {
	from, to int32
	kind     arcKind
	task     int32 // for arcs of a task
	at       int32 // node, or zone vertex
}

type arcKind uint8

const (
	cellArc arcKind = iota
	zoneArc
	nodeArc
	nowhereArc
	freeArc // from nowhere to the sink
	back    // added to a kind: a slot is taken back
)

func newFlow(m *matrix, unit int64, alone bool) *flow {
	f := &flow{matrix: m, unit: unit, alone: alone}
	var tasks []int
	for t := range m.in.Tasks {
		if m.cost(t) == unit {
			tasks = append(tasks, t)
		}
	}
	node := func(n int32) int32 { return int32(len(tasks)) + n }
	nowhere := node(int32(m.nodes))
	sink := nowhere + 1
	next := sink + 1 // zone vertices follow
	zoneStart := next
	both := func(from, to int32, kind arcKind, task, at int32) {
		f.arcs = append(f.arcs, arc{from, to, kind, task, at}, arc{to, from, kind + back, task, at})
	}
	for i, t := range tasks {
		c := m.of[t]
		both(int32(i), nowhere, nowhereArc, int32(t), 0)
		zones := c.zones
		first := next
		if zones > 0 {
			next += int32(zones)
			f.zoned = append(f.zoned, make([]int64, zones)...)
			for z := range int32(zones) {
				both(int32(i), first+z, zoneArc, int32(t), first+z-zoneStart)
			}
		}
		for n := range m.in.Nodes {
			if zones > 0 && m.in.Nodes[n].Gone && c.zone[n] >= 0 {
				f.zoned[first+c.zone[n]-zoneStart] += int64(m.share[t*m.nodes+n])
			}
		}
		for _, tier := range c.tiers {
			for _, n := range tier.nodes {
				from := int32(i)
				if zones > 0 {
					from = first + c.zone[n]
					f.zoned[from-zoneStart] += int64(m.share[t*m.nodes+int(n)])
				}
				both(from, node(n), cellArc, int32(t), n)
			}
		}
	}
	for n := range int32(m.nodes) {
		if !m.in.Nodes[n].Gone {
			both(node(n), sink, nodeArc, 0, n)
		}
	}
	both(nowhere, sink, freeArc, 0, 0)
	f.vertices = int(next)
	f.dist, f.pred, f.mark = make([]costs, next), make([]int32, next), make([]int32, next)
	return f
}

// cost returns what a slot costs that takes the arc, and whether one may.
func (f *flow) cost(a *arc) (c costs, ok bool) {
	switch a.kind {
	case cellArc:
		return f.cellCost(int(a.task), a.at, 1)
	case cellArc + back:
		return f.cellCost(int(a.task), a.at, -1)
	case zoneArc:
		c[costZones] = 2*f.zoned[a.at] + 1
		return c, true
	case zoneArc + back:
		c[costZones] = 1 - 2*f.zoned[a.at]
		return c, f.zoned[a.at] > 0
	case nodeArc:
		return f.nodeCost(a.at, 1)
	case nodeArc + back:
		return f.nodeCost(a.at, -1)
	case nowhereArc:
		c[costUnplaced] = 1
		return c, true
	case nowhereArc + back:
		c[costUnplaced] = -1
		return c, f.short[a.task] > 0
	}
	return c, true
}

func (f *flow) cellCost(t int, n int32, by int64) (c costs, ok bool) {
	cell := t*f.nodes + int(n)
	x := int64(f.share[cell])
	switch {
	case by < 0 && x == 0:
		return c, false
	case by > 0:
		if per := f.in.Tasks[t].Spec.MaxPerNode; per > 0 && x >= int64(per) {
			return c, false
		}
		if node := &f.in.Nodes[n]; (node.Cordoned || node.Draining) && x >= int64(f.have[cell]) {
			return c, false
		}
	}
	c[costPenalty] = by * int64(f.of[t].rank[n])
	c[costNodes] = f.uneven(cell, x+by, 0) - f.uneven(cell, x, 0)
	have := int64(f.have[cell])
	c[costMoves] = max(have-x-by, 0) - max(have-x, 0)
	return c, true
}

// uneven is what it costs the spread of a task that a node has so many of it. By weights, so many more or fewer than its ideal cost
// nothing.
func (m *matrix) uneven(cell int, x, slack int64) int64 {
	if m.even {
		return x * x
	}
	low := int64(m.floors[cell])
	high := low
	if m.flags[cell]&mayHaveOdd != 0 {
		high++
	}
	out := max(low-x-slack, x-high-slack, 0)
	return out * out
}

func (f *flow) nodeCost(n int32, by int64) (c costs, ok bool) {
	load, next := f.load[n], f.load[n]+by*f.unit
	if next < 0 || by > 0 && next > f.limit[n] {
		return c, false
	}
	c[costBalance] = f.imbalance(n, next) - f.imbalance(n, load)
	if f.leads(n) {
		c[costLeader] = by
	}
	return c, true
}

// imbalance is what a node's load costs. Where all weigh the same the squares add up to least
// when the loads are as equal as they can be; else a load is good enough within one slot of the
// node's ideal.
func (f *flow) imbalance(n int32, load int64) int64 {
	if f.even && f.alone {
		return load * load
	}
	if f.ideal == nil {
		return 0
	}
	const scale = fine >> 8
	out := max(load*fine-f.ideal[n], f.ideal[n]-load*fine) - max(f.matrix.unit, 1)*fine
	if out < 0 {
		return 0
	}
	out = out/scale + 1
	return out * out
}

// negativeCycle looks for an improvement (Bellman and Ford, with a look for cycles among the
// predecessors after each round). It returns the cycle's arcs, nil if there is none.
func (f *flow) negativeCycle(looks *int) []int32 {
	clear(f.dist)
	for v := range f.pred {
		f.pred[v] = -1
	}
	for range f.vertices {
		changed := false
		for i := range f.arcs {
			a := &f.arcs[i]
			c, ok := f.cost(a)
			if !ok {
				continue
			}
			c = c.plus(f.dist[a.from])
			if c.less(&f.dist[a.to]) {
				f.dist[a.to], f.pred[a.to], changed = c, int32(i), true
			}
		}
		f.looked += len(f.arcs)
		if *looks -= len(f.arcs); !changed || *looks < 0 {
			return nil
		}
		if cycle := f.findCycle(); cycle != nil {
			return cycle
		}
	}
	return nil
}

// findCycle returns the arcs of a cycle among the predecessors.
func (f *flow) findCycle() []int32 {
	clear(f.mark)
	for v := range int32(f.vertices) {
		for u := v; f.mark[u] == 0; u = f.arcs[f.pred[u]].from {
			f.mark[u] = v + 1
			if f.pred[u] < 0 {
				break
			}
			if p := f.arcs[f.pred[u]].from; f.mark[p] == v+1 {
				cycle := []int32{}
				for w := p; ; {
					cycle = append(cycle, f.pred[w])
					if w = f.arcs[f.pred[w]].from; w == p {
						return cycle
					}
				}
			}
		}
	}
	return nil
}

// push sends one slot along a cycle.
func (f *flow) push(cycle []int32) {
	for _, i := range cycle {
		a := &f.arcs[i]
		by, kind := int64(1), a.kind
		if kind >= back {
			by, kind = -1, kind-back
		}
		switch kind {
		case cellArc:
			f.share[int(a.task)*f.nodes+int(a.at)] += int32(by)
		case zoneArc:
			f.zoned[a.at] += by
		case nodeArc:
			f.load[a.at] += by * f.unit
		case nowhereArc:
			f.short[a.task] += by
		}
	}
}

// floor is the whole part of a node's ideal share of a task.
func (m *matrix) floor(cell int) int32 {
	switch {
	case m.floors != nil:
		return m.floors[cell]
	case m.flags[cell]&hasOdd != 0:
		return m.share[cell] - 1
	}
	return m.share[cell]
}
