package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// explain fills in the targets of a task's moved slots, the reasons of the moves, and the reasons of
// unplaced slots.
func (a *assigner) explain(t int, target []int32, plan *Plan, moves []Move) {
	if a.solution.Unplaced[t] > 0 {
		plan.Unplaced[t] = a.whyUnplaced(t)
	}
	for i := range moves {
		move := &moves[i]
		move.To = target[move.Slot]
		move.Reason = a.whyMoved(t, move.From, move.To)
	}
}

// whyMoved returns why a node does not keep a slot.
func (a *assigner) whyMoved(t int, from, to int32) cluster.Reason {
	node, spec, penalty := &a.in.Nodes[from], a.in.Tasks[t].Spec, a.problem.Tasks[t].Eligible.Penalty
	if penalty[from] == model.Ineligible {
		return Fits(node, spec)
	}
	why := cluster.Reason{Node: node.Name}
	current := int(a.row(a.problem.Current, t)[from])
	switch {
	case node.Draining:
		why.Code = cluster.WhyDraining
	case spec.MaxPerNode > 0 && current > spec.MaxPerNode:
		why.Code, why.Detail = cluster.WhyPerNode, strconv.Itoa(spec.MaxPerNode)
	case node.Capacity > 0 && a.currentLoad(from) > int64(node.Capacity):
		why.Code = cluster.WhyFull
	case to != Nobody && penalty[from] >= penaltyLeader && penalty[to] < penaltyLeader:
		why.Code = cluster.WhyLeaderFree
	case to != Nobody && penalty[to] < penalty[from]:
		why.Code = cluster.WhyPreferred
	case int64(current) > a.solution.UpperQuota(t, from):
		why.Code = cluster.WhySpread
	default:
		why.Code = cluster.WhyBalance
	}
	return why
}

// currentLoad returns the weights of the slots that a node has now.
func (a *assigner) currentLoad(n int32) (load int64) {
	for t := range a.in.Tasks {
		load += int64(a.row(a.problem.Current, t)[n]) * a.problem.Tasks[t].Cost
	}
	return load
}

// hurdles is how far the nodes get on the way to one more slot of a task.
type hurdles struct {
	registered bool     // a node has the work
	eligible   bool     // and the labels
	open       bool     // and is neither cordoned nor draining
	below      bool     // and has fewer slots of the task than a node may have
	unmet      []string // the fewest labels that a node with the work lacks

	free, capacity int64 // of the nodes that fail at nothing but their capacity
}

// whyUnplaced returns what keeps the task's slots from every node: the last hurdle at which a node
// fails.
func (a *assigner) whyUnplaced(t int) cluster.Reason {
	if !slices.ContainsFunc(a.in.Nodes, func(n Node) bool { return !n.Gone }) {
		return cluster.Reason{Code: cluster.WhyNoNode}
	}
	var h hurdles
	for n := range a.in.Nodes {
		if !a.in.Nodes[n].Gone {
			a.try(t, n, &h)
		}
	}
	switch {
	case !h.registered:
		return cluster.Reason{Code: cluster.WhyNoWork}
	case !h.eligible:
		return cluster.Reason{Code: cluster.WhyNoLabel, Detail: joined(h.unmet)}
	case !h.open:
		return cluster.Reason{Code: cluster.WhyCordoned}
	case h.below:
		return cluster.Reason{Code: cluster.WhyFull, Detail: whyFull(a.problem.Tasks[t].Cost, h.free, h.capacity)}
	}
	return cluster.Reason{Code: cluster.WhyPerNode, Detail: strconv.Itoa(a.in.Tasks[t].Spec.MaxPerNode)}
}

// try takes a node over the hurdles, as far as it gets.
func (a *assigner) try(t, n int, h *hurdles) {
	node, spec := &a.in.Nodes[n], a.in.Tasks[t].Spec
	why := Fits(node, spec).Code
	if why == cluster.WhyNoWork {
		return
	}
	h.registered = true
	if why == cluster.WhyNoLabel {
		if terms := spec.Require.Unmet(node.Labels); h.unmet == nil || len(terms) < len(h.unmet) {
			h.unmet = terms
		}
		return
	}
	h.eligible = true
	if node.Cordoned || node.Draining {
		return
	}
	h.open = true
	if spec.MaxPerNode > 0 && a.row(a.solution.Share, t)[n] >= int32(spec.MaxPerNode) {
		return
	}
	h.below = true
	capacity := a.problem.Nodes[n].Capacity
	h.free += max(capacity-a.solution.Load[n], 0)
	h.capacity += capacity
}

// whyFull returns how much capacity is free if a worker of a weight has no node; "" if none is.
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
