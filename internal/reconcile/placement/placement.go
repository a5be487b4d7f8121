package placement

import (
	"cmp"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Placement is the plan, the node of each slot, with its input.
type Placement struct {
	*round.Facts
	Members members.States
	Tasks   []string       // sorted
	Nodes   []string       // MemberIDs in the order of the plan's nodes
	Rank    map[string]int // task → row
	In      planner.Input  // the input of the plan
	Target  planner.Plan   // by tasks and nodes
	// KeptFromReturned is the number of slots that would move for balance to nodes that have come back, and wait.
	KeptFromReturned int
}

// Constraints are the findings of earlier stages that bind the plan.
type Constraints struct {
	Invalid map[string]map[cluster.Slot]cluster.Reason // invalid grants, by member
	// Going are slots that operators asked to move and that are not yet on their new node, and Arrived those that are.
	Going, Arrived map[cluster.Slot]schema.MoveRequest
	Withheld       map[cluster.Slot]bool // not to be placed
	Avoids         map[cluster.Slot]round.Avoid
	Back           map[string]time.Duration // the members that have come back and get free slots only
}

// Make gets a target from the planner. The nodes are the members that take work, and those that are lost or delayed, whose slots cannot
// be moved yet.
func Make(f *round.Facts, m members.States, bound Constraints, draft *round.Draft) *Placement {
	p := &Placement{Facts: f, Members: m, Tasks: slices.Sorted(maps.Keys(f.Specs))}
	p.In.Leader, p.In.Space = p.Snapshot.LeaderPolicy(), p.Space
	p.In.Tasks = p.Space.Tasks(len(p.Tasks))
	p.Rank = make(map[string]int, len(p.Tasks))
	for t, name := range p.Tasks {
		p.Rank[name] = t
	}
	byName := p.addNodes(draft)
	rows := p.newRows()
	for _, name := range p.Tasks {
		spec := p.Specs[name]
		task := planner.Task{Spec: spec}
		task.Current, task.Token = rows.next(spec.WorkerNum)
		if spec.Paused {
			task.Withheld = slices.Repeat([]bool{true}, spec.WorkerNum)
		}
		p.withholdEnded(&task, name)
		p.In.Tasks = append(p.In.Tasks, task)
	}
	p.addOwners(byName, bound.Invalid)
	p.addRequestedMoves(byName, bound)
	p.addFailed()
	p.withhold(bound.Withheld)
	p.goOn(p.Memory.Toward, byName)
	p.Target, draft.Out.PlanFault = p.makePlans()
	p.avoidFailures(bound.Avoids)
	p.keepFailed()
	p.keepRuns(bound.Avoids)
	p.KeptFromReturned = p.keepFromReturned(bound.Back, bound.Avoids)
	draft.Out.Pending += p.KeptFromReturned
	return p
}

// withhold leaves out slots that must not be placed.
func (p *Placement) withhold(slots map[cluster.Slot]bool) {
	for slot := range slots {
		t := &p.In.Tasks[p.Rank[slot.Task]]
		if t.Withheld == nil {
			t.Withheld = make([]bool, t.Spec.WorkerNum)
		}
		t.Withheld[slot.Index], t.Current[slot.Index] = true, planner.Nobody
	}
}

// withholdEnded leaves out the slots of a run that have ended.
func (p *Placement) withholdEnded(task *planner.Task, name string) {
	r := p.Snapshot.Run(name)
	if r == nil || len(r.Done) == 0 && len(r.Failed) == 0 {
		return
	}
	if task.Withheld == nil {
		task.Withheld = make([]bool, task.Spec.WorkerNum)
	}
	for index := range task.Withheld {
		task.Withheld[index] = task.Withheld[index] || r.Finished(index)
	}
}

// makePlans makes the plan in two steps: first for the tasks that run for ever, then for runs in the remaining room. Runs come and
// go, and no other worker should move for one.
func (p *Placement) makePlans() (planner.Plan, *round.PlanFault) {
	var rows []int // of tasks that run for ever
	forEver := planner.Input{Nodes: p.In.Nodes, Leader: p.In.Leader, Space: p.Space}
	if !slices.ContainsFunc(p.Tasks, round.IsRun) {
		return makePlan(p.Planner, p.In)
	}
	for t, name := range p.Tasks {
		if !round.IsRun(name) {
			rows = append(rows, t)
			forEver.Tasks = append(forEver.Tasks, p.In.Tasks[t])
		}
	}
	first, fault := makePlan(p.Planner, forEver)
	around := p.In
	around.Tasks = slices.Clone(around.Tasks)
	for i, t := range rows {
		around.Tasks[t].Current, around.Tasks[t].Fixed = first.Target[i], true
	}
	full := fillUp(&around)
	plan, later := makePlan(p.Planner, around)
	for t, name := range p.Tasks {
		if plan.Unplaced[t].Code == cluster.WhyCordoned && slices.ContainsFunc(full, func(n int) bool { return p.MayRun(n, name) }) {
			plan.Unplaced[t] = cluster.Reason{Code: cluster.WhyFull}
		}
	}
	for i, t := range rows {
		plan.Target[t], plan.Unplaced[t] = first.Target[i], first.Unplaced[i]
	}
	for _, m := range first.Moves {
		m.Task = rows[m.Task]
		plan.Moves = append(plan.Moves, m)
	}
	slices.SortStableFunc(plan.Moves, func(a, b planner.Move) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Slot, b.Slot))
	})
	return plan, cmp.Or(later, fault)
}

// fillUp finds the nodes on which the fixed slots leave no room for the existing workers of runs. It raises their capacity to what both
// take, so that no worker of a run loses its place, and cordons them, so that no new slots come. It returns them.
func fillUp(in *planner.Input) (full []int) {
	load := make([]int, len(in.Nodes))
	for t := range in.Tasks {
		for _, n := range in.Tasks[t].Current {
			if n != planner.Nobody {
				load[n] += in.Tasks[t].Spec.Cost()
			}
		}
	}
	in.Nodes = slices.Clone(in.Nodes)
	for n := range in.Nodes {
		node := &in.Nodes[n]
		if node.Capacity > 0 && load[n] > node.Capacity && !node.Gone {
			if !node.Cordoned && !node.Draining {
				full = append(full, n)
			}
			node.Capacity, node.Cordoned = load[n], true
		}
	}
	return full
}

// makePlan gets a plan from the planner. If the planner panics, it returns a fallback plan and the fault, which must not stop the
// cluster.
func makePlan(with func(planner.Input) planner.Plan, in planner.Input) (plan planner.Plan, fault *round.PlanFault) {
	defer func() {
		if r := recover(); r != nil {
			fault = &round.PlanFault{Error: fmt.Sprint(r), Stack: string(debug.Stack()), Input: in.Clone()}
			plan = planner.Fallback(in)
		}
	}()
	if with != nil {
		return with(in), nil
	}
	return planner.Make(in), nil
}

// addNodes adds the nodes of the plan, and returns them by name.
func (p *Placement) addNodes(draft *round.Draft) (byName map[string]int32) {
	nodes, byName := p.Space.Named(len(p.MemberIDs))
	for _, memberID := range p.MemberIDs {
		state := p.Members[memberID]
		retains := p.Members.Retains(memberID) && p.Snapshot.Peers[memberID].Assignment.Rec != nil && !p.Members.IsBack(p.Facts, memberID)
		if state == members.Active || retains {
			nodes = append(nodes, planner.Named{Name: p.NodeName(memberID), ID: memberID})
		}
	}
	slices.SortFunc(nodes, func(a, b planner.Named) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	p.Nodes = make([]string, len(nodes))
	for n := range nodes {
		p.Nodes[n] = nodes[n].ID
	}
	p.In.Nodes = p.Space.Nodes(len(p.Nodes))
	for n, memberID := range p.Nodes {
		p.In.Nodes = append(p.In.Nodes, p.node(memberID, draft))
		if p.Members[memberID] == members.Active {
			byName[p.In.Nodes[n].Name] = int32(n)
		}
	}
	return byName
}

// node describes a member to the planner.
func (p *Placement) node(memberID string, draft *round.Draft) planner.Node {
	node := planner.Node{Name: p.NodeName(memberID), Leader: memberID == p.Self, Gone: p.Members.Retains(memberID)}
	m := p.Snapshot.Peers[memberID].Member.Rec
	if m == nil {
		return node
	}
	node.Works, node.Weight, node.Capacity = m.Works, m.Weight, m.Capacity
	mark := p.Snapshot.Mark(m.Node)
	node.Labels = p.labels(memberID, m, mark.Labels)
	node.Cordoned, node.Draining = mark.Cordoned, mark.Drain != nil || draft.Quarantined(p.Facts, memberID)
	return node
}

// labels returns the labels of a member's node, with those that every node has. They stay with the sums until the member writes others.
func (p *Placement) labels(memberID string, m *schema.Member, changed cluster.Labels) cluster.Labels {
	var kept *ledger.Member
	if p.Sums != nil && len(changed) == 0 {
		kept = p.Sums.Find(memberID)
		if kept.LabelsOf == m {
			return kept.Labels
		}
	}
	labels := cluster.Labels{cluster.LabelNode: m.Node, cluster.LabelHost: m.Host}
	maps.Copy(labels, p.Snapshot.Labels(m))
	if kept != nil {
		kept.Labels, kept.LabelsOf = labels, m
	}
	return labels
}

// addOwners adds the node of each slot. The slots of an earlier member of a node that has returned count as the node's own.
func (p *Placement) addOwners(byName map[string]int32, invalid map[string]map[cluster.Slot]cluster.Reason) {
	retained := map[string]int32{}
	for n, memberID := range p.Nodes {
		if p.In.Nodes[n].Gone {
			retained[memberID] = int32(n)
		}
	}
	summed := p.newSummedOwners(invalid)
	for _, memberID := range p.MemberIDs {
		rec := p.Snapshot.Peers[memberID].Assignment.Rec
		if rec == nil || p.Members[memberID] == members.Leaving {
			continue
		}
		n, known := byName[rec.Node]
		g, gone := retained[memberID]
		if gone {
			n, known = g, true
		}
		if !known {
			continue
		}
		if !summed.add(memberID, n) {
			for i := range rec.Granted {
				p.own(&rec.Granted[i], n, p.Members[memberID] == members.Active, invalid[memberID])
			}
		}
		if gone && rec.Closed != nil {
			continue // what it was to give back does not wait for it
		}
		for i := range rec.Releasing {
			if h := &rec.Releasing[i]; p.Members.Retains(memberID) || round.OfResize(h) {
				p.own(h, n, p.Members[memberID] == members.Active, invalid[memberID])
			}
		}
	}
	summed.own()
}

// addRequestedMoves counts slots that are to move to another node as slots of that node: the plan then keeps them there like all
// others, and balances the others accordingly.
func (p *Placement) addRequestedMoves(byName map[string]int32, bound Constraints) {
	for slot, o := range bound.Going {
		t, known := p.Rank[slot.Task]
		n, there := byName[o.To]
		if !known || !there || p.In.Nodes[n].Cordoned || p.In.Nodes[n].Draining {
			continue
		}
		task := &p.In.Tasks[t]
		if slot.Index >= len(task.Current) || task.Withheld != nil && task.Withheld[slot.Index] {
			continue
		}
		task.Current[slot.Index], task.Token[slot.Index] = n, pinned
	}
	for slot := range bound.Arrived {
		if t, known := p.Rank[slot.Task]; known && slot.Index < len(p.In.Tasks[t].Token) {
			p.In.Tasks[t].Token[slot.Index] = pinned
		}
	}
}

// addFailed pins permanently failed slots to their nodes, so that other slots of the task leave first. A move would start a failed
// slot again, which no operator has asked for.
func (p *Placement) addFailed() {
	p.failedForGood(func(t int, slot cluster.Slot) { p.In.Tasks[t].Token[slot.Index] = pinned })
}

// pinned, in place of the token of its grant, keeps a slot on the node that it was moved to on request: others leave it first.
const pinned = 0

// own makes slots a node's; slots of an active member outrank those that a lost or delayed one retains.
func (p *Placement) own(entry schema.Entry, n int32, outranks bool, invalid map[cluster.Slot]cluster.Reason) {
	h := entry.Range()
	t, known := p.Rank[h.Task]
	if g, granted := entry.(*schema.Granted); !known || granted && !p.SameWork(g) || p.In.Tasks[t].Spec.Paused {
		return
	}
	owner := p.In.Tasks[t].Current
	withheld := p.In.Tasks[t].Withheld
	for _, index := range h.Slots {
		if _, is := invalid[cluster.Slot{Task: h.Task, Index: index}]; is {
			continue
		}
		if index < len(owner) && (withheld == nil || !withheld[index]) && (owner[index] == planner.Nobody || outranks) {
			owner[index], p.In.Tasks[t].Token[index] = n, h.Token
		}
	}
}

// TargetOf returns the node that should have a slot, planner.Nobody if none.
func (p *Placement) TargetOf(slot cluster.Slot) int32 {
	t, known := p.Rank[slot.Task]
	if !known || slot.Index >= len(p.Target.Target[t]) {
		return planner.Nobody
	}
	return p.Target.Target[t][slot.Index]
}

// TargetName returns the name of the node that should have a slot, "" if none.
func (p *Placement) TargetName(slot cluster.Slot) string {
	if n := p.TargetOf(slot); n != planner.Nobody {
		return p.In.Nodes[n].Name
	}
	return ""
}

// MayRun reports whether a node can have a slot of a task at all.
func (p *Placement) MayRun(n int, task string) bool {
	node := &p.In.Nodes[n]
	if node.Gone || node.Cordoned || node.Draining || p.In.Leader == cluster.LeaderNone && node.Leader && len(p.Nodes) > 1 {
		return false
	}
	return planner.Fits(node, p.Specs[task]).Code == ""
}
