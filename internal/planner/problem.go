package planner

import (
	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner/model"
)

// newProblem states the input as a problem in numbers.
func newProblem(in Input) *model.Problem {
	nodes := len(in.Nodes)
	space := in.Space.matrices()
	p := &model.Problem{Current: space.Numbers(nodes * len(in.Tasks)), Space: space}
	p.Nodes, p.Tasks = space.Lists(nodes, len(in.Tasks))
	for n := range in.Nodes {
		node := &in.Nodes[n]
		p.Nodes[n] = model.Node{
			Weight:   int64(max(node.Weight, 1)),
			Capacity: model.Unlimited,
			Closed:   node.Cordoned || node.Draining,
			Gone:     node.Gone,
			Spared:   node.Leader && in.Leader == cluster.LeaderLast,
		}
		if node.Capacity > 0 {
			p.Nodes[n].Capacity = int64(node.Capacity)
		}
	}
	for t, eligible := range eligibilities(in) {
		task := &in.Tasks[t]
		p.Tasks[t] = model.Task{
			Cost:       int64(task.Spec.Cost()),
			Slots:      int64(len(task.Current)),
			MaxPerNode: int64(task.Spec.MaxPerNode),
			Fixed:      task.Fixed,
			Eligible:   eligible,
		}
		for _, withheld := range task.Withheld {
			if withheld {
				p.Tasks[t].Slots--
			}
		}
		countSlots(p.Current[t*nodes:(t+1)*nodes], task.Current)
	}
	p.InProgress = inProgress(in, p.Current)
	return p
}

// inProgress counts the slots of the plan that is being carried out, by cell. It returns nil if there is none.
func inProgress(in Input, current []int32) (cells []int32) {
	for t := range in.Tasks {
		task := &in.Tasks[t]
		if task.InProgress == nil || task.Fixed {
			continue
		}
		if cells == nil {
			cells = in.Space.matrices().Numbers(len(current))
			copy(cells, current)
		}
		copy(cells[t*len(in.Nodes):(t+1)*len(in.Nodes)], task.InProgress)
	}
	return cells
}

// countSlots counts slots by their nodes.
func countSlots(count, nodes []int32) {
	for _, n := range nodes {
		if n != Nobody {
			count[n]++
		}
	}
}
