package solver

import "slices"

// scale is the number of parts of a cost that target loads are counted in: they are fixed-point numbers.
const scale = 1 << 20

// waterFilling finds the load that each node should have once all remainders are distributed. The nodes of each demand are
// filled up to one level in proportion to their weights, as far as each of them can take remainder slots.
type waterFilling struct {
	*matrix
	demands    []*demand
	maxLoad    []int64 // by node: the most that it may carry
	equalCosts bool    // all remainder slots cost the same
}

// demand is the remainders that share the same nodes.
type demand struct {
	nodes     []int32
	cost      int64   // of all its slots
	limit     []int64 // by position in nodes: the most of it that the node can take
	allotted  []int64 // by position in nodes: the node's part of it, times scale
	component int     // demands with nodes in common, also by way of other demands, have the same number
}

// setTargetLoads finds the target loads. It returns nil if there are no remainders.
func (m *matrix) setTargetLoads() *waterFilling {
	if len(m.remainders) == 0 {
		return nil
	}
	w := &waterFilling{matrix: m, maxLoad: slices.Clone(m.load), equalCosts: true}
	w.collectDemands()
	w.connectComponents()
	m.targetLoad = make([]int64, m.nodes)
	for n := range w.maxLoad {
		w.maxLoad[n] = min(w.maxLoad[n], max(m.Nodes[n].Capacity, m.load[n]))
		m.targetLoad[n] = m.load[n] * scale
	}
	w.fill()
	return w
}

// collectDemands groups the remainders by their nodes.
func (w *waterFilling) collectDemands() {
	type identity struct {
		first *int32
		count int
	}
	known := map[identity]*demand{}
	for i := range w.remainders {
		r := &w.remainders[i]
		cost := w.Tasks[r.task].Cost
		w.equalCosts = w.equalCosts && cost == w.Tasks[w.remainders[0].task].Cost
		w.quantum = max(w.quantum, cost)
		id := identity{&r.nodes[0], len(r.nodes)}
		d := known[id]
		if d == nil {
			d = &demand{nodes: r.nodes, limit: make([]int64, len(r.nodes)), allotted: make([]int64, len(r.nodes))}
			known[id] = d
			w.demands = append(w.demands, d)
		}
		d.cost += r.left * cost
		for k, n := range r.nodes {
			if w.rounded[r.task*w.nodes+int(n)] != 0 {
				d.limit[k] += cost
				w.maxLoad[n] += cost
			}
		}
	}
}

// connectComponents numbers the connected components of the demands, where two demands are connected by a common node.
func (w *waterFilling) connectComponents() {
	of := slices.Repeat([]int{-1}, w.nodes) // by node
	for i, d := range w.demands {
		d.component = i
	}
	for _, d := range w.demands {
		for _, n := range d.nodes {
			if of[n] < 0 {
				of[n] = d.component
			}
			if d.component != of[n] {
				w.mergeComponents(of, d.component, of[n])
			}
		}
	}
}

func (w *waterFilling) mergeComponents(of []int, old, merged int) {
	for _, d := range w.demands {
		if d.component == old {
			d.component = merged
		}
	}
	for n, component := range of {
		if component == old {
			of[n] = merged
		}
	}
}

// fill distributes every demand over its nodes. Demands that share nodes are distributed several times, each time given what
// the others hold: iterative water-filling, which approaches the most even result.
func (w *waterFilling) fill() {
	const iterations = 8
	rounds := 1
	for i, d := range w.demands {
		if d.component != i {
			rounds = iterations
		}
	}
	for range rounds {
		for _, d := range w.demands {
			for k, n := range d.nodes {
				w.targetLoad[n] -= d.allotted[k]
			}
			level := w.level(d)
			for k, n := range d.nodes {
				d.allotted[k] = w.allotmentAt(d, k, level)
				w.targetLoad[n] += d.allotted[k]
			}
		}
	}
}

// allotmentAt returns what a node takes of a demand that is filled up to a level.
func (w *waterFilling) allotmentAt(d *demand, k int, level int64) int64 {
	n := d.nodes[k]
	return max(min(w.Nodes[n].Weight*level-w.targetLoad[n], d.limit[k]*scale, w.maxLoad[n]*scale-w.targetLoad[n]), 0)
}

// level finds the highest level at which the nodes take no more than the demand, by bisection.
func (w *waterFilling) level(d *demand) int64 {
	const coarse = 4 // bits that sums are short of, so that they do not overflow
	sum := func(level int64) (sum int64) {
		for k := range d.nodes {
			sum += w.allotmentAt(d, k, level) >> coarse
		}
		return sum
	}
	total := d.cost * (scale >> coarse)
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

// excess returns what a node with a load carries beyond its target load, times scale. Where all nodes weigh the same, only the
// differences between nodes count, and it is the load itself.
func (m *matrix) excess(n int32, load int64) int64 {
	if m.equalWeights {
		return load * scale
	}
	return load*scale - m.targetLoad[n]
}
