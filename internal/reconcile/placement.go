package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// placement is who should have each slot.
type placement struct {
	*facts
	members members
	tasks   []string       // sorted
	nodes   []string       // MemberIDs in the order of the plan's nodes
	rank    map[string]int // task → row
	in      planner.Input  // what the plan is made from
	target  planner.Plan   // by tasks and nodes
}

// Constraints are what the stages before the plan have found out that binds it.
type Constraints struct {
	Recalled map[string]map[cluster.Slot]cluster.Reason // grants that must not be, by member
	// Going are slots that operators asked to be moved and that are still to go to another node, and Arrived those that are there.
	Going, Arrived map[cluster.Slot]schema.MoveRequest
	Withheld       map[cluster.Slot]bool // not to be placed
	Avoids         map[cluster.Slot]Avoid
}

// makePlacement asks the planner for a target, with the members that take work as nodes, and those that are
// gone and whose slots cannot be given away yet.
func makePlacement(f *facts, m members, bound Constraints, c *commit) *placement {
	p := &placement{facts: f, members: m, tasks: slices.Sorted(maps.Keys(f.specs))}
	p.in.Leader = p.Snapshot.LeaderPolicy()
	p.rank = make(map[string]int, len(p.tasks))
	for t, name := range p.tasks {
		p.rank[name] = t
	}
	byName := p.addNodes(c)
	for _, name := range p.tasks {
		spec := p.specs[name]
		task := planner.Task{Spec: spec, Current: slices.Repeat([]int32{planner.Nobody}, spec.WorkerNum), Token: make([]int64, spec.WorkerNum)}
		if spec.Paused {
			task.Withheld = slices.Repeat([]bool{true}, spec.WorkerNum)
		}
		p.withholdEnded(&task, name)
		p.in.Tasks = append(p.in.Tasks, task)
	}
	p.addOwners(byName, bound.Recalled)
	p.addOrdered(byName, bound)
	p.addFailed()
	p.withhold(bound.Withheld)
	p.goOn(p.Memory.Toward, byName)
	p.target, c.out.PlanFault = p.makePlans()
	p.avoidFailures(bound.Avoids)
	p.keepFailed()
	p.keepRuns(bound.Avoids)
	return p
}

// withhold leaves slots out that are not to be placed.
func (p *placement) withhold(slots map[cluster.Slot]bool) {
	for slot := range slots {
		t := &p.in.Tasks[p.rank[slot.Task]]
		if t.Withheld == nil {
			t.Withheld = make([]bool, t.Spec.WorkerNum)
		}
		t.Withheld[slot.Index], t.Current[slot.Index] = true, planner.Nobody
	}
}

// withholdEnded leaves out the slots of a run that have ended.
func (p *placement) withholdEnded(task *planner.Task, name string) {
	r := p.Snapshot.Run(name)
	if r == nil || len(r.Done) == 0 && len(r.Failed) == 0 {
		return
	}
	if task.Withheld == nil {
		task.Withheld = make([]bool, task.Spec.WorkerNum)
	}
	for index := range task.Withheld {
		task.Withheld[index] = task.Withheld[index] || r.Over(index)
	}
}

// makePlans makes the plan. What runs to its end comes and goes, and nobody else is to move for that: it is
// assigned beside the others, whose places are found without it.
func (p *placement) makePlans() (planner.Plan, *PlanFault) {
	var rows []int // of tasks that run for ever
	forEver := planner.Input{Nodes: p.in.Nodes, Leader: p.in.Leader}
	for t, name := range p.tasks {
		if !isRun(name) {
			rows = append(rows, t)
			forEver.Tasks = append(forEver.Tasks, p.in.Tasks[t])
		}
	}
	if len(rows) == len(p.tasks) {
		return makePlan(p.Planner, p.in)
	}
	first, fault := makePlan(p.Planner, forEver)
	around := p.in
	around.Tasks = slices.Clone(around.Tasks)
	for i, t := range rows {
		around.Tasks[t].Current, around.Tasks[t].Fixed = first.Target[i], true
	}
	full := fillUp(&around)
	plan, later := makePlan(p.Planner, around)
	for t, name := range p.tasks {
		if plan.Unplaced[t].Code == cluster.WhyCordoned && slices.ContainsFunc(full, func(n int) bool { return p.mayRun(n, name) }) {
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

// fillUp gives nodes on which what is fixed leaves no room for what else runs there as much as both take: nobody who executes
// something for a run loses its place for that, and nothing new comes. It returns these nodes.
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

// makePlan asks the planner, and makes do without it if it fails: a fault in it must not stop the
// cluster.
func makePlan(make func(planner.Input) planner.Plan, in planner.Input) (plan planner.Plan, fault *PlanFault) {
	defer func() {
		if r := recover(); r != nil {
			fault = &PlanFault{Error: fmt.Sprint(r), Stack: string(debug.Stack()), Input: in}
			plan = planner.Fallback(in)
		}
	}()
	if make != nil {
		return make(in), nil
	}
	return planner.Make(in), nil
}

// addNodes adds the nodes of the plan, and returns them by name.
func (p *placement) addNodes(c *commit) (byName map[string]int32) {
	for _, memberID := range p.memberIDs {
		if m := p.members[memberID]; m == active || m == lost && p.Snapshot.Peers[memberID].Assignment.Rec != nil && !p.members.isBack(p.facts, memberID) {
			p.nodes = append(p.nodes, memberID)
		}
	}
	slices.SortFunc(p.nodes, func(a, b string) int {
		return cmp.Or(cmp.Compare(p.nodeName(a), p.nodeName(b)), cmp.Compare(a, b))
	})
	byName = make(map[string]int32, len(p.nodes))
	for n, memberID := range p.nodes {
		p.in.Nodes = append(p.in.Nodes, p.node(memberID, c))
		if p.members[memberID] == active {
			byName[p.in.Nodes[n].Name] = int32(n)
		}
	}
	return byName
}

// node describes a member to the planner.
func (p *placement) node(memberID string, c *commit) planner.Node {
	node := planner.Node{Name: p.nodeName(memberID), Leader: memberID == p.Self, Gone: p.members[memberID] == lost}
	m := p.Snapshot.Peers[memberID].Member.Rec
	if m == nil {
		return node
	}
	node.Works, node.Weight, node.Capacity = m.Works, m.Weight, m.Capacity
	node.Labels = cluster.Labels{cluster.LabelNode: m.Node, cluster.LabelHost: m.Host}
	maps.Copy(node.Labels, p.Snapshot.Labels(m))
	mark := p.Snapshot.Mark(m.Node)
	node.Cordoned, node.Draining = mark.Cordoned, mark.Drain != nil || c.quarantined(p.facts, memberID)
	return node
}

// addOwners tells the planner who has each slot. What a node of the same name had before it
// came back counts as its own.
func (p *placement) addOwners(byName map[string]int32, recalled map[string]map[cluster.Slot]cluster.Reason) {
	gone := map[string]int32{}
	for n, memberID := range p.nodes {
		if p.in.Nodes[n].Gone {
			gone[memberID] = int32(n)
		}
	}
	for _, memberID := range p.memberIDs {
		rec := p.Snapshot.Peers[memberID].Assignment.Rec
		if rec == nil || p.members[memberID] == leaving {
			continue
		}
		n, known := byName[rec.Node]
		if g, is := gone[memberID]; is {
			n, known = g, true
		}
		if !known {
			continue
		}
		for i := range rec.Granted {
			p.own(&rec.Granted[i], n, p.members[memberID] == active, recalled[memberID])
		}
		for i := range rec.Releasing {
			if h := &rec.Releasing[i]; p.members[memberID] == lost || ofResize(h) {
				p.own(h, n, p.members[memberID] == active, recalled[memberID])
			}
		}
	}
}

// addOrdered counts slots that are to go to another node as that node's already: the plan then keeps them
// there like all others, and makes up for it elsewhere.
func (p *placement) addOrdered(byName map[string]int32, bound Constraints) {
	for slot, o := range bound.Going {
		t, known := p.rank[slot.Task]
		n, there := byName[o.To]
		if !known || !there || p.in.Nodes[n].Cordoned || p.in.Nodes[n].Draining {
			continue
		}
		task := &p.in.Tasks[t]
		if slot.Index >= len(task.Current) || task.Withheld != nil && task.Withheld[slot.Index] {
			continue
		}
		task.Current[slot.Index], task.Token[slot.Index] = n, stays
	}
	for slot := range bound.Arrived {
		if t, known := p.rank[slot.Task]; known && slot.Index < len(p.in.Tasks[t].Token) {
			p.in.Tasks[t].Token[slot.Index] = stays
		}
	}
}

// addFailed has others of their task leave a node before those that have failed for good on it: where such a slot goes it is
// tried again, which nobody has asked for.
func (p *placement) addFailed() {
	p.failedForGood(func(t int, slot cluster.Slot) { p.in.Tasks[t].Token[slot.Index] = stays })
}

// stays, in place of the token of its grant, keeps a slot that was ordered to a node there: others leave it first.
const stays = 0

// own makes slots a node's; those of a member at work outrank those of one that is gone.
func (p *placement) own(h *schema.SlotRange, n int32, outranks bool, recalled map[cluster.Slot]cluster.Reason) {
	t, known := p.rank[h.Task]
	if !known || !p.sameWork(h) || p.in.Tasks[t].Spec.Paused {
		return
	}
	owner := p.in.Tasks[t].Current
	held := p.in.Tasks[t].Withheld
	for _, index := range h.Slots {
		if _, is := recalled[cluster.Slot{Task: h.Task, Index: index}]; is {
			continue
		}
		if index < len(owner) && (held == nil || !held[index]) && (owner[index] == planner.Nobody || outranks) {
			owner[index], p.in.Tasks[t].Token[index] = n, h.Token
		}
	}
}

// targetOf returns the node that should have a slot, planner.Nobody if none.
func (p *placement) targetOf(slot cluster.Slot) int32 {
	t, known := p.rank[slot.Task]
	if !known || slot.Index >= len(p.target.Target[t]) {
		return planner.Nobody
	}
	return p.target.Target[t][slot.Index]
}

// targetName returns the name of the node that should have a slot, "" if none.
func (p *placement) targetName(slot cluster.Slot) string {
	if n := p.targetOf(slot); n != planner.Nobody {
		return p.in.Nodes[n].Name
	}
	return ""
}

// mayRun reports whether a node can be given a slot of a task at all.
func (p *placement) mayRun(n int, task string) bool {
	node := &p.in.Nodes[n]
	if node.Gone || node.Cordoned || node.Draining || p.in.Leader == cluster.LeaderNone && node.Leader && len(p.nodes) > 1 {
		return false
	}
	return planner.Fits(node, p.specs[task]).Code == ""
}
