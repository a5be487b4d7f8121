package placement

import (
	"encoding/binary"
	"slices"

	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
)

// goOn gives the planner the plan that is being carried out. In it, slots whose node no longer exists have no place.
func (p *Placement) goOn(plan round.Toward, byName map[string]int32) {
	if plan.Shares == nil {
		return
	}
	now := make([]int32, len(plan.Nodes)) // by node of that plan: the node of this one
	for i, name := range plan.Nodes {
		n, there := byName[name]
		if !there {
			n = planner.Nobody
		}
		now[i] = n
	}
	for t, name := range p.Tasks {
		shares, known := plan.Shares[name]
		if !known {
			continue
		}
		row := p.Space.Counts(len(p.Nodes))
		for i := 0; len(shares) > 0; i++ {
			share, size := binary.Uvarint(shares)
			shares = shares[size:]
			if now[i] != planner.Nobody {
				row[now[i]] = int32(share)
			}
		}
		p.In.Tasks[t].InProgress = row
	}
}

// Toward returns the plan until it is carried out. Runs are not part of it: they are placed in addition each time, and no slot moves for
// their balance.
func (p *Placement) Toward() round.Toward {
	if !p.underWay() {
		return round.Toward{}
	}
	plan := round.Toward{Nodes: make([]string, len(p.In.Nodes)), Shares: make(map[string][]byte, len(p.Tasks))}
	for n := range p.In.Nodes {
		if !p.In.Nodes[n].Gone {
			plan.Nodes[n] = p.In.Nodes[n].Name
		}
	}
	for t, name := range p.Tasks {
		if round.IsRun(name) {
			continue
		}
		counts, shares := p.countByNode(t), make([]byte, 0, len(p.Nodes))
		for _, n := range counts {
			shares = binary.AppendUvarint(shares, uint64(n))
		}
		plan.Shares[name] = shares
	}
	return plan
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
