package model

import "slices"

// Scale is the number of parts of a cost that target loads are counted in: they are fixed-point numbers.
const Scale = 1 << 20

// WaterFilling finds the load that each node should have once all remainders are distributed. The nodes of each demand are
// filled up to one level in proportion to their weights, as far as each of them can take remainder slots.
type WaterFilling struct {
	*Matrix
	Demands    []*Demand
	MaxLoad    []int64 // by node: the most that it may carry
	EqualCosts bool    // all remainder slots cost the same
}

// Demand is the remainders that share the same nodes.
type Demand struct {
	Nodes     []int32
	Cost      int64   // of all its slots
	limit     []int64 // by position in nodes: the most of it that the node can take
	allotted  []int64 // by position in nodes: the node's part of it, times scale
	Component int     // demands with nodes in common, also by way of other demands, have the same number
}

// setTargetLoads finds the target loads. It returns nil without remainders.
func (m *Matrix) setTargetLoads() *WaterFilling {
	if len(m.Remainders) == 0 {
		return nil
	}
	w := &WaterFilling{Matrix: m, MaxLoad: slices.Clone(m.Load), EqualCosts: true}
	w.collectDemands()
	w.connectComponents()
	m.TargetLoad = m.Space.Amounts(m.NodeCount)
	for n := range w.MaxLoad {
		w.MaxLoad[n] = min(w.MaxLoad[n], max(m.Nodes[n].Capacity, m.Load[n]))
		m.TargetLoad[n] = m.Load[n] * Scale
	}
	w.fill()
	return w
}

// collectDemands groups the remainders by their nodes.
func (w *WaterFilling) collectDemands() {
	type identity struct {
		first *int32
		count int
	}
	known := map[identity]*Demand{}
	for i := range w.Remainders {
		r := &w.Remainders[i]
		cost := w.Tasks[r.Task].Cost
		w.EqualCosts = w.EqualCosts && cost == w.Tasks[w.Remainders[0].Task].Cost
		w.Quantum = max(w.Quantum, cost)
		id := identity{&r.Nodes[0], len(r.Nodes)}
		d := known[id]
		if d == nil {
			d = &Demand{Nodes: r.Nodes, limit: w.Space.Amounts(len(r.Nodes)), allotted: w.Space.Amounts(len(r.Nodes))}
			known[id] = d
			w.Demands = append(w.Demands, d)
		}
		d.Cost += r.Left * cost
		for k, n := range r.Nodes {
			if w.Rounded[r.Task*w.NodeCount+int(n)] != 0 {
				d.limit[k] += cost
				w.MaxLoad[n] += cost
			}
		}
	}
}

// connectComponents numbers the connected components of the demands, where two demands are connected by a common node.
func (w *WaterFilling) connectComponents() {
	of := slices.Repeat([]int{-1}, w.NodeCount) // by node
	for i, d := range w.Demands {
		d.Component = i
	}
	for _, d := range w.Demands {
		for _, n := range d.Nodes {
			if of[n] < 0 {
				of[n] = d.Component
			}
			if d.Component != of[n] {
				w.mergeComponents(of, d.Component, of[n])
			}
		}
	}
}

func (w *WaterFilling) mergeComponents(of []int, old, merged int) {
	for _, d := range w.Demands {
		if d.Component == old {
			d.Component = merged
		}
	}
	for n, component := range of {
		if component == old {
			of[n] = merged
		}
	}
}

// fill distributes every demand over its nodes. Demands that share nodes are distributed several times, each time on top of
// the others: iterative water-filling, which approaches the most even result.
func (w *WaterFilling) fill() {
	const iterations = 8
	rounds := 1
	for i, d := range w.Demands {
		if d.Component != i {
			rounds = iterations
		}
	}
	for range rounds {
		for _, d := range w.Demands {
			for k, n := range d.Nodes {
				w.TargetLoad[n] -= d.allotted[k]
			}
			level := w.level(d)
			for k, n := range d.Nodes {
				d.allotted[k] = w.allotmentAt(d, k, level)
				w.TargetLoad[n] += d.allotted[k]
			}
		}
	}
}

// allotmentAt returns the part of a demand that a node takes if the demand is filled up to a level.
func (w *WaterFilling) allotmentAt(d *Demand, k int, level int64) int64 {
	n := d.Nodes[k]
	return max(min(w.Nodes[n].Weight*level-w.TargetLoad[n], d.limit[k]*Scale, w.MaxLoad[n]*Scale-w.TargetLoad[n]), 0)
}

// level finds the highest level at which the nodes take no more than the demand, by bisection.
func (w *WaterFilling) level(d *Demand) int64 {
	const coarse = 4 // bits that sums are short of, so that they do not overflow
	sum := func(level int64) (sum int64) {
		for k := range d.Nodes {
			sum += w.allotmentAt(d, k, level) >> coarse
		}
		return sum
	}
	total := d.Cost * (Scale >> coarse)
	low, high := int64(0), int64(1)
	for high < 1<<46 && sum(high) < total {
		low, high = high, high*2
	}
	for low+1 < high {
		if middle := (low + high) / 2; sum(middle) <= total {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

// Excess returns the difference between a load and the target load of the node, times scale. Where all nodes weigh the
// same, only the differences between nodes count, and it is the load itself.
func (m *Matrix) Excess(n int32, load int64) int64 {
	if m.EqualWeights {
		return load * Scale
	}
	return load*Scale - m.TargetLoad[n]
}
