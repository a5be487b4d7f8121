package planner_test

import (
	"fmt"
	"slices"
	"testing"

	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// carryOut adopts a plan: a slot that comes to a node gets the next token.
func carryOut(in planner.Input, next *int64, moved map[[2]int]int) planner.Input {
	plan := planner.Make(in)
	in.Tasks = slices.Clone(in.Tasks)
	for t := range in.Tasks {
		task := &in.Tasks[t]
		task.Token = slices.Clone(task.Token)
		for i, to := range plan.Target[t] {
			if to != task.Current[i] {
				*next++
				task.Token[i] = *next
				moved[[2]int{t, i}]++
			}
		}
		task.Current = plan.Target[t]
	}
	return in
}

// A rolling restart moves no slot more than twice: away from its node and back. Where the slots of several tasks do not
// divide by the nodes some move more often, and the bounds are the observed numbers.
func TestRollingRestartMovesNothingMoreThanTwice(t *testing.T) {
	for _, c := range []struct{ nodes, tasks, workers, most int }{
		{8, 1, 80, 2}, {10, 1, 100, 2}, {3, 1, 6, 2}, {40, 1, 200, 2}, {10, 5, 20, 2}, {8, 4, 8, 2},
		{5, 1, 7, 2}, {10, 1, 35, 3}, // a node that is back need not get all of its slots again, so some move elsewhere
		{10, 2, 15, 3}, {11, 4, 15, 8}, // counts decide which task gives slots to a node that is back, so they are not always the same slots
	} {
		t.Run(fmt.Sprintf("%d nodes, %d×%d slots", c.nodes, c.tasks, c.workers), func(t *testing.T) {
			var in planner.Input
			for n := range c.nodes {
				in.Nodes = append(in.Nodes, node(fmt.Sprintf("n%02d", n), "w"))
			}
			for k := range c.tasks {
				task := task(fmt.Sprintf("t%d", k), c.workers)
				task.Spec.WorkName = "w"
				task.Token = make([]int64, c.workers)
				in.Tasks = append(in.Tasks, task)
			}
			next := int64(0)
			in = carryOut(in, &next, map[[2]int]int{})
			moved := map[[2]int]int{}
			for k := range int32(c.nodes) {
				all := in.Nodes
				away := planner.Input{Nodes: slices.Delete(slices.Clone(all), int(k), int(k)+1), Tasks: renumbered(in.Tasks, func(n int32) int32 {
					switch {
					case n == k:
						return planner.Nobody
					case n > k:
						return n - 1
					}
					return n
				})}
				away = carryOut(away, &next, moved)
				in = planner.Input{Nodes: all, Tasks: renumbered(away.Tasks, func(n int32) int32 {
					if n >= k {
						return n + 1
					}
					return n
				})}
				in = carryOut(in, &next, moved)
			}
			times, most := map[int]int{}, 0
			for _, n := range moved {
				times[n]++
				most = max(most, n)
			}
			t.Logf("slots by how often they moved: %v", times)
			if most > c.most {
				t.Errorf("a slot moved %d times", most)
			}
		})
	}
}

// renumbered returns tasks with other numbers of their owners.
func renumbered(tasks []planner.Task, number func(int32) int32) []planner.Task {
	tasks = slices.Clone(tasks)
	for t := range tasks {
		tasks[t].Current = slices.Clone(tasks[t].Current)
		for i, n := range tasks[t].Current {
			if n >= 0 {
				tasks[t].Current[i] = number(n)
			}
		}
	}
	return tasks
}
