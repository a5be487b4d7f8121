package planner_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// fleet makes nodes and tasks of many weights, whose workers fill so many percent of what the nodes have room for. None of them
// has a place.
func fleet(nodes, tasks, workers, percent int) planner.Input {
	r := rand.New(rand.NewPCG(7, uint64(percent)))
	var in planner.Input
	total := 0
	for t := range tasks {
		spec := cluster.TaskSpec{Name: fmt.Sprintf("t%04d", t), WorkName: "w", WorkerNum: workers / tasks, Weight: 1 + t%7}
		if t%5 == 4 {
			spec.Require = "gpu"
		}
		task := planner.Task{Spec: spec}
		for range spec.WorkerNum {
			task.Current = append(task.Current, planner.Nobody)
		}
		total += spec.WorkerNum * spec.Weight
		in.Tasks = append(in.Tasks, task)
	}
	for n := range nodes {
		capacity := total * 100 / percent / nodes
		node := limited(node(fmt.Sprintf("n%04d", n), "w"), capacity*9/10+r.IntN(max(capacity/5, 1)))
		node.Labels = cluster.Labels{}
		if r.IntN(2) == 0 {
			node.Labels["gpu"] = "true"
		}
		in.Nodes = append(in.Nodes, node)
	}
	return in
}

// without takes the first nodes away, and gives their workers no place.
func without(in planner.Input, first int) planner.Input {
	in.Nodes = in.Nodes[first:]
	in.Tasks = slices.Clone(in.Tasks)
	for t := range in.Tasks {
		owner := slices.Clone(in.Tasks[t].Current)
		for i := range owner {
			owner[i] = max(owner[i]-int32(first), planner.Nobody)
		}
		in.Tasks[t].Current = owner
	}
	return in
}

// alike makes all workers weigh the same, and the nodes as full as before.
func alike(in planner.Input) planner.Input {
	workers, sum := 0, 0
	for t := range in.Tasks {
		spec := &in.Tasks[t].Spec
		workers, sum = workers+spec.WorkerNum, sum+spec.WorkerNum*spec.Weight
		spec.Weight = 1
	}
	for n := range in.Nodes {
		in.Nodes[n].Capacity = in.Nodes[n].Capacity*workers/sum + 1
	}
	return in
}

// outside counts the workers without a place.
func outside(plan planner.Plan) (n int) {
	for _, target := range plan.Target {
		for _, to := range target {
			if to == planner.Nobody {
				n++
			}
		}
	}
	return n
}

// The effort for a plan is bounded, for any number of unplaced slots in the largest clusters of the design, and however
// many kinds of workers they have. It is counted in steps: the time that they take differs from machine to machine.
func TestEffortIsBounded(t *testing.T) {
	const nodes, workers = 1000, 100_000
	for _, tasks := range []int{8, 100, 1000} {
		for _, percent := range []int{98, 110} {
			fresh := fleet(nodes, tasks, workers, percent)
			worlds := map[string]planner.Input{"nothing has a place": fresh, "all weigh the same": alike(fleet(nodes, tasks, workers, percent))}
			if tasks < 1000 && percent < 100 {
				rest := adopt(fresh, planner.Make(fresh))
				worlds["a node is gone"], worlds["a third of the nodes are gone"] = without(rest, 1), without(rest, nodes/3)
			}
			for name, in := range worlds {
				most := 9_000_000 + 12*nodes*tasks // three improvements may each end a round over all cells for which there is no budget
				if effort := planner.Effort(in); effort > most {
					t.Errorf("%d tasks at %d%%, %s: %d steps, want at most %d", tasks, percent, name, effort, most)
				}
			}
		}
	}
}

// Where a fleet is too large for exchanges, and where cycle canceling runs out of budget, every slot that fits on a node
// still has a place.
func TestLargeFleetsAreFilled(t *testing.T) {
	for _, size := range []struct{ nodes, tasks, workers int }{{100, 50, 10_000}, {300, 27, 30_000}, {1000, 100, 100_000}} {
		for _, equal := range []bool{false, true} {
			in := fleet(size.nodes, size.tasks, size.workers, 95)
			if equal {
				in = alike(in)
			}
			plan := planner.Make(in)
			if n := outside(plan); n > 0 {
				t.Errorf("%v, equal %v: %d workers have no place", size, equal, n)
			}
			in = without(adopt(in, plan), 1)
			if n := outside(planner.Make(in)); n > 0 {
				t.Errorf("%v, equal %v: %d workers have no place once a node is gone", size, equal, n)
			}
		}
	}
}

// A node is gone from a fleet at rest: with half of its room in use, with nearly all of it, and with less than its workers need.
func BenchmarkOneNode(b *testing.B) {
	for _, size := range []struct{ nodes, tasks, workers int }{
		{10, 10, 200}, {100, 30, 2_000}, {100, 50, 10_000}, {1000, 100, 100_000}, {1000, 1000, 100_000},
	} {
		for _, percent := range []int{50, 90, 98, 110} {
			b.Run(fmt.Sprintf("%d×%d×%d/%d%%", size.nodes, size.tasks, size.workers, percent), func(b *testing.B) {
				in := fleet(size.nodes, size.tasks, size.workers, percent)
				in = without(adopt(in, planner.Make(in)), 1)
				for b.Loop() {
					planner.Make(in)
				}
			})
		}
	}
}

// The same while the plan is being carried out: half of the node's slots have a place already.
func BenchmarkOnTheWay(b *testing.B) {
	for _, size := range []struct{ nodes, tasks, workers int }{{100, 50, 10_000}, {1000, 100, 100_000}} {
		for _, percent := range []int{50, 98} {
			b.Run(fmt.Sprintf("%d×%d×%d/%d%%", size.nodes, size.tasks, size.workers, percent), func(b *testing.B) {
				in := fleet(size.nodes, size.tasks, size.workers, percent)
				in = without(adopt(in, planner.Make(in)), 1)
				plan := planner.Make(in)
				for t := range in.Tasks {
					task := &in.Tasks[t]
					task.Current, task.InProgress = slices.Clone(task.Current), countsOf(in, plan.Target[t])
					for i, to := range plan.Target[t] {
						if task.Current[i] == planner.Nobody && i%2 == 0 {
							task.Current[i] = to
						}
					}
				}
				for b.Loop() {
					planner.Make(in)
				}
			})
		}
	}
}
