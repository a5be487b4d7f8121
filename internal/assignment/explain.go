package assignment

import (
	"fmt"
	"strconv"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Explain says why a slot is where it is, and why it is not elsewhere. The worker and the history are left
// to the caller.
func Explain(s *view.Snapshot, slot cluster.Slot) (cluster.Explanation, error) {
	p := present(s)
	t, known := p.rank[slot.Task]
	if !known || slot.Index < 0 || slot.Index >= p.specs[slot.Task].WorkerNum {
		return cluster.Explanation{}, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	now, target := p.now(slot), p.targetNode(slot)
	out := cluster.Explanation{Nodes: []cluster.Candidate{}, History: []cluster.Decision{}}
	moved := p.reasons()
	resizing := p.barriers[slot.Task]
	switch {
	case resizing != nil && !resizing.over() && p.out.Unplaced[slot.Task].Code == cluster.WhyResizing:
		out.Here = "the count of " + slot.Task + " changes, and " + p.out.Unplaced[slot.Task].String()
	case p.lost(slot).Code != "":
		out.Here = fmt.Sprintf("%s on %s (%s); %s", slot, now, cluster.WorkerLost, p.lost(slot))
	case now == "" && target == "":
		if out.Here = p.out.Unplaced[slot.Task].String(); out.Here == "" {
			out.Here = "it has no place"
		}
	case now == "":
		out.Here = "it is about to be granted to " + target
	case target == "":
		out.Here = "it has to leave " + now + ": " + moved(slot, now).String()
	case now != target:
		out.Here = "it is about to move to " + target + ": " + moved(slot, now).String()
	default:
		out.Here = now + " may run it, and the plan keeps it there: spread and balance are as good as they can be, and nothing moves without need"
	}
	r := p.room(t)
	for n := range p.in.Nodes {
		node := &p.in.Nodes[n]
		if node.Gone {
			continue
		}
		c := cluster.Candidate{Node: node.Name, Here: node.Name == now, Load: r.load[n], Of: r.of[n], Fits: true, Why: "it is here"}
		if !c.Here {
			c.Fits, c.Why = r.hindrance(int32(n)).Code == "", r.whyNot(int32(n)).String()
		}
		out.Nodes = append(out.Nodes, c)
	}
	return out, nil
}

// lost returns why a slot stays with a member that is lost, the zero value if it does not.
func (p preview) lost(slot cluster.Slot) cluster.Reason {
	for guid, why := range p.waiting {
		if schema.Find(p.Snapshot.Peers[guid].Doc.Rec.Slots, slot) != nil {
			return why
		}
	}
	return cluster.Reason{}
}

// room is what nodes are to have by the plan, and how much of it is of one task.
type room struct {
	preview
	spec cluster.TaskSpec
	load []int // by node: weights
	of   []int // by node: slots of the task
}

func (p preview) room(task int) room {
	r := room{p, p.in.Tasks[task].Spec, make([]int, len(p.in.Nodes)), make([]int, len(p.in.Nodes))}
	for t, target := range p.target.Target {
		cost := p.in.Tasks[t].Spec.Cost()
		for _, n := range target {
			if n == planner.Nobody {
				continue
			}
			if r.load[n] += cost; t == task {
				r.of[n]++
			}
		}
	}
	return r
}

// hindrance says what keeps another slot of the task from a node, the zero value if nothing does.
func (r room) hindrance(n int32) cluster.Reason {
	node := &r.in.Nodes[n]
	if why := planner.Fits(node, r.spec); why.Code != "" {
		return why
	}
	switch {
	case r.spec.Paused:
		return cluster.Reason{Code: cluster.WhyPaused}
	case node.Draining:
		return cluster.Reason{Code: cluster.WhyDraining, Node: node.Name}
	case node.Cordoned:
		return cluster.Reason{Code: cluster.WhyCordoned, Node: node.Name}
	case r.spec.MaxPerNode > 0 && r.of[n] >= r.spec.MaxPerNode:
		return cluster.Reason{Code: cluster.WhyPerNode, Node: node.Name, Detail: strconv.Itoa(r.spec.MaxPerNode)}
	case node.Capacity > 0 && r.load[n]+r.spec.Cost() > node.Capacity:
		free := max(node.Capacity-r.load[n], 0)
		return cluster.Reason{Code: cluster.WhyFull, Node: node.Name, Detail: fmt.Sprintf("has %d of %d free, and it weighs %d", free, node.Capacity, r.spec.Cost())}
	}
	return cluster.Reason{}
}

// whyNot says why a slot of the task is not on a node.
func (r room) whyNot(n int32) cluster.Reason {
	if why := r.hindrance(n); why.Code != "" {
		return why
	}
	return cluster.Reason{Detail: fmt.Sprintf("it could run there, but %s has %d of the task and a load of %d, and nothing would be more even", r.in.Nodes[n].Name, r.of[n], r.load[n])}
}
