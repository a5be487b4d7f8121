package planner_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// table is a plan by counts: how many slots of a task each node gets, and in the last column how
// many get no place.
type table [][]int

// judge returns the cost of a table, by the order of the package's documentation; ok is false if
// it breaks a constraint. It is independent of the planner.
func judge(in planner.Input, have, x table) (cost [7]int, ok bool) {
	load := make([]int, len(in.Nodes))
	for t := range x {
		spec := in.Tasks[t].Spec
		zones := map[string]int{}
		for n, node := range in.Nodes {
			count := x[t][n]
			if node.Gone && count != have[t][n] {
				return cost, false
			}
			if count == 0 {
				continue
			}
			if node.Gone {
				load[n] += count * spec.Cost()
				zones[node.Labels[spec.Spread]] += count
				cost[3] += count * count
				continue
			}
			if planner.Fits(&node, spec).Code != "" ||
				spec.MaxPerNode > 0 && count > spec.MaxPerNode ||
				(node.Cordoned || node.Draining) && count > have[t][n] {
				return cost, false
			}
			load[n] += count * spec.Cost()
			if node.Capacity > 0 && load[n] > node.Capacity {
				return cost, false
			}
			penalty := len(spec.Prefer.Unmet(node.Labels))
			if node.Leader && in.Leader == cluster.LeaderNone {
				penalty += 1 << 10
			}
			if node.Draining {
				penalty += 1 << 20
			}
			cost[1] += count * penalty
			zones[node.Labels[spec.Spread]] += count
			cost[3] += count * count
		}
		cost[0] += x[t][len(in.Nodes)]
		if spec.Spread != "" {
			for _, count := range zones {
				cost[2] += count * count
			}
		}
		for n := range in.Nodes {
			cost[5] += max(0, have[t][n]-x[t][n])
		}
	}
	for n, l := range load {
		cost[4] += l * l
		if in.Nodes[n].Leader && in.Leader == cluster.LeaderLast {
			cost[6] += l
		}
	}
	return cost, true
}

// compositions calls f with every way to write count as a sum of parts numbers.
func compositions(count, parts int, f func([]int)) {
	list := make([]int, parts)
	var rec func(at, rest int)
	rec = func(at, rest int) {
		if at == parts-1 {
			list[at] = rest
			f(list)
			return
		}
		for k := 0; k <= rest; k++ {
			list[at] = k
			rec(at+1, rest-k)
		}
	}
	rec(0, count)
}

// best tries every table and returns the least cost, and a table that has it.
func best(in planner.Input, have table) (least [7]int, at table) {
	found := false
	x := make(table, len(in.Tasks))
	var rec func(t int)
	rec = func(t int) {
		if t == len(in.Tasks) {
			if cost, ok := judge(in, have, x); ok && (!found || slices.Compare(cost[:], least[:]) < 0) {
				found, least, at = true, cost, nil
				for _, row := range x {
					at = append(at, slices.Clone(row))
				}
			}
			return
		}
		count := 0
		for i := range in.Tasks[t].Current {
			if in.Tasks[t].Withheld == nil || !in.Tasks[t].Withheld[i] {
				count++
			}
		}
		compositions(count, len(in.Nodes)+1, func(row []int) {
			x[t] = row
			rec(t + 1)
		})
	}
	rec(0)
	return least, at
}

// tabulate counts a plan, or the present owners.
func tabulate(in planner.Input, of func(t int) []int32) table {
	x := make(table, len(in.Tasks))
	for t := range in.Tasks {
		x[t] = make([]int, len(in.Nodes)+1)
		for i, n := range of(t) {
			switch {
			case n >= 0:
				x[t][n]++
			case in.Tasks[t].Withheld == nil || !in.Tasks[t].Withheld[i]:
				x[t][len(in.Nodes)]++
			}
		}
	}
	return x
}

// small draws a small world with every feature except weights.
func small(t *rapid.T) planner.Input {
	policies := []cluster.LeaderPolicy{cluster.LeaderLast, cluster.LeaderEqual, cluster.LeaderNone}
	in := planner.Input{Leader: rapid.SampledFrom(policies).Draw(t, "policy")}
	nodes := rapid.IntRange(1, 4).Draw(t, "nodes")
	lead := rapid.IntRange(0, nodes-1).Draw(t, "leader")
	works := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "tasks")]
	rare := func(label string) bool { return rapid.IntRange(0, 4).Draw(t, label) == 0 }
	for i := range nodes {
		node := planner.Node{Name: fmt.Sprintf("n%d", i), Leader: i == lead, Labels: cluster.Labels{}}
		for _, w := range works {
			if !rare("lacks " + w) {
				node.Works = append(node.Works, w)
			}
		}
		node.Labels["zone"] = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "zone")
		if rapid.Bool().Draw(t, "gpu") {
			node.Labels["gpu"] = "true"
		}
		if rare("limited") {
			node.Capacity = rapid.IntRange(1, 4).Draw(t, "capacity")
		}
		node.Cordoned = rare("cordoned")
		node.Draining = rare("draining")
		node.Gone = i != lead && rare("gone")
		in.Nodes = append(in.Nodes, node)
	}
	most := []int{0, 6, 5, 3}[len(works)]
	for _, w := range works {
		spec := cluster.TaskSpec{Name: w, WorkName: w}
		if rare("requires") {
			spec.Require = "gpu"
		}
		if rare("prefers") {
			spec.Prefer = "gpu=true"
		}
		if rapid.IntRange(0, 2).Draw(t, "spreads") == 0 {
			spec.Spread = "zone"
		}
		if rare("per node") {
			spec.MaxPerNode = rapid.IntRange(1, 3).Draw(t, "maxPerNode")
		}
		owner := rapid.SliceOfN(rapid.Int32Range(planner.Nobody, int32(nodes-1)), 0, most).Draw(t, w)
		spec.WorkerNum = len(owner)
		in.Tasks = append(in.Tasks, planner.Task{Spec: spec, Current: owner})
	}
	return in
}

// No assignment of a small world is better than the plan.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := small(t)
		have := tabulate(in, func(t int) []int32 { return in.Tasks[t].Current })
		plan := planner.Make(in)
		got := tabulate(in, func(t int) []int32 { return plan.Target[t] })
		cost, ok := judge(in, have, got)
		if !ok {
			t.Fatalf("the plan breaks a constraint: %v", got)
		}
		least, at := best(in, have)
		if diff := cmp.Diff(least, cost); diff != "" {
			t.Fatalf("have %v, planned %v, better %v: cost (unplaced, penalty, zones, spread, balance, moves, leader)\n%s", have, got, at, diff)
		}
		for i := range in.Tasks {
			if unplaced := got[i][len(in.Nodes)] > 0; unplaced != (plan.Unplaced[i].Code != "") {
				t.Fatalf("task %d has %d slots without a place, and the reason %q", i, got[i][len(in.Nodes)], plan.Unplaced[i])
			}
		}
		again := adopt(in, plan)
		if n := moves(again, planner.Make(again)); n != 0 {
			t.Fatalf("%d moves in a cluster that is as planned", n)
		}
	})
}
