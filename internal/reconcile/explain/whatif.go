package explain

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/placement"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Revision identifies the input of a plan: the members, the declarations and marks, the slots of each member, and which of them
// have failed permanently.
func Revision(s *view.Snapshot) string {
	h := fnv.New64a()
	add := func(kind, name string, version int64) { _, _ = fmt.Fprintf(h, "%s %s %d\n", kind, name, version) }
	add("epoch", "", s.Epoch.Version)
	add("settings", "", s.Settings.Version)
	add("suspects", "", s.Suspects.Version)
	for _, name := range slices.Sorted(maps.Keys(s.Tasks)) {
		if e := s.Tasks[name]; !e.Absent { // only readers that read it before it was deleted manually have it
			add("task", name, e.Version)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(s.Marks)) {
		add("mark", node, s.Marks[node].Version)
	}
	for _, memberID := range slices.Sorted(maps.Keys(s.Peers)) {
		p := s.Peers[memberID]
		add("assignment", memberID, p.Assignment.Version)
		_, _ = fmt.Fprintln(h, p.Live(), p.Status.Rec != nil && p.Status.Rec.Leaving)
		for i := 0; p.Status.Rec != nil && i < len(p.Status.Rec.Workers); i++ {
			if w := &p.Status.Rec.Workers[i]; w.State == cluster.WorkerGivenUp {
				_, _ = fmt.Fprintln(h, "failed", w.Slot)
			}
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// WhatIf plans how a cluster would change if it were as it is in another snapshot. It uses the leader's own decisions and planner, and
// the same input gives the same plan. The revision is that of the present cluster.
func WhatIf(s, next *view.Snapshot) cluster.Plan {
	before, after := planned(s), planned(next)
	plan := cluster.Plan{
		Revision: Revision(
			s,
		),
		Moves:    []cluster.PlannedMove{},
		Starts:   []cluster.PlannedStart{},
		Stops:    []cluster.Slot{},
		Unplaced: []cluster.Unplaced{},
		Restarts: after.restarts(),
		NextRuns: nextRuns(s, next),
		Before:   before.balance(before.now),
		After:    after.balance(after.targetNode),
	}
	reasons := after.reasons()
	for t, name := range after.Tasks {
		short := 0
		for i := range after.Target.Target[t] {
			slot := cluster.Slot{Task: name, Index: i}
			from, to := before.now(slot), after.targetNode(slot)
			switch from {
			case to:
			case "":
				plan.Starts = append(plan.Starts, cluster.PlannedStart{Slot: slot, To: to})
			default:
				why := reasons(slot, from)
				plan.Moves = append(plan.Moves, cluster.PlannedMove{Slot: slot, From: from, To: to, Code: why.Code, Reason: why.String()})
			}
			if to == "" {
				short++
			}
		}
		if why := after.unplaced[name]; short > 0 && why.Code != "" {
			plan.Unplaced = append(plan.Unplaced, cluster.Unplaced{Task: name, Slots: short, Code: why.Code, Reason: why.String()})
		}
	}
	for slot := range before.owners {
		if spec, known := after.Specs[slot.Task]; !known || slot.Index >= spec.WorkerNum {
			plan.Stops = append(plan.Stops, slot)
		}
	}
	slices.SortFunc(plan.Stops, cluster.Slot.Compare)
	return plan
}

// nextRuns returns the tasks whose next run is different in another snapshot.
func nextRuns(before, after *view.Snapshot) (list []cluster.PlannedRun) {
	for _, name := range slices.Sorted(maps.Keys(after.Tasks)) {
		rec := after.Tasks[name].Rec
		if rec == nil || rec.Deleted || !rec.Effective().Runs() {
			continue
		}
		now := rec.Effective()
		old := before.Tasks[name].Rec
		first := old == nil || old.Deleted
		if !first {
			if was := old.Effective(); was.WorkerNum == now.WorkerNum && was.Paused == now.Paused {
				continue
			}
		}
		list = append(
			list,
			cluster.PlannedRun{Task: name, Workers: now.WorkerNum, Paused: now.Paused, First: first, Schedule: schedule.Name(now)},
		)
	}
	return list
}

// MayMove refuses the move of a slot to a node if the plan would not leave it there. It returns the token of the slot's grant.
func MayMove(s *view.Snapshot, slot cluster.Slot, node string) (token int64, err error) {
	next := *s
	next.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{}}
	for _, p := range s.Peers {
		if p.Assignment.Rec == nil || !p.Live() {
			continue
		}
		if schema.Find(p.Assignment.Rec.Releasing, slot) != nil {
			return 0, fmt.Errorf("%w: %s is stopping on %s; move it once it runs again", cluster.ErrConflict, slot, p.Assignment.Rec.Node)
		}
		if grant := schema.Find(p.Assignment.Rec.Granted, slot); grant != nil {
			if p.Assignment.Rec.Node == node {
				return 0, fmt.Errorf("%w: %s is on %s", cluster.ErrConflict, slot, node)
			}
			next.Requests.Rec.Move = []schema.MoveRequest{{Slot: slot, Token: grant.Token, To: node}}
		}
	}
	if spec, known := s.Specs()[slot.Task]; !known || slot.Index < 0 || slot.Index >= spec.WorkerNum { // granted or not: it ends
		return 0, fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
	}
	if len(next.Requests.Rec.Move) == 0 {
		return 0, fmt.Errorf("%w: %s is on no node; `xconsumer explain %[2]s` says why", cluster.ErrConflict, slot)
	}
	p := planned(&next)
	at := slices.IndexFunc(p.In.Nodes, func(n planner.Node) bool { return n.Name == node && !n.Gone })
	if at < 0 {
		return 0, fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
	}
	if p.targetNode(slot) == node {
		return next.Requests.Rec.Move[0].Token, nil
	}
	why := p.room(p.Rank[slot.Task]).whyNot(int32(at))
	return 0, fmt.Errorf("%w: the plan would not leave %s on %s: %s", cluster.ErrConflict, slot, node, why)
}

// preview is a decision that is not carried out: the target of every slot, and the obstacles.
type preview struct {
	*placement.Placement
	survey   *reconcile.Survey
	unplaced map[string]cluster.Reason
	owners   map[cluster.Slot]string // node names
}

// planned returns the final state of the cluster: nothing waits for lost members.
func planned(s *view.Snapshot) preview {
	w := round.World{Snapshot: s, Self: leaderOf(s), MaxAssignments: round.MaxAssignments, DryRun: true}
	w.Memory.FirstSeen = leasesOver(w)
	return newPreview(w, false)
}

// leasesOver returns first sights of evicted members that are so old that their leases are over.
func leasesOver(w round.World) map[string]round.FirstSeen {
	f, seen := round.Facts{World: w}, map[string]round.FirstSeen{}
	for memberID, p := range w.Snapshot.Peers {
		if p.Assignment.Good() && p.Assignment.Rec.Evicted {
			delay := f.TimeoutOf(memberID) + f.TakeoverDelayOf(memberID)
			seen[memberID] = round.FirstSeen{At: w.Now - delay, Assignment: p.Assignment.Version, Delay: delay}
		}
	}
	return seen
}

// present returns what the leader decides now, while it waits for lost members.
func present(s *view.Snapshot) preview {
	return newPreview(round.World{
		Snapshot: s, Self: leaderOf(s), MaxAssignments: round.MaxAssignments, DryRun: true, TakeoverDelay: forEver,
	}, true)
}

// forEver is the takeover delay of a dry run in which the leader waits for lost members: a reader does not know since when the
// leader waits.
const forEver = time.Duration(1 << 60)

func leaderOf(s *view.Snapshot) string {
	if s.Epoch.Rec == nil {
		return ""
	}
	return s.Epoch.Rec.Leader
}

// newPreview runs the stages of a decision up to the plan.
func newPreview(w round.World, delays bool) preview {
	draft := round.NewDraft(&w)
	s := reconcile.Inspect(w, draft)
	if delays {
		s.DelayReasons = members.ExplainDelays(s.Facts, s.Members, draft.Out.Memory.Delays, s.DelayReasons)
	}
	p := preview{reconcile.Place(s, draft), s, draft.Out.Unplaced, map[cluster.Slot]string{}}
	for _, memberID := range p.MemberIDs {
		peer := p.Snapshot.Peers[memberID]
		if rec := peer.Assignment.Rec; rec != nil && (peer.Live() || p.Members.Retains(memberID)) {
			for slot := range schema.Each(rec.Granted) {
				p.owners[slot] = rec.Node
			}
		}
	}
	return p
}

// now returns the node that has a slot, "" if none.
func (p preview) now(slot cluster.Slot) string { return p.owners[slot] }

// targetNode returns the node that should have a slot, "" if none.
func (p preview) targetNode(slot cluster.Slot) string { return p.TargetName(slot) }

// reasons returns why slots leave their nodes.
func (p preview) reasons() func(slot cluster.Slot, from string) cluster.Reason {
	why := map[cluster.Slot]cluster.Reason{}
	for _, m := range p.Target.Moves {
		why[cluster.Slot{Task: p.Tasks[m.Task], Index: m.Slot}] = m.Reason
	}
	live := map[string]bool{}
	for n := range p.In.Nodes {
		live[p.In.Nodes[n].Name] = true
	}
	evicted := map[string]bool{}
	for _, peer := range p.Snapshot.Peers {
		if rec := peer.Assignment.Rec; rec != nil && rec.Evicted {
			evicted[rec.Node] = true
		}
	}
	return func(slot cluster.Slot, from string) cluster.Reason {
		switch r, known := why[slot]; {
		case p.survey.MovesTo(slot, p.targetNode(slot)):
			return cluster.Reason{Code: cluster.WhyMoved}
		case known:
			return r
		case p.Specs[slot.Task].Paused:
			return cluster.Reason{Code: cluster.WhyPaused}
		case p.Snapshot.Mark(from).Drain != nil:
			return cluster.Reason{Code: cluster.WhyDraining, Node: from}
		case !live[from] && evicted[from]:
			return cluster.Reason{Code: cluster.WhyEvicted, Node: from}
		case !live[from]:
			return cluster.Reason{Code: cluster.WhyLost, Node: from}
		}
		return cluster.Reason{Code: cluster.WhyTaskChanged}
	}
}

// balance computes the loads of nodes, given the node of each slot.
func (p preview) balance(of func(cluster.Slot) string) cluster.Balance {
	load, total, weights := map[string]float64{}, 0.0, 0.0
	for t, name := range p.Tasks {
		for i := range p.Target.Target[t] {
			if node := of(cluster.Slot{Task: name, Index: i}); node != "" {
				load[node] += float64(p.Specs[name].Cost())
			}
		}
	}
	b, first := cluster.Balance{}, true
	for n := range p.In.Nodes {
		node := &p.In.Nodes[n]
		if node.Gone || node.Draining {
			continue
		}
		weight := float64(max(node.Weight, 1))
		share := load[node.Name] / weight
		if first || share < b.Least {
			b.Least = share
		}
		b.Most, first = max(b.Most, share), false
		total, weights = total+load[node.Name], weights+weight
	}
	if total > 0 && weights > 0 {
		b.Mean = total / weights
		b.Skew = b.Most/b.Mean - 1
	}
	return b
}

// restarts returns the tasks whose workers all start again, by name: those of which assignments list another count.
func (p preview) restarts() []cluster.PlannedRestart {
	list := []cluster.PlannedRestart{}
	for _, task := range slices.Sorted(maps.Keys(p.survey.Barriers)) {
		spec := p.Specs[task]
		if spec.Paused || spec.WorkerNum == 0 {
			continue // they stop, and none starts again
		}
		r := cluster.PlannedRestart{Task: task, To: spec.Count(), Gap: cluster.Duration(spec.StopTimeoutOrDefault())}
		for _, memberID := range p.MemberIDs {
			rec := p.Snapshot.Peers[memberID].Assignment.Rec
			if rec == nil {
				continue
			}
			for i := range rec.Granted {
				if h := &rec.Granted[i]; h.Task == task && p.OtherCount(h) {
					r.From, _ = h.WorkerCount()
					r.Workers += len(h.Slots)
				}
			}
		}
		if r.Workers > 0 {
			list = append(list, r)
		}
	}
	return list
}
