package placement

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
)

// goOn gives the planner the plan that is being carried out. In it, slots whose node no longer exists have no place.
func (p *Placement) goOn(plan round.Toward, byName map[string]int32) {
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
	for t, name := range p.Tasks {
		places, known := plan.Places[name]
		if known && !same {
			places = slices.Clone(places)
			for i, n := range places {
				if n != planner.Nobody {
					places[i] = now[n]
				}
			}
		}
		p.In.Tasks[t].InProgress = places
	}
}

// Toward returns the plan until it is carried out. Runs are not part of it: they are placed in addition each time, and no slot moves for
// their balance.
func (p *Placement) Toward() round.Toward {
	if !p.underWay() {
		return round.Toward{}
	}
	plan := round.Toward{Nodes: make([]string, len(p.In.Nodes)), Places: make(map[string][]int32, len(p.Tasks))}
	for n := range p.In.Nodes {
		if !p.In.Nodes[n].Gone {
			plan.Nodes[n] = p.In.Nodes[n].Name
		}
	}
	for t, name := range p.Tasks {
		if !round.IsRun(name) {
			plan.Places[name] = p.kept(t)
		}
	}
	return plan
}

// kept returns a task's row of the target. If that is the row of the present owners, whose memory the next plan uses, it is a copy.
func (p *Placement) kept(t int) []int32 {
	row, current := p.Target.Target[t], p.In.Tasks[t].Current
	if len(row) > 0 && len(current) > 0 && &row[0] == &current[0] {
		return slices.Clone(row)
	}
	return row
}

// underWay reports whether a slot is not yet where the plan has it.
func (p *Placement) underWay() bool {
	for t, name := range p.Tasks {
		if !round.IsRun(name) && !slices.Equal(p.In.Tasks[t].Current, p.Target.Target[t]) {
			return true
		}
	}
	return false
}
