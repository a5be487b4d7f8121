package reconcile

import (
	"cmp"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/failures"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// handover is why a slot is asked back, and its next node.
type handover struct {
	why cluster.Reason
	to  string // "" for no node
}

// releases are the slots that are asked back, by member.
type releases map[string]map[cluster.Slot]*handover

// add adds a slot of a member.
func (r releases) add(memberID string, slot cluster.Slot, a *handover) {
	if r[memberID] == nil {
		r[memberID] = map[cluster.Slot]*handover{}
	}
	r[memberID][slot] = a
}

// releaseCandidate is a slot that should leave a node where it may run on.
type releaseCandidate struct {
	memberID string
	slot     cluster.Slot
	handover handover
	urgency  int // the least first
	running  bool
}

// releaseSelector decides which slots are asked back.
type releaseSelector struct {
	*placement.Placement
	moves      moveRequests
	barriers   barriers
	loops      *failures.CrashLoops
	draft      *round.Draft
	releases   releases
	candidates []releaseCandidate
}

// selectReleases decides which slots are asked back now: all that must not run on, and of the others as many as the budget allows. It
// also returns the leader's memory of nodes that come and go.
func selectReleases(s *Survey, p *placement.Placement, draft *round.Draft) (releases, round.NodeChanges) {
	d := &releaseSelector{Placement: p, moves: s.moves, barriers: s.Barriers, loops: s.Loops, draft: draft, releases: releases{}}
	d.candidates = make([]releaseCandidate, 0, len(p.Target.Moves))
	plan := map[string]map[int]*planner.Move{} // by task and slot
	for i := range p.Target.Moves {
		m := &p.Target.Moves[i]
		task := p.Tasks[m.Task]
		if plan[task] == nil {
			plan[task] = map[int]*planner.Move{}
		}
		plan[task][m.Slot] = m
	}
	d.addInvalid(s.invalid)
	moving := d.movingTasks()
	for _, memberID := range d.affected() {
		if !d.Members.Live(memberID) {
			continue
		}
		all, tasks := moving == nil || d.Members[memberID] == members.Leaving, moving[memberID]
		slots := d.Snapshot.Peers[memberID].Assignment.Rec.Granted
		for i := range slots {
			if task := slots[i].Task; all || slices.Contains(tasks, task) || d.Sums.IsOdd(task) {
				d.consider(memberID, &slots[i], plan[task])
			}
		}
	}
	slices.SortStableFunc(d.candidates, func(a, b releaseCandidate) int { return cmp.Compare(a.urgency, b.urgency) })
	changes, deferred := p.NextChanges(p.Memory.NodeChanges, draft)
	b := d.budget()
	for i := range d.candidates {
		w := &d.candidates[i]
		switch {
		case deferred && w.urgency >= placement.ForComfort, !b.allows(w):
			draft.Out.Pending++
		default:
			d.releases.add(w.memberID, w.slot, &w.handover)
		}
	}
	return d.releases, changes
}

// affected returns the members of which a slot may have to be asked back.
func (d *releaseSelector) affected() []string {
	marks := d.NewMarks()
	marks.Odd()
	for i := range d.Target.Moves {
		marks.Slot(d.Tasks[d.Target.Moves[i].Task], d.Target.Moves[i].Slot)
	}
	for slot := range d.moves.going {
		marks.Slot(slot.Task, slot.Index)
	}
	if e := d.Snapshot.Requests; e.Rec != nil {
		for _, r := range e.Rec.Restart {
			marks.Task(r.Task)
		}
	}
	return marks.MemberIDs(func(m *ledger.Member) bool { return d.Members[m.ID] == members.Leaving })
}

// movingTasks returns the tasks of which the plan moves slots away, by the member that has the grants. Of a member that stays, only these
// and the odd tasks need a look. It returns nil if all tasks do.
func (d *releaseSelector) movingTasks() map[string][]string {
	if e := d.Snapshot.Requests; d.Sums == nil || len(d.moves.going) > 0 || e.Rec != nil && len(e.Rec.Restart) > 0 {
		return nil
	}
	moving := map[string][]string{}
	for i := range d.Target.Moves {
		m := &d.Target.Moves[i]
		task := d.Tasks[m.Task]
		if number, _ := d.Sums.Task(task).Owner(m.Slot); number != ledger.Nobody {
			memberID := d.Sums.Numbered(number).ID
			moving[memberID] = append(moving[memberID], task)
		}
	}
	return moving
}

// addInvalid adds the invalid grants.
func (d *releaseSelector) addInvalid(invalid invalidGrants) {
	for memberID, slots := range invalid {
		if d.Members.Live(memberID) {
			for slot, why := range slots {
				d.releases.add(memberID, slot, &handover{why, d.TargetName(slot)})
			}
		}
	}
}

// granted is one grant under consideration.
type granted struct {
	*schema.Granted
	memberID string
	spec     cluster.TaskSpec
	run      *schema.Run           // nil for a task that runs for ever
	whole    cluster.Reason        // why all of its slots must leave, if they must
	changed  bool                  // its work is not the task's present one
	restart  cluster.Indexes       // the slots that operators asked to restart
	moves    map[int]*planner.Move // the slots that the plan moves
}

// allStay reports whether all slots of the grant stay, so that there is nothing to decide.
func (g *granted) allStay() bool {
	return g.whole.Code == "" && g.run == nil && !g.changed && g.restart == nil && len(g.moves) == 0 &&
		(len(g.Slots) == 0 || slices.Max(g.Slots) < g.spec.WorkerNum)
}

// consider decides on the slots of one grant: each is asked back, becomes a candidate, or stays.
func (d *releaseSelector) consider(memberID string, h *schema.Granted, moves map[int]*planner.Move) {
	spec, known := d.Specs[h.Task]
	g := granted{Granted: h, memberID: memberID, spec: spec, run: d.Snapshot.Run(h.Task), moves: moves, restart: d.ToRestart(h)}
	g.whole, g.changed = d.mustLeaveWhole(memberID, h), known && !d.SameWork(h)
	if g.allStay() && len(d.moves.going) == 0 {
		return
	}
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		if _, asked := d.releases[memberID][slot]; asked {
			continue
		}
		to, placed := d.TargetName(slot), d.TargetOf(slot) != planner.Nobody
		if why := d.mustLeave(&g, index); why.Code != "" {
			d.releases.add(memberID, slot, &handover{why, to})
			continue
		}
		why := d.shouldLeave(&g, slot)
		switch {
		case why.Code == "":
			continue
		case placed && d.loops.Crashes(slot) >= failures.CrashesToPart:
			continue // a suspect stays where it is until it is cleared
		case moves[index] != nil && !placed:
			d.releases.add(memberID, slot, &handover{why, ""}) // it may run neither here nor elsewhere
			continue
		case (d.draft.Out.Blocked != "" || d.barriers[h.Task] != nil) && !g.changed:
			continue // it could not be granted again
		}
		holding := schema.Find(d.Snapshot.Peers[memberID].Status.Rec.Holding, slot)
		d.candidates = append(d.candidates, releaseCandidate{
			memberID, slot, handover{why, to}, placement.Urgency(why.Code), holding != nil && holding.Token == h.Token,
		})
	}
}

// mustLeaveWhole returns why all slots of a grant must leave at once, the zero value if they need not.
func (d *releaseSelector) mustLeaveWhole(memberID string, h *schema.Granted) cluster.Reason {
	spec, known := d.Specs[h.Task]
	switch {
	case !known && round.IsRun(h.Task):
		return cluster.Reason{Code: cluster.WhyDone}
	case !known && !d.Snapshot.Deleted(h.Task):
		return cluster.Reason{Code: cluster.WhyUndeclared}
	case !known:
		return cluster.Reason{Code: cluster.WhyDeleted}
	case d.Members[memberID] == members.Leaving && d.Draining(memberID):
		return cluster.Reason{Code: cluster.WhyDraining, Node: d.NodeName(memberID)}
	case d.Members[memberID] == members.Leaving:
		return cluster.Reason{Code: cluster.WhyLeaving, Node: d.NodeName(memberID)}
	case spec.Paused:
		return cluster.Reason{Code: cluster.WhyPaused}
	case d.barriers.toResize(d.Facts, h, d.draft):
		return resized(d.Facts, h)
	}
	return cluster.Reason{}
}

// mustLeave returns why a slot of a grant must leave at once, the zero value if it need not.
func (d *releaseSelector) mustLeave(g *granted, index int) cluster.Reason {
	why := g.whole
	if g.run != nil && g.run.Finished(index) {
		why = cluster.Reason{Code: cluster.WhyDone}
	}
	if index >= g.spec.WorkerNum &&
		(why.Code == cluster.WhyResized || why.Code == "" && (g.spec.WorkerNum == 0 || !d.OtherCount(g.Granted))) {
		why.Code = cluster.WhyScaledDown
	}
	return why
}

// shouldLeave returns why a slot of a grant should leave its node, where it may run on; the zero value if it stays.
func (d *releaseSelector) shouldLeave(g *granted, slot cluster.Slot) cluster.Reason {
	request, moving := d.moves.going[slot]
	target := d.TargetName(slot)
	switch m := g.moves[slot.Index]; {
	case moving && target == d.NodeName(g.memberID):
		return cluster.Reason{} // the plan has changed since: it stays
	case moving && target == request.To:
		return cluster.Reason{Code: cluster.WhyMoved}
	case m != nil:
		why := m.Reason
		if why.Code == cluster.WhyDraining && d.draft.Quarantined(d.Facts, g.memberID) {
			why.Code = cluster.WhyQuarantined
		}
		return why
	case g.changed:
		return cluster.Reason{Code: cluster.WhyTaskChanged}
	case g.restart.Contains(slot.Index):
		return cluster.Reason{Code: cluster.WhyRestart}
	}
	return cluster.Reason{}
}
