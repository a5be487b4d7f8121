package planner_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// withFixed draws a small world in which some tasks are fixed, and some slots are not to be placed.
func withFixed(r *rand.Rand) planner.Input {
	in := anything(r)
	for t := range in.Tasks {
		task := &in.Tasks[t]
		task.Fixed = r.IntN(10) == 0
		if task.Fixed || r.IntN(8) > 0 {
			continue
		}
		task.Withheld = make([]bool, len(task.Current))
		for i := range task.Withheld {
			task.Withheld[i] = r.IntN(2) == 0
			if task.Withheld[i] {
				task.Current[i] = planner.Nobody
			}
		}
	}
	return in
}

// crammed draws a small world whose nodes are as full as they can be, and whose slots are not where they should be, as
// after a change of labels, weights or drains.
func crammed(r *rand.Rand) planner.Input {
	in := planner.Input{Leader: []cluster.LeaderPolicy{cluster.LeaderLast, cluster.LeaderEqual, cluster.LeaderNone}[r.IntN(3)]}
	nodes, weighted := 2+r.IntN(4), r.IntN(3) == 0
	for t := range 2 + r.IntN(4) {
		spec := cluster.TaskSpec{Name: fmt.Sprintf("t%d", t), WorkName: "w", Weight: 1 + r.IntN(7)}
		constrain(&spec, r, 6)
		spec.Require = ""
		in.Tasks = append(in.Tasks, planner.Task{Spec: spec})
	}
	for n := range nodes {
		node := limited(node(fmt.Sprintf("n%d", n), "w"), 4+r.IntN(20))
		node.Leader, node.Labels = n == 0, cluster.Labels{"zone": fmt.Sprint(r.IntN(3))}
		if r.IntN(2) == 0 {
			node.Labels["gpu"] = "true"
		}
		if weighted {
			node.Weight = 1 + r.IntN(3)
		}
		if n > 0 {
			node.Cordoned, node.Draining = r.IntN(15) == 0, r.IntN(15) == 0
		}
		for left, tries := node.Capacity-r.IntN(2)*r.IntN(2), 0; left > 0 && tries < 50; tries++ {
			task := &in.Tasks[r.IntN(len(in.Tasks))]
			if task.Spec.Cost() > left {
				continue
			}
			owner := int32(n)
			if r.IntN(20) == 0 {
				owner = planner.Nobody
			}
			left -= task.Spec.Cost()
			task.Spec.WorkerNum++
			task.Current = append(task.Current, owner)
		}
		in.Nodes = append(in.Nodes, node)
	}
	return in
}

// inTurns carries plans out as a leader does that may set so many slots in motion at a time, 0 for all of them: a slot that is to move is
// free first, and one that is free is confirmed stopped a while later. It returns how many slots were set in motion until none was, and
// whether that ended.
func inTurns(in planner.Input, budget int, r *rand.Rand) (moves int, ended bool) {
	slots, token := 0, int64(1000)
	in.Tasks = slices.Clone(in.Tasks)
	for t := range in.Tasks {
		task := &in.Tasks[t]
		task.Current, task.Token = slices.Clone(task.Current), make([]int64, len(task.Current))
		slots += len(task.Current)
	}
	for moves <= 4*slots {
		plan := planner.Make(in)
		moving := 0
		for t := range in.Tasks {
			task := &in.Tasks[t]
			task.InProgress = countsOf(in, plan.Target[t])
			for i, to := range plan.Target[t] {
				if to == planner.Nobody || task.Current[i] != planner.Nobody {
					continue
				}
				moving++
				if r.IntN(3) > 0 {
					token++
					task.Current[i], task.Token[i] = to, token
				}
			}
		}
		for _, m := range plan.Moves {
			if budget == 0 || moving < budget || m.To == planner.Nobody {
				in.Tasks[m.Task].Current[m.Slot] = planner.Nobody
				moves++
				moving++
			}
		}
		if moving == 0 {
			return moves, true
		}
	}
	return moves, false
}

// Plans come to an end however few slots may be in motion at a time. If nodes are full, slots change places, and the
// placements on the way are worse than the first one. REST_WORLDS=20000 tries as many small ones of each kind.
func TestPlansCarriedOutInTurnsEnd(t *testing.T) {
	small, mid := 1000, 30
	if n, err := strconv.Atoi(os.Getenv("REST_WORLDS")); err == nil {
		small, mid = n, n/20
	}
	kinds := []struct {
		name   string
		worlds int
		draw   func(i int) planner.Input
	}{
		{"small", small, func(i int) planner.Input { return withFixed(rand.New(rand.NewPCG(34, uint64(i)))) }},
		{"crammed", small, func(i int) planner.Input { return crammed(rand.New(rand.NewPCG(36, uint64(i)))) }},
		{"filled to 95%", mid, func(i int) planner.Input { return medium(rand.New(rand.NewPCG(95, uint64(i))), 95, i%2 == 0) }},
		{"filled to 100%", mid, func(i int) planner.Input { return medium(rand.New(rand.NewPCG(100, uint64(i))), 100, i%2 == 0) }},
	}
	for _, kind := range kinds {
		restless := 0
		for i := range kind.worlds {
			for budget := range 4 {
				if n, ended := inTurns(kind.draw(i), budget, rand.New(rand.NewPCG(35, uint64(budget)))); !ended {
					restless++
					if restless <= 3 {
						t.Errorf("world %d, %s, with %d in motion at a time: after %d moves it has not ended", i, kind.name, budget, n)
					}
				}
			}
		}
		if restless > 0 {
			t.Errorf("%d of %d worlds, %s, have not ended", restless, 4*kind.worlds, kind.name)
		}
	}
}

// countsOf counts the slots of a task by node.
func countsOf(in planner.Input, target []int32) []int32 {
	count := make([]int32, len(in.Nodes))
	for _, n := range target {
		if n != planner.Nobody {
			count[n]++
		}
	}
	return count
}
