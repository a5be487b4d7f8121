package reconcile

import (
	"cmp"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Moves that only make a good placement better wait for a burst of changes to end: the first change
// is acted on at once, those that follow soon are taken together.
const (
	quiet   = 200 * time.Millisecond
	maxHold = 2 * time.Second
)

// A cluster in which nothing runs waits for a moment without a node that comes before it begins, as the first would be
// given everything; for a longer one where there are several; and this long at most.
const (
	gatherOne  = quiet
	gatherMany = 500 * time.Millisecond
	maxGather  = 5 * time.Second
)

// freeing is why a slot is asked back, and who is to have it.
type freeing struct {
	why cluster.Reason
	to  string // "" for nobody
}

// releases are the slots that are asked back, by member.
type releases map[string]map[cluster.Slot]freeing

// add notes that a slot is asked back from a member.
func (r releases) add(guid string, slot cluster.Slot, a freeing) {
	if r[guid] == nil {
		r[guid] = map[cluster.Slot]freeing{}
	}
	r[guid][slot] = a
}

// releaseCandidate is a slot that should leave a node where it may run on.
type releaseCandidate struct {
	guid    string
	slot    cluster.Slot
	freeing freeing
	urgency int // the least first
	running bool
}

// urgencies say in which order moves get the budget.
var urgencies = map[cluster.ReasonCode]int{
	cluster.WhyDraining: 0, cluster.WhyQuarantined: 0, cluster.WhyFailing: 1, cluster.WhyNoLabel: 1, cluster.WhyNoWork: 1, cluster.WhyFull: 1, cluster.WhyPerNode: 1,
	cluster.WhyTaskChanged: 2, cluster.WhyRestart: 2, cluster.WhyMoved: 2, cluster.WhyLeaderFree: 3, cluster.WhyPreferred: 3,
	cluster.WhySpread: 4, cluster.WhyBalance: 5,
}

// forComfort is the urgency from which on a move only makes a good placement better.
const forComfort = 3

// releaser decides which slots are asked back.
type releaser struct {
	*placement
	moves      moveOrders
	barriers   barriers
	loops      *crashLoops
	commit     *commit
	releases   releases
	candidates []releaseCandidate
}

// selectReleases decides which slots are asked back now: all that may not run on, and of the others as many as
// the budget allows. It returns what is remembered of a burst of changes, too.
func selectReleases(s *survey, p *placement, c *commit) (releases, Burst) {
	d := &releaser{placement: p, moves: s.moves, barriers: s.barriers, loops: s.loops, commit: c, releases: releases{}}
	plan := map[string]map[int]*planner.Move{} // by task and slot
	for i := range p.target.Moves {
		m := &p.target.Moves[i]
		task := p.tasks[m.Task]
		if plan[task] == nil {
			plan[task] = map[int]*planner.Move{}
		}
		plan[task][m.Slot] = m
	}
	d.addRecalled(s.recalls)
	for _, guid := range d.guids {
		if !d.members.live(guid) {
			continue
		}
		peer := d.Snapshot.Peers[guid]
		for i := range peer.Doc.Rec.Slots {
			h := &peer.Doc.Rec.Slots[i]
			d.consider(guid, peer, h, plan[h.Task])
		}
	}
	slices.SortStableFunc(d.candidates, func(a, b releaseCandidate) int { return cmp.Compare(a.urgency, b.urgency) })
	burst, hold := s.waits.Burst.next(p, c)
	b := d.budget()
	for _, w := range d.candidates {
		switch {
		case hold && w.urgency >= forComfort, !b.allows(w):
			c.out.Pending++
		default:
			d.releases.add(w.guid, w.slot, w.freeing)
		}
	}
	return d.releases, burst
}

// addRecalled asks the grants back that must not be.
func (d *releaser) addRecalled(recalled recalls) {
	for guid, slots := range recalled {
		if d.members.live(guid) {
			for slot, why := range slots {
				d.releases.add(guid, slot, freeing{why, d.targetName(slot)})
			}
		}
	}
}

// consider decides on one grant: its slots are asked back, or are candidates, or stay.
func (d *releaser) consider(guid string, p *view.Peer, h *schema.Held, plan map[int]*planner.Move) {
	spec, known := d.specs[h.Task]
	whole := cluster.Reason{} // why all of them have to leave
	run := d.Snapshot.Run(h.Task)
	_, ofRun := cluster.SplitRun(h.Task)
	switch {
	case !known && ofRun != "":
		whole.Code = cluster.WhyDone
	case !known && !d.Snapshot.Deleted(h.Task):
		whole.Code = cluster.WhyUndeclared
	case !known:
		whole.Code = cluster.WhyDeleted
	case d.members[guid] == leaving && d.draining(guid):
		whole = cluster.Reason{Code: cluster.WhyDraining, Node: d.nodeName(guid)}
	case d.members[guid] == leaving:
		whole = cluster.Reason{Code: cluster.WhyLeaving, Node: d.nodeName(guid)}
	case spec.Paused:
		whole.Code = cluster.WhyPaused
	case d.barriers.toResize(d.facts, h, d.commit):
		whole = d.resized(h)
	}
	changed := known && !d.sameWork(h)
	restart := d.toRestart(h)
	if whole.Code == "" && run == nil && !changed && restart == nil && len(plan) == 0 && len(d.moves.going) == 0 && (len(h.Slots) == 0 || slices.Max(h.Slots) < spec.WorkerNum) {
		return // all of them stay
	}
	var holding *schema.Held // looked up once it is needed
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		if _, asked := d.releases[guid][slot]; asked {
			continue
		}
		why := whole
		if run != nil && run.Over(index) {
			why = cluster.Reason{Code: cluster.WhyDone}
		}
		if index >= spec.WorkerNum && (why.Code == cluster.WhyResized || why.Code == "" && (spec.WorkerNum == 0 || !d.otherCount(h))) {
			why.Code = cluster.WhyScaledDown
		}
		if why.Code != "" {
			d.releases.add(guid, slot, freeing{why, d.targetName(slot)})
			continue
		}
		m := plan[index]
		order, moving := d.moves.going[slot]
		switch {
		case moving && d.targetName(slot) == d.nodeName(guid):
			continue // the plan has changed since: it stays
		case moving && d.targetName(slot) == order.To:
			why.Code = cluster.WhyMoved
		case m != nil:
			if why = m.Why; why.Code == cluster.WhyDraining && d.commit.quarantined(d.facts, guid) {
				why.Code = cluster.WhyQuarantined
			}
		case changed:
			why.Code = cluster.WhyTaskChanged
		case restart != nil && restart.Contains(index):
			why.Code = cluster.WhyRestart
		default:
			continue
		}
		to := d.targetOf(slot)
		switch {
		case to != planner.Nobody && d.loops.crashes(slot) >= crashesToPart:
			continue // a suspect stays where it is until it is cleared
		case m != nil && to == planner.Nobody:
			d.releases.add(guid, slot, freeing{why, ""}) // it may not run here, and nowhere else
			continue
		case (d.commit.out.Blocked != "" || d.barriers[h.Task] != nil) && !changed:
			continue // it could not be granted again
		}
		holding = schema.Find(p.Status.Rec.Holding, slot)
		d.candidates = append(d.candidates, releaseCandidate{guid, slot, freeing{why, d.targetName(slot)}, urgencies[why.Code], holding != nil && holding.Token == h.Token})
	}
}
