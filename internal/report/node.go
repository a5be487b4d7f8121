package report

import (
	"fmt"
	"maps"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// addMark fills in the cordon, the drain and the other marks that operators set on a node.
func addMark(s *view.Snapshot, p *view.Peer, info *cluster.NodeInfo) {
	mark := s.Mark(info.Name)
	if p.Member.Rec != nil {
		info.Labels = s.Labels(p.Member.Rec)
	}
	info.Cordoned = mark.Cordoned || mark.Drain != nil
	if q := mark.Quarantine; q != nil && q.Member == info.Member {
		info.Quarantine = q.Error
	}
	if mark.Drain != nil {
		info.Drain = &cluster.DrainInfo{From: max(mark.Drain.Slots, info.Slots), Left: info.Slots, Deadline: mark.Drain.Deadline}
	}
}

func nodeInfo(p *view.Peer, memberID string, specs map[string]cluster.TaskSpec) cluster.NodeInfo {
	info := cluster.NodeInfo{Member: memberID, State: cluster.NodeUp, Weight: 1}
	if d := p.Assignment.Rec; d != nil {
		info.Name, info.Host = d.Node, d.Host
		info.Slots = schema.Count(d.Granted) + schema.Count(d.Releasing)
		for e := range d.Entries() {
			info.Load += len(e.Range().Slots) * weightOf(e, specs)
		}
	}
	if m := p.Member.Rec; m != nil {
		info.Name, info.Host, info.Address, info.PID, info.Works = m.Node, m.Host, m.Address, m.PID, m.Works
		info.Advertise, info.Version = m.Advertise, m.Version
		info.Weight, info.Capacity = max(m.Weight, 1), m.Capacity
	}
	switch {
	case p.Assignment.Rec != nil && p.Assignment.Rec.Closed != nil:
		info.State, info.Cause = cluster.NodeClosed, p.Assignment.Rec.Closed.Cause
	case p.Assignment.Rec != nil && p.Assignment.Rec.Evicted:
		info.State = cluster.NodeEvicted
	case !p.Live() || p.Silent:
		info.State = cluster.NodeLost
	case p.Status.Rec != nil && p.Status.Rec.Leaving:
		info.State = cluster.NodeLeaving
	}
	return info
}

// weightOf returns the weight of a worker: that of its grant or, if the grant has none, that of its task's declaration; 1
// without both.
func weightOf(e schema.Entry, specs map[string]cluster.TaskSpec) int {
	if g, granted := e.(*schema.Granted); granted && g.Spec != nil {
		return g.Spec.Cost()
	}
	return specs[e.Range().Task].Cost()
}

// placeWorkers adds the state of every slot in the member's assignment to placed. Of two grants of a slot the one with the
// higher token counts.
func placeWorkers(p *view.Peer, info cluster.NodeInfo, placed map[cluster.Slot]cluster.WorkerInfo) {
	if p.Assignment.Rec == nil {
		return
	}
	var status schema.Status
	if p.Status.Rec != nil {
		status = *p.Status.Rec
	}
	claims := maps.Collect(schema.Each(status.Holding))
	reported := map[cluster.Slot]*schema.WorkerState{}
	for i := range status.Workers {
		reported[status.Workers[i].Slot] = &status.Workers[i]
	}
	for entry := range p.Assignment.Rec.Entries() {
		h := entry.Range()
		_, releasing := entry.(*schema.Releasing)
		count, _ := entry.WorkerCount()
		for _, index := range h.Slots {
			slot := cluster.Slot{Task: h.Task, Index: index}
			w := cluster.WorkerInfo{Task: slot.Task, Index: slot.Index, Count: count, Node: info.Name, Member: info.Member, Token: h.Token}
			claim := claims[slot]
			switch {
			case !p.Live() || p.Silent:
				w.State = cluster.WorkerLost
			case claim == nil || claim.Token != h.Token || status.Fenced:
				w.State = cluster.WorkerPending
				if r := schema.Find(status.Refused, slot); r != nil && r.Token == h.Token {
					w.Error = fmt.Sprintf("refused: token %d is not above %d; an old assignment was restored", h.Token, status.Above)
				}
			default:
				w.State, w.Since = cluster.WorkerRunning, claim.Since
				describeHeld(&w, reported[slot], releasing)
			}
			if was, twice := placed[slot]; !twice || was.Token <= w.Token {
				placed[slot] = w
			}
		}
	}
}

// describeHeld completes a worker whose slot its member holds: with the state that the member reports, nil for none, and
// according to whether the slot is being released.
func describeHeld(w *cluster.WorkerInfo, reported *schema.WorkerState, releasing bool) {
	if reported != nil {
		w.WorkerStatus = reported.WorkerStatus
	}
	if releasing && w.State != cluster.WorkerStopping && w.State != cluster.WorkerStuck {
		w.State, w.Since = cluster.WorkerStopping, time.Time{} // the member has not reported since when
	}
}
