package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner"
)

// Toward is the plan that a leader is carrying out. Slots that change places move one after the other where few may be in motion, and
// what is there meanwhile may be worse than before: a plan made from that alone may take back what has just been done, and so on without
// end. So a leader goes on with its plan until it finds a strictly better one. The next leader knows nothing of it, and makes a plan of
// its own.
type Toward struct {
	Nodes []string // their names, "" for those that are gone
	// Places are by task: the node of each slot as an index into Nodes, planner.Nobody for none. It is nil once the plan is
	// carried out.
	Places map[string][]int32
}

// goOn tells the planner which plan is being carried out. It has no place for what a node was to have that is not there any longer.
func (p *placement) goOn(plan Toward, byName map[string]int32) {
	if plan.Places == nil {
		return
	}
	now, same := make([]int32, len(plan.Nodes)), true // by node of that plan: the node of this one
	for i, name := range plan.Nodes {
		n, there := byName[name]
		if !there {
			n = planner.Nobody
		}
		now[i], same = n, same && n == int32(i)
	}
	for t, name := range p.tasks {
		places, known := plan.Places[name]
		if known && !same {
			places = slices.Clone(places)
			for i, n := range places {
				if n != planner.Nobody {
					places[i] = now[n]
				}
			}
		}
		p.in.Tasks[t].InProgress = places
	}
}

// toward returns the plan until it is carried out. Runs have no part in it: they are placed beside the others each time, and
// nobody moves for their balance.
func (p *placement) toward() Toward {
	if !p.underWay() {
		return Toward{}
	}
	plan := Toward{Nodes: make([]string, len(p.in.Nodes)), Places: make(map[string][]int32, len(p.tasks))}
	for n := range p.in.Nodes {
		if !p.in.Nodes[n].Gone {
			plan.Nodes[n] = p.in.Nodes[n].Name
		}
	}
	for t, name := range p.tasks {
		if !isRun(name) {
			plan.Places[name] = p.target.Target[t]
		}
	}
	return plan
}

// underWay reports whether the plan has a slot elsewhere than it is now.
func (p *placement) underWay() bool {
	for t, name := range p.tasks {
		if !isRun(name) && !slices.Equal(p.in.Tasks[t].Current, p.target.Target[t]) {
			return true
		}
	}
	return false
}
