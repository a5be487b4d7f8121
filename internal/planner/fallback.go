package planner

import "gitee.com/ken.yang/xconsumer/cluster"

// Fallback makes a plan that is good enough to go on with if Make fails: a slot stays on a node that may have it, and
// each free slot goes to the least loaded node that fits. Apart from Fits, it shares no code with Make.
func Fallback(in Input) Plan {
	plan := Plan{Target: make([][]int32, len(in.Tasks)), Unplaced: make([]cluster.Reason, len(in.Tasks))}
	load := make([]int, len(in.Nodes))
	for t := range in.Tasks {
		task := &in.Tasks[t]
		plan.Target[t] = append([]int32{}, task.Current...)
		for i, n := range task.Current {
			switch {
			case n == Nobody:
			case task.Fixed || in.Nodes[n].Gone || Fits(&in.Nodes[n], task.Spec).Code == "":
				load[n] += task.Spec.Cost()
			default:
				plan.Target[t][i] = Nobody
				plan.Moves = append(plan.Moves, Move{Task: t, Slot: i, From: n, To: Nobody, Reason: Fits(&in.Nodes[n], task.Spec)})
			}
		}
	}
	for t := range in.Tasks {
		if in.Tasks[t].Fixed {
			continue
		}
		placeFree(in, t, plan.Target[t], load)
		for i, n := range plan.Target[t] {
			if n == Nobody && (in.Tasks[t].Withheld == nil || !in.Tasks[t].Withheld[i]) {
				plan.Unplaced[t] = cluster.Reason{Code: cluster.WhyNoNode}
			}
		}
	}
	for i := range plan.Moves {
		m := &plan.Moves[i]
		m.To = plan.Target[m.Task][m.Slot]
	}
	return plan
}

// placeFree gives each free slot of a task to the least loaded node that fits.
func placeFree(in Input, t int, target []int32, load []int) {
	task, count := &in.Tasks[t], make([]int, len(in.Nodes))
	for _, n := range target {
		if n != Nobody {
			count[n]++
		}
	}
	for i := range target {
		if target[i] != Nobody || task.Withheld != nil && task.Withheld[i] {
			continue
		}
		best := Nobody
		for n := range in.Nodes {
			node := &in.Nodes[n]
			full := node.Capacity > 0 && load[n]+task.Spec.Cost() > node.Capacity ||
				task.Spec.MaxPerNode > 0 && count[n] >= task.Spec.MaxPerNode
			if node.Gone || node.Cordoned || node.Draining || full || Fits(node, task.Spec).Code != "" {
				continue
			}
			if best == Nobody || load[n] < load[best] {
				best = int32(n)
			}
		}
		if best != Nobody {
			target[i] = best
			load[best] += task.Spec.Cost()
			count[best]++
		}
	}
}
