package reconcile

import (
	"cmp"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/failures"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// granter grants free slots to nodes.
type granter struct {
	*placement.Placement
	barriers barriers
	loops    *failures.CrashLoops
	stored   storedSpecs
	draft    *round.Draft
	out      handedOut
}

// handedOut are the slots that a decision grants, and those that one in a moment is to grant. They are only found where slots were
// given back.
type handedOut struct{ now, later map[cluster.Slot]bool }

func (handedOut) add(to map[cluster.Slot]bool, list []schema.Granted) {
	if to == nil {
		return
	}
	for slot := range schema.Each(list) {
		to[slot] = true
	}
}

// grant grants free slots to their targets, as far as they fit into one commit. It returns the leader's memory of nodes that come and
// go, and the slots.
func grant(
	s *Survey, p *placement.Placement, stored storedSpecs, changes round.NodeChanges, draft *round.Draft,
) (round.NodeChanges, handedOut) {
	d := &granter{p, s.Barriers, s.Loops, stored, draft, handedOut{}}
	if len(draft.Returned) > 0 {
		d.out = handedOut{map[cluster.Slot]bool{}, map[cluster.Slot]bool{}}
	}
	const spare = 1 << 20                                // tokens, more than one commit takes
	if !schema.PlausibleToken(draft.Out.Token + spare) { // followers and later leaders would not rise above it
		draft.Block("the tokens are used up: nextToken of the epoch is near 2^61 or above it; it was edited manually")
	}
	if draft.Out.Blocked != "" {
		return changes, d.out
	}
	free := d.freeSlots(d.Sums.After(draft))
	changes, deferred := d.Gather(changes, free, draft)
	if deferred || free == nil {
		return changes, d.out
	}
	for n, memberID := range d.Nodes {
		if len(free[n]) == 0 || draft.Omits(round.PartAssignment, memberID) {
			continue
		}
		if _, touched := draft.Out.Assignments[memberID]; touched || !draft.Full() && !d.claims(memberID) {
			d.grantTo(memberID, free[n])
			continue
		}
		d.out.add(d.out.later, free[n])
	}
	return changes, d.out
}

// freeSlots returns the slots that may be granted, by their target nodes, in entries without tokens. The sums are those after the
// draft, nil if there are none.
func (d *granter) freeSlots(sums *round.Sums) [][]schema.Granted {
	taken := d.taken(sums)
	suspects, barred := d.suspectsByNode(), d.barriers.barred(d.Facts, sums, d.draft)
	var free [][]schema.Granted // by node, without tokens; nil for none
	for t, name := range d.Tasks {
		if taken[t] == nil {
			continue
		}
		spec, known := d.stored[name]
		if !known {
			continue
		}
		count, below := spec.Spec.Count(), len(d.Target.Target[t])
		if old, is := barred[name]; is { // workers with another count may run
			count, below = old, old
		}
		for i, n := range d.Target.Target[t] {
			if n == planner.Nobody || taken[t][i] || i >= below {
				continue
			}
			n = d.placeSuspect(cluster.Slot{Task: name, Index: i}, n, suspects)
			if n == planner.Nobody {
				continue
			}
			if free == nil {
				free = make([][]schema.Granted, len(d.Nodes))
			}
			if last := len(free[n]) - 1; last >= 0 && free[n][last].Task == name {
				free[n][last].Slots = append(free[n][last].Slots, i)
			} else {
				free[n] = append(free[n], schema.Granted{
					SlotRange: schema.SlotRange{Task: name, Slots: cluster.Indexes{i}},
					Count:     &count, Ref: spec.Ref, Spec: &spec.Spec, Generation: spec.Generation,
				})
			}
		}
	}
	return free
}

// claimTime is how long a node that has been granted slots gets to claim them: its assignment must not change
// meanwhile, or the claim is refused.
const claimTime = 100 * time.Millisecond

// claims reports whether a member is probably claiming its latest grants. The next decision then comes when the member has had its
// time.
func (d *granter) claims(memberID string) bool {
	p := d.Snapshot.Peers[memberID]
	newest := int64(0)
	for i := range p.Assignment.Rec.Granted {
		newest = max(newest, p.Assignment.Rec.Granted[i].Token)
	}
	until := p.Assignment.Read + claimTime
	if newest == 0 || d.Now >= until || p.Status.Rec == nil {
		return false
	}
	if slices.ContainsFunc(p.Status.Rec.Holding, func(h schema.Claimed) bool { return h.Token == newest }) {
		return false
	}
	if !d.DryRun {
		d.draft.RequeueAt(until)
	}
	return true
}

// taken reports for each slot, by row, whether an assignment lists it or a live member's status holds it. Leaders free no slot that
// its member holds, but it may have been removed from the assignment manually. A row is nil if all of its slots are taken.
func (d *granter) taken(sums *round.Sums) [][]bool {
	taken := make([][]bool, len(d.Tasks))
	if sums != nil {
		for t, name := range d.Tasks {
			taken[t] = sums.Task(name).Taken(len(d.Target.Target[t]))
		}
		for _, m := range sums.Members {
			if m.Superseded {
				d.takeSuperseded(taken, m.ID)
			}
		}
		return taken
	}
	for t, target := range d.Target.Target {
		taken[t] = make([]bool, len(target))
	}
	for _, memberID := range d.MemberIDs {
		if assignment := d.draft.Assignment(memberID); assignment != nil {
			for h := range assignment.Ranges() {
				d.take(taken, h)
			}
		}
		d.takeSuperseded(taken, memberID)
		if p := d.Snapshot.Peers[memberID]; p.Live() && p.Status.Rec != nil {
			for i := range p.Status.Rec.Holding {
				d.take(taken, &p.Status.Rec.Holding[i].SlotRange)
			}
		}
	}
	return taken
}

// takeSuperseded takes the slots of a member's superseded releases that the member does not confirm now, since an edit may have put a
// former assignment in the place of one that grants the slot. It takes none if nothing of the member can still run.
func (d *granter) takeSuperseded(taken [][]bool, memberID string) {
	p := d.Snapshot.Peers[memberID]
	if d.draft.Assignment(memberID) == nil || d.Members[memberID] == members.Delayed || d.Members[memberID] == members.AwaitingRuns {
		return
	}
	for slot, h := range schema.Each(p.Superseded) {
		if !p.Live() || p.Status.Rec == nil || !d.Stopped(memberID, slot, h) {
			d.take(taken, &schema.SlotRange{Task: slot.Task, Slots: cluster.Indexes{slot.Index}})
		}
	}
}

func (d *granter) take(taken [][]bool, h *schema.SlotRange) {
	t, known := d.Rank[h.Task]
	if !known {
		return
	}
	for _, index := range h.Slots {
		if index < len(taken[t]) {
			taken[t][index] = true
		}
	}
}

func (d *granter) grantTo(memberID string, fresh []schema.Granted) {
	assignment := *d.draft.Assignment(memberID)
	grows := 0
	for i := range fresh {
		grows += round.SizeOf(&fresh[i])
	}
	room := len(fresh)
	if d.Snapshot.Peers[memberID].Assignment.Size+grows > schema.MaxGrants/2 { // the estimate is not good enough here
		room = fits(assignment, fresh)
	}
	if room < len(fresh) {
		d.draft.Out.Full = append(d.draft.Out.Full, assignment.Node)
		if room == 0 {
			return
		}
		fresh = fresh[:room]
	}
	for i := range fresh {
		fresh[i].Token = d.draft.Out.Token
		d.addGrantSteps(assignment.Node, &fresh[i])
	}
	d.draft.Out.Token++
	d.out.add(d.out.now, fresh)
	assignment.Granted = append(slices.Clone(assignment.Granted), fresh...)
	slices.SortStableFunc(assignment.Granted, func(a, b schema.Granted) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Token, b.Token))
	})
	d.draft.Write(memberID, &assignment, grows)
}

// addGrantSteps adds the steps of one grant, one for each reason why its slots left their nodes.
func (d *granter) addGrantSteps(node string, h *schema.Granted) {
	first := len(d.draft.Out.Steps)
	var whys []cluster.Reason // of the steps from there on
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		why := whyGranted(d.draft.FreedWhy[slot])
		delete(d.draft.FreedWhy, slot)
		at := slices.Index(whys, why)
		if at < 0 {
			at, whys = len(whys), append(whys, why)
			d.draft.AddStep(cluster.Decided{Step: cluster.StepGrant, Task: h.Task, Node: node, Token: h.Token}, why)
		}
		m := &d.draft.Out.Steps[first+at]
		m.Slots = append(m.Slots, index)
	}
}

// whyGranted returns why a slot is granted that left its node for a reason, the zero reason if it had no node. A slot that left
// because its task was paused is granted because the task was resumed.
func whyGranted(left cluster.Reason) cluster.Reason {
	switch left.Code {
	case cluster.WhyPaused:
		return cluster.Reason{Code: cluster.WhyResumed}
	case "":
		return cluster.Reason{Code: cluster.WhyUnplaced}
	}
	return left
}

// fits returns how many of the entries can be added to an assignment.
func fits(assignment schema.Assignment, fresh []schema.Granted) int {
	have := assignment.Granted
	for n := len(fresh); n > 0; n /= 2 {
		assignment.Granted = slices.Concat(have, fresh[:n])
		if len(schema.Encode(&assignment, 0)) <= schema.MaxGrants {
			return n
		}
	}
	return 0
}
