package planner

import (
	"cmp"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// class is where a task may run. Tasks with the same constraints share one.
type class struct {
	tiers []tier // the nodes where its slots should rather be come first
	zone  []int32
	rank  []int32 // by node: penalty of a slot there; -1 where it may not run
	zones int     // 0 where it asks for none
}

// tier is nodes that are equally welcome.
type tier struct {
	pools []pool // one for each zone
	nodes []int32
}

// pool is the nodes of one zone.
type pool struct {
	zone  int32
	nodes []int32
}

// Penalties of a slot where it should rather not be.
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

// constraints is what tells classes apart.
type constraints struct {
	work            string
	require, prefer cluster.Selector
	spread          string
	fixed           bool
}

// classify finds the class of every task.
func classify(in Input) []*class {
	known := map[constraints]*class{}
	of := make([]*class, len(in.Tasks))
	for t := range in.Tasks {
		spec := &in.Tasks[t].Spec
		key := constraints{spec.WorkName, spec.Require, spec.Prefer, spec.Spread, in.Tasks[t].Fixed}
		c := known[key]
		if c == nil {
			c = newClass(in, *spec, key.fixed)
			known[key] = c
		}
		of[t] = c
	}
	return of
}

// newClass finds where a task may run: one that is fixed nowhere else than where it is.
func newClass(in Input, spec cluster.TaskSpec, fixed bool) *class {
	c := &class{zone: make([]int32, len(in.Nodes)), rank: make([]int32, len(in.Nodes))}
	var values []string
	var nodes []int32
	for n := range in.Nodes {
		node := &in.Nodes[n]
		c.rank[n] = -1
		if fixed || node.Gone || Fits(node, spec).Code != "" {
			continue
		}
		c.rank[n] = int32(len(spec.Prefer.Unmet(node.Labels))) * penaltyUnpreferred
		if node.Leader && in.Leader == cluster.LeaderNone {
			c.rank[n] += penaltyLeader
		}
		if node.Draining {
			c.rank[n] += penaltyDraining
		}
		nodes = append(nodes, int32(n))
		if value := node.Labels[spec.Spread]; spec.Spread != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	slices.Sort(values)
	c.zones = len(values)
	if len(values) > 0 {
		for n := range in.Nodes {
			zone, known := slices.BinarySearch(values, in.Nodes[n].Labels[spec.Spread])
			if c.zone[n] = int32(zone); !known {
				c.zone[n] = -1
			}
		}
	}
	slices.SortFunc(nodes, func(a, b int32) int {
		return cmp.Or(cmp.Compare(c.rank[a], c.rank[b]), cmp.Compare(c.zone[a], c.zone[b]), cmp.Compare(a, b))
	})
	for i, n := range nodes {
		if i == 0 || c.rank[n] != c.rank[nodes[i-1]] {
			c.tiers = append(c.tiers, tier{})
		}
		last := &c.tiers[len(c.tiers)-1]
		if len(last.pools) == 0 || last.pools[len(last.pools)-1].zone != c.zone[n] {
			last.pools = append(last.pools, pool{zone: c.zone[n], nodes: nodes[i:i]})
		}
		p := &last.pools[len(last.pools)-1]
		p.nodes = p.nodes[:len(p.nodes)+1]
		last.nodes = append(last.nodes, n)
	}
	return c
}
