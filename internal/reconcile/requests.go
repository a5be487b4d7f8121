package reconcile

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// moveRequests are the slots that operators asked to move: those that are not yet on their new node, and those that are there and for
// which others may have to leave.
type moveRequests struct {
	going, arrived map[cluster.Slot]schema.MoveRequest
}

func findMoves(f *round.Facts, m members.States) moveRequests {
	found := moveRequests{map[cluster.Slot]schema.MoveRequest{}, map[cluster.Slot]schema.MoveRequest{}}
	if !f.Snapshot.Requests.Good() {
		return found
	}
	for _, o := range f.Snapshot.Requests.Rec.Move {
		switch there, going := moveState(f, o, m); {
		case going:
			found.going[o.Slot] = o
		case there:
			found.arrived[o.Slot] = o
		}
	}
	return found
}

// moveState reports whether a slot is where a request moves it, or is still to go there.
func moveState(f *round.Facts, o schema.MoveRequest, m members.States) (there, going bool) {
	if spec, known := f.Specs[o.Slot.Task]; !known || spec.Paused || o.Slot.Index >= spec.WorkerNum {
		return false, false // the request is obsolete: the slot does not exist or is not to run
	}
	for _, memberID := range f.MemberIDs {
		going = going || m[memberID] == members.Active && f.NodeName(memberID) == o.To
		if rec := f.Snapshot.Peers[memberID].Assignment.Rec; rec != nil {
			if grant := schema.Find(rec.Granted, o.Slot); grant != nil && (grant.Token != o.Token || f.NodeName(memberID) == o.To) {
				return grant.Token != o.Token && f.NodeName(memberID) == o.To, false
			}
		}
	}
	return false, going
}

// requests is the operators' requests, and which of them are served.
type requests struct {
	*placement.Placement
	moves moveRequests
	draft *round.Draft
}

// applyRequests removes the requests that this decision serves from the record of requests.
func applyRequests(s *Survey, p *placement.Placement, draft *round.Draft) {
	d := &requests{p, s.moves, draft}
	e := d.Snapshot.Requests
	if !e.Good() || d.Snapshot.Epoch.Rec == nil || draft.Omits(round.PartRequests, "") {
		return
	}
	term := d.Snapshot.Epoch.Rec.Term
	draft.Out.StepDown = e.Rec.StepDown == term
	rest := *e.Rec // with the fields of later versions
	next := &rest
	next.Restart, next.RunNow, next.Move = nil, nil, nil
	next.MoveNow = slices.DeleteFunc(slices.Clone(e.Rec.MoveNow), func(memberID string) bool { return d.Snapshot.Peers[memberID] == nil })
	if e.Rec.StepDown < term {
		next.StepDown = 0
	}
	next.BalanceNow = 0 // FindReturns has served it, or it is void
	for _, h := range e.Rec.Restart {
		if h.Token == 0 { // this decision clears them, or cannot write that
			if draft.Omits(round.PartSuspects, "") {
				next.Restart = append(next.Restart, h)
			}
		} else if left := d.StillGranted(h); len(left) > 0 {
			h.Slots = left
			next.Restart = append(next.Restart, h)
		}
	}
	for _, o := range e.Rec.RunNow {
		if task := d.Snapshot.Tasks[o.Task].Rec; !s.begun[o.ID] && task != nil && task.Effective().Runs() && !task.Deleted {
			next.RunNow = append(next.RunNow, o)
		}
	}
	for _, o := range e.Rec.Move {
		if d.moves.going[o.Slot] == o && !d.arrives(o) || d.comes(o) && d.displaces(o) {
			next.Move = append(next.Move, o)
		}
	}
	if len(next.Move) != len(e.Rec.Move) || len(next.RunNow) != len(e.Rec.RunNow) || next.StepDown != e.Rec.StepDown ||
		next.BalanceNow != e.Rec.BalanceNow || len(next.MoveNow) != len(e.Rec.MoveNow) ||
		schema.Count(next.Restart) != schema.Count(e.Rec.Restart) {
		draft.Out.Requests = next
	}
}

// arrives reports whether this decision grants a slot to the node that a request moves it to.
func (d *requests) arrives(o schema.MoveRequest) bool {
	for _, assignment := range d.draft.Out.Assignments {
		if assignment != nil && assignment.Node == o.To {
			if h := schema.Find(assignment.Granted, o.Slot); h != nil && h.Token != o.Token {
				return true
			}
		}
	}
	return false
}

// comes reports whether a slot is where a request moves it, or will be after this decision.
func (d *requests) comes(o schema.MoveRequest) bool {
	return d.moves.arrived[o.Slot] == o || d.moves.going[o.Slot] == o && d.arrives(o)
}

// displaces reports whether workers of the task still have to leave the node that a slot was moved to. Until they are asked back, the
// request stands: otherwise the slot, which came last, would be the first to leave. A worker that the stage before selected counts
// only if it is asked back in this commit, which may be full.
func (d *requests) displaces(o schema.MoveRequest) bool {
	t, known := d.Rank[o.Slot.Task]
	return known && slices.ContainsFunc(d.Target.Moves, func(m planner.Move) bool {
		slot := cluster.Slot{Task: o.Slot.Task, Index: m.Slot}
		if m.Task != t || slot == o.Slot || m.From < 0 || d.In.Nodes[m.From].Name != o.To {
			return false
		}
		assignment := d.draft.Assignment(d.Nodes[m.From])
		return assignment == nil || schema.Find(assignment.Releasing, slot) == nil
	})
}
