package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// explain fills in where a task's moved slots go and why they leave, and why some have no place.
func (m *matrix) explain(t int, target []int32, plan *Plan, moves []Move) {
	if m.short[t] > 0 {
		plan.Unplaced[t] = m.whyUnplaced(t)
	}
	for i := range moves {
		move := &moves[i]
		move.To = target[move.Slot]
		move.Why = m.whyMoved(t, move.From, move.To)
	}
}

// whyMoved says why a node does not keep a slot.
func (m *matrix) whyMoved(t int, from, to int32) cluster.Reason {
	node, spec, c := &m.in.Nodes[from], m.in.Tasks[t].Spec, m.of[t]
	if c.rank[from] < 0 {
		return Fits(node, spec)
	}
	why := cluster.Reason{Node: node.Name}
	have := int(m.have[t*m.nodes+int(from)])
	switch {
	case node.Draining:
		why.Code = cluster.WhyDraining
	case spec.MaxPerNode > 0 && have > spec.MaxPerNode:
		why.Code, why.Detail = cluster.WhyPerNode, strconv.Itoa(spec.MaxPerNode)
	case m.in.Nodes[from].Capacity > 0 && m.has(from) > m.limit[from]:
		why.Code = cluster.WhyFull
	case to >= 0 && c.rank[from] >= penaltyLeader && c.rank[to] < penaltyLeader:
		why.Code = cluster.WhyLeaderFree
	case to >= 0 && c.rank[to] < c.rank[from]:
		why.Code = cluster.WhyPreferred
	case int64(have) > m.ceiling(t, from):
		why.Code = cluster.WhySpread
	default:
		why.Code = cluster.WhyBalance
	}
	return why
}

// ceiling is the most that spreading the task lets a node have.
func (m *matrix) ceiling(t int, n int32) int64 {
	cell := t*m.nodes + int(n)
	most := int64(m.floor(cell))
	if m.flags[cell]&mayHaveOdd != 0 {
		most++
	}
	return most
}

// has is the weight of what a node has now.
func (m *matrix) has(n int32) (load int64) {
	for t := range m.in.Tasks {
		load += int64(m.have[t*m.nodes+int(n)]) * m.cost(t)
	}
	return load
}

// whyUnplaced says what keeps the task's slots from every node: the last hurdle that some node
// failed at.
func (m *matrix) whyUnplaced(t int) cluster.Reason {
	spec := m.in.Tasks[t].Spec
	if !slices.ContainsFunc(m.in.Nodes, func(n Node) bool { return !n.Gone }) {
		return cluster.Reason{Code: cluster.WhyNoNode}
	}
	var unmet []string
	registered, fit, open, spare := false, false, false, false
	free, capacity := int64(0), int64(0) // of the nodes that could have one more but for their room
	for n := range m.in.Nodes {
		node := &m.in.Nodes[n]
		if node.Gone {
			continue
		}
		switch why := Fits(node, spec); why.Code {
		case cluster.WhyNoWork:
			continue
		case cluster.WhyNoLabel:
			registered = true
			if terms := spec.Require.Unmet(node.Labels); unmet == nil || len(terms) < len(unmet) {
				unmet = terms
			}
			continue
		}
		fit = true
		if node.Cordoned || node.Draining {
			continue
		}
		open = true
		if spec.MaxPerNode == 0 || m.share[t*m.nodes+n] < int32(spec.MaxPerNode) {
			spare = true
			free, capacity = free+max(m.limit[n]-m.load[n], 0), capacity+m.limit[n]
		}
	}
	switch {
	case !registered && !fit:
		return cluster.Reason{Code: cluster.WhyNoWork}
	case !fit:
		return cluster.Reason{Code: cluster.WhyNoLabel, Detail: joined(unmet)}
	case !open:
		return cluster.Reason{Code: cluster.WhyCordoned}
	case spare:
		return cluster.Reason{Code: cluster.WhyFull, Detail: whyFull(m.cost(t), free, capacity)}
	}
	return cluster.Reason{Code: cluster.WhyPerNode, Detail: strconv.Itoa(spec.MaxPerNode)}
}

// whyFull says what is free where a worker of a weight has no place; "" if nothing is.
func whyFull(weight, free, capacity int64) string {
	switch {
	case free == 0:
		return ""
	case free < weight:
		return fmt.Sprintf("the nodes that could run it have room for %d of %d left, and it weighs %d", free, capacity, weight)
	}
	return fmt.Sprintf("no node has room for %d in one piece; %d of %d are free in pieces", weight, free, capacity)
}

func joined(terms []string) string {
	slices.Sort(terms)
	return strings.Join(slices.Compact(terms), ", ")
}
