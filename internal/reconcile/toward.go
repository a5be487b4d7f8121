package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner"
)

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
