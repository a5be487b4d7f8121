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

// plan asks the planner for a target, with the members that take work as nodes, and those that are
// gone and whose slots cannot be given away yet.
func (d *decider) plan() {
	d.tasks = slices.Sorted(maps.Keys(d.specs))
	d.rank = make(map[string]int, len(d.tasks))
	for t, name := range d.tasks {
		d.rank[name] = t
	}
	d.in = planner.Input{Leader: d.Snapshot.LeaderPolicy()}
	byName := d.addNodes()
	for _, name := range d.tasks {
		spec := d.specs[name]
		task := planner.Task{Spec: spec, Owner: slices.Repeat([]int32{planner.Nobody}, spec.WorkerNum), Token: make([]int64, spec.WorkerNum)}
		if spec.Paused {
			task.Held = slices.Repeat([]bool{true}, spec.WorkerNum)
		}
		d.holdOver(&task, name)
		d.in.Tasks = append(d.in.Tasks, task)
	}
	d.addOwners(byName)
	d.holdBack(d.in.Tasks)
	d.goOn(byName)
	d.target = d.makePlans()
	d.elsewhere(&d.target)
	d.stayFailed(&d.target)
	d.runsStay(&d.target)
	d.noteToward()
	for t, reason := range d.target.Unplaced {
		switch {
		case reason.Code != "":
			d.out.Unplaced[d.tasks[t]] = reason
		case d.in.Tasks[t].Spec.Paused:
			d.out.Unplaced[d.tasks[t]] = cluster.Reason{Code: cluster.WhyPaused}
		}
	}
	for _, guid := range slices.Sorted(maps.Keys(d.waiting)) {
		for _, h := range d.Snapshot.Peers[guid].Doc.Rec.Slots {
			if _, known := d.rank[h.Task]; known {
				d.out.Unplaced[h.Task] = d.waiting[guid]
			}
		}
	}
	d.explainBarriers()
}

// holdOver leaves out the slots of a run that have ended.
func (d *decider) holdOver(task *planner.Task, name string) {
	r := d.Snapshot.Run(name)
	if r == nil || len(r.Done) == 0 && len(r.Failed) == 0 {
		return
	}
	if task.Held == nil {
		task.Held = make([]bool, task.Spec.WorkerNum)
	}
	for index := range task.Held {
		task.Held[index] = task.Held[index] || r.Over(index)
	}
}

// makePlans makes the plan. What runs to its end comes and goes, and nobody else is to move for that: it is
// dealt out beside the others, whose places are found without it.
func (d *decider) makePlans() planner.Plan {
	var rows []int // of tasks that run for ever
	forEver := planner.Input{Nodes: d.in.Nodes, Leader: d.in.Leader}
	for t, name := range d.tasks {
		if _, run := cluster.SplitRun(name); run == "" {
			rows = append(rows, t)
			forEver.Tasks = append(forEver.Tasks, d.in.Tasks[t])
		}
	}
	if len(rows) == len(d.tasks) {
		return d.makePlan(d.in)
	}
	first := d.makePlan(forEver)
	around := d.in
	around.Tasks = slices.Clone(around.Tasks)
	for i, t := range rows {
		around.Tasks[t].Owner, around.Tasks[t].Fixed = first.Target[i], true
	}
	full := fillUp(&around)
	plan := d.makePlan(around)
	for t, name := range d.tasks {
		if plan.Unplaced[t].Code == cluster.WhyCordoned && slices.ContainsFunc(full, func(n int) bool { return d.mayRun(n, name) }) {
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
	slices.SortStableFunc(plan.Moves, func(a, b planner.Move) int { return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Slot, b.Slot)) })
	return plan
}

// runsStay leaves workers of runs where they are until they have ended, if they were to move for comfort alone: they would begin again.
func (d *decider) runsStay(plan *planner.Plan) {
	stays := func(m planner.Move) bool {
		_, run := cluster.SplitRun(d.tasks[m.Task])
		return run != "" && urgencies[m.Why.Code] >= forComfort
	}
	if !slices.ContainsFunc(plan.Moves, stays) {
		return
	}
	made, copied := make([]planner.Move, 0, len(plan.Moves)), map[int]bool{}
	for _, m := range plan.Moves {
		if !stays(m) {
			made = append(made, m)
			continue
		}
		if !copied[m.Task] {
			plan.Target[m.Task], copied[m.Task] = slices.Clone(plan.Target[m.Task]), true
		}
		plan.Target[m.Task][m.Slot] = m.From
	}
	plan.Moves = made
	d.seatElsewhere(plan)
}

// seatElsewhere finds other nodes for what is to begin in the room of workers of runs that stay.
func (d *decider) seatElsewhere(plan *planner.Plan) {
	load := d.loads(plan)
	for t, name := range d.tasks {
		if _, run := cluster.SplitRun(name); run == "" {
			continue
		}
		cost, copied := d.in.Tasks[t].Spec.Cost(), false
		for i, n := range plan.Target[t] {
			if n == planner.Nobody || d.in.Tasks[t].Owner[i] != planner.Nobody || d.in.Nodes[n].Capacity == 0 || load[n] <= d.in.Nodes[n].Capacity {
				continue
			}
			if !copied {
				plan.Target[t], copied = slices.Clone(plan.Target[t]), true
			}
			load[n] -= cost
			plan.Target[t][i] = planner.Nobody
			to := d.other(plan, cluster.Slot{Task: name, Index: i}, t, load)
			if plan.Target[t][i] = to; to == planner.Nobody {
				plan.Unplaced[t] = cluster.Reason{Code: cluster.WhyFull}
			} else {
				load[to] += cost
			}
		}
	}
}

// fillUp gives nodes on which what is fixed leaves no room for what else runs there as much as both take: nobody who executes
// something for a run loses its place for that, and nothing new comes. It returns these nodes.
func fillUp(in *planner.Input) (full []int) {
	load := make([]int, len(in.Nodes))
	for t := range in.Tasks {
		for _, n := range in.Tasks[t].Owner {
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
func (d *decider) makePlan(in planner.Input) (plan planner.Plan) {
	defer func() {
		if r := recover(); r != nil {
			d.out.PlanFault = &PlanFault{Error: fmt.Sprint(r), Stack: string(debug.Stack()), Input: in}
			plan = planner.Fallback(in)
		}
	}()
	if d.Planner != nil {
		return d.Planner(in)
	}
	return planner.Make(in)
}

// PlanFault is a failure of the planner, with what it was asked.
type PlanFault struct {
	Error, Stack string
	Input        planner.Input
}

// addNodes adds the nodes of the plan, and returns them by name.
func (d *decider) addNodes() (byName map[string]int32) {
	for _, guid := range d.guids {
		if f := d.fates[guid]; f == works || f == waits && d.Snapshot.Peers[guid].Doc.Rec != nil && !d.back(guid) {
			d.nodes = append(d.nodes, guid)
		}
	}
	slices.SortFunc(d.nodes, func(a, b string) int {
		return cmp.Or(cmp.Compare(d.nodeName(a), d.nodeName(b)), cmp.Compare(a, b))
	})
	byName = make(map[string]int32, len(d.nodes))
	for n, guid := range d.nodes {
		d.in.Nodes = append(d.in.Nodes, d.node(guid))
		if d.fates[guid] == works {
			byName[d.in.Nodes[n].Name] = int32(n)
		}
	}
	return byName
}

// node describes a member to the planner.
func (d *decider) node(guid string) planner.Node {
	node := planner.Node{Name: d.nodeName(guid), Leader: guid == d.Self, Gone: d.fates[guid] == waits}
	m := d.Snapshot.Peers[guid].Member.Rec
	if m == nil {
		return node
	}
	node.Works, node.Weight, node.Capacity = m.Works, m.Weight, m.Capacity
	node.Labels = cluster.Labels{cluster.LabelNode: m.Node, cluster.LabelHost: m.Host}
	maps.Copy(node.Labels, d.Snapshot.Labels(m))
	mark := d.Snapshot.Mark(m.Node)
	node.Cordoned, node.Draining = mark.Cordoned, mark.Drain != nil || d.quarantined(guid)
	return node
}

// back tells whether the node of a member that is gone has come back.
func (d *decider) back(guid string) bool {
	name := d.nodeName(guid)
	for other, f := range d.fates {
		if (f == works || f == leaves) && other != guid && d.nodeName(other) == name {
			return true
		}
	}
	return false
}

// addOwners tells the planner who has each slot. What a node of the same name had before it
// came back counts as its own.
func (d *decider) addOwners(byName map[string]int32) {
	gone := map[string]int32{}
	for n, guid := range d.nodes {
		if d.in.Nodes[n].Gone {
			gone[guid] = int32(n)
		}
	}
	for _, guid := range d.guids {
		rec := d.Snapshot.Peers[guid].Doc.Rec
		if rec == nil || d.fates[guid] == leaves {
			continue
		}
		n, known := byName[rec.Node]
		if g, is := gone[guid]; is {
			n, known = g, true
		}
		if !known {
			continue
		}
		for i := range rec.Slots {
			d.own(guid, &rec.Slots[i], n, d.fates[guid] == works)
		}
		for i := range rec.Releasing {
			if h := &rec.Releasing[i]; d.fates[guid] == waits || ofResize(h) {
				d.own(guid, h, n, d.fates[guid] == works)
			}
		}
	}
	d.ownAsOrdered(byName)
	d.ownFailed()
}

// ownAsOrdered counts slots that are to go to another node as that node's already: the plan then keeps them
// there like all others, and makes up for it elsewhere.
func (d *decider) ownAsOrdered(byName map[string]int32) {
	for slot, o := range d.moving {
		t, known := d.rank[slot.Task]
		n, there := byName[o.To]
		if !known || !there || d.in.Nodes[n].Cordoned || d.in.Nodes[n].Draining || slot.Index >= len(d.in.Tasks[t].Owner) || d.in.Tasks[t].Held != nil && d.in.Tasks[t].Held[slot.Index] {
			continue
		}
		d.in.Tasks[t].Owner[slot.Index], d.in.Tasks[t].Token[slot.Index] = n, stays
	}
	for slot := range d.moved {
		if t, known := d.rank[slot.Task]; known && slot.Index < len(d.in.Tasks[t].Token) {
			d.in.Tasks[t].Token[slot.Index] = stays
		}
	}
}

// stays, in place of the token of its grant, keeps a slot that was ordered to a node there: others leave it first.
const stays = 0

// own makes slots a node's; those of a member at work outrank those of one that is gone.
func (d *decider) own(guid string, h *schema.Held, n int32, outranks bool) {
	t, known := d.rank[h.Task]
	if !known || !d.sameWork(h) || d.in.Tasks[t].Spec.Paused {
		return
	}
	owner := d.in.Tasks[t].Owner
	held := d.in.Tasks[t].Held
	recalled := d.recalled[guid]
	for _, index := range h.Slots {
		if _, is := recalled[cluster.Slot{Task: h.Task, Index: index}]; is {
			continue
		}
		if index < len(owner) && (held == nil || !held[index]) && (owner[index] == planner.Nobody || outranks) {
			owner[index], d.in.Tasks[t].Token[index] = n, h.Token
		}
	}
}

// sameWork tells whether a grant is of the work that the task has now.
func (d *decider) sameWork(h *schema.Held) bool {
	return h.Spec == nil || cluster.WorkName(h.Spec.WorkName) == cluster.WorkName(d.specs[h.Task].WorkName)
}

// targetOf returns the node that should have a slot, planner.Nobody if none.
func (d *decider) targetOf(slot cluster.Slot) int32 {
	t, known := d.rank[slot.Task]
	if !known || slot.Index >= len(d.target.Target[t]) {
		return planner.Nobody
	}
	return d.target.Target[t][slot.Index]
}
