package planner

import (
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// Penalties of a slot on a node where it should rather not be.
const (
	penaltyUnpreferred = 1       // for each term of prefer that does not hold
	penaltyLeader      = 1 << 10 // the leader is to have none
	penaltyDraining    = 1 << 20
)

// Fits returns why a node cannot run a task at all, the zero value if it can.
func Fits(node *Node, spec cluster.TaskSpec) cluster.Reason {
	want := cluster.WorkName(spec.WorkName)
	if !slices.ContainsFunc(node.Works, func(w string) bool { return cluster.WorkName(w) == want }) {
		return cluster.Reason{Code: cluster.WhyNoWork, Node: node.Name}
	}
	if unmet := spec.Require.Unmet(node.Labels); len(unmet) > 0 {
		return cluster.Reason{Code: cluster.WhyNoLabel, Node: node.Name, Detail: strings.Join(unmet, ", ")}
	}
	return cluster.Reason{}
}

// constraints are the parts of a task that decide where it may run. Tasks with the same constraints are eligible for
// the same nodes.
type constraints struct {
	work            string
	require, prefer cluster.Selector
	spread          string
	fixed           bool
}

// eligibilities finds out for every task where it may run.
func eligibilities(in Input) []*model.Eligibility {
	known := map[constraints]*model.Eligibility{}
	list := make([]*model.Eligibility, len(in.Tasks))
	for t := range in.Tasks {
		spec := &in.Tasks[t].Spec
		key := constraints{spec.WorkName, spec.Require, spec.Prefer, spec.Spread, in.Tasks[t].Fixed}
		e := known[key]
		if e == nil {
			e = newEligibility(in, *spec, key.fixed)
			known[key] = e
		}
		list[t] = e
	}
	return list
}

// newEligibility finds out where a task may run. A fixed task may run nowhere but where it is.
func newEligibility(in Input, spec cluster.TaskSpec, fixed bool) *model.Eligibility {
	penalty, zone := make([]int32, len(in.Nodes)), make([]int32, len(in.Nodes))
	var zones []string
	for n := range in.Nodes {
		node := &in.Nodes[n]
		penalty[n] = model.Ineligible
		if fixed || node.Gone || Fits(node, spec).Code != "" {
			continue
		}
		penalty[n] = penaltyOn(node, spec, in.Leader)
		if value := node.Labels[spec.Spread]; spec.Spread != "" && !slices.Contains(zones, value) {
			zones = append(zones, value)
		}
	}
	slices.Sort(zones)
	if len(zones) > 0 {
		for n := range in.Nodes {
			z, known := slices.BinarySearch(zones, in.Nodes[n].Labels[spec.Spread])
			if !known {
				z = -1
			}
			zone[n] = int32(z)
		}
	}
	return model.NewEligibility(penalty, zone, len(zones))
}

// penaltyOn returns the penalty of a slot on a node that can run it.
func penaltyOn(node *Node, spec cluster.TaskSpec, policy cluster.LeaderPolicy) int32 {
	penalty := int32(len(spec.Prefer.Unmet(node.Labels))) * penaltyUnpreferred
	if node.Leader && policy == cluster.LeaderNone {
		penalty += penaltyLeader
	}
	if node.Draining {
		penalty += penaltyDraining
	}
	return penalty
}
