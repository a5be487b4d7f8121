package placement

import (
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
)

// keepFromReturned leaves slots where they are that would move only for comfort to a node that has come back (see members.FindReturns),
// and returns how many wait. The other slots that come to a node in the room that those would have left get other nodes, or stay, too.
// If one of them then has none, the plan stays as it is: a slot that runs nowhere never waits.
func (p *Placement) keepFromReturned(back map[string]time.Duration, avoids map[cluster.Slot]round.Avoid) (kept int) {
	if len(back) == 0 {
		return 0
	}
	returned := make([]bool, len(p.Nodes))
	for n, memberID := range p.Nodes {
		_, returned[n] = back[memberID]
	}
	stays := func(m planner.Move) bool {
		return m.To != planner.Nobody && returned[m.To] && Urgency(m.Reason.Code) >= ForComfort
	}
	if !slices.ContainsFunc(p.Target.Moves, stays) {
		return 0
	}
	full := p.Target
	p.Target.Target = slices.Clone(full.Target)
	for t, target := range full.Target {
		p.Target.Target[t] = slices.Clone(target)
	}
	for _, m := range full.Moves {
		if stays(m) {
			p.Target.Target[m.Task][m.Slot] = m.From
		}
	}
	if !p.makeRoom(avoids) {
		p.Target = full
		return 0
	}
	p.Target.Moves = nil
	for _, m := range full.Moves {
		m.To = p.Target.Target[m.Task][m.Slot]
		switch {
		case m.To != m.From:
			p.Target.Moves = append(p.Target.Moves, m)
		case Urgency(m.Reason.Code) >= ForComfort:
			kept++
		}
	}
	return kept
}

// makeRoom gives slots that come to a node which has no room for them another node, the present one if that has room. It reports whether
// all have one.
func (p *Placement) makeRoom(avoids map[cluster.Slot]round.Avoid) bool {
	load := p.loads()
	for t, name := range p.Tasks {
		spec, current := p.In.Tasks[t].Spec, p.In.Tasks[t].Current
		var counts []int32
		if spec.MaxPerNode > 0 {
			counts = p.countByNode(t)
		}
		for i, n := range p.Target.Target[t] {
			if n == planner.Nobody || n == current[i] {
				continue
			}
			over := p.In.Nodes[n].Capacity > 0 && load[n] > p.In.Nodes[n].Capacity || counts != nil && int(counts[n]) > spec.MaxPerNode
			if !over {
				continue
			}
			load[n] -= spec.Cost()
			p.Target.Target[t][i] = planner.Nobody
			slot := cluster.Slot{Task: name, Index: i}
			to := p.other(slot, t, load, avoids[slot])
			if to == planner.Nobody {
				return false
			}
			p.Target.Target[t][i] = to
			load[to] += spec.Cost()
			if counts != nil {
				counts[n]--
				counts[to]++
			}
		}
	}
	return true
}
