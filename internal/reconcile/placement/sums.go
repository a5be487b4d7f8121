package placement

import (
	"slices"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/ledger"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// rows is the memory for the rows of a plan's tasks, by slot.
type rows struct {
	nodes  []int32
	tokens []int64
}

// newRows returns memory for all tasks of the plan.
func (p *Placement) newRows() *rows {
	total := 0
	for _, name := range p.Tasks {
		total += p.Specs[name].WorkerNum
	}
	owners, tokens := p.Space.Rows(total)
	return &rows{owners, tokens}
}

// next returns the rows of the next task, without any owner.
func (r *rows) next(slots int) (nodes []int32, tokens []int64) {
	nodes, tokens = r.nodes[:slots:slots], r.tokens[:slots:slots]
	r.nodes, r.tokens = r.nodes[slots:], r.tokens[slots:]
	return nodes, tokens
}

// summedOwners gives slots to the nodes that they are granted to, from the sums.
type summedOwners struct {
	*Placement
	nodes []int32 // by number of a member: the node that its slots count as slots of
}

// newSummedOwners returns nil if grants have to be looked at one by one: without sums, or if some of them must not exist.
func (p *Placement) newSummedOwners(invalid map[string]map[cluster.Slot]cluster.Reason) *summedOwners {
	if p.Sums == nil || len(invalid) > 0 {
		return nil
	}
	return &summedOwners{p, slices.Repeat([]int32{planner.Nobody}, p.Sums.Numbers())}
}

// add makes the slots that are granted to a member slots of a node. It reports false if that has to be done one by one.
func (o *summedOwners) add(memberID string, n int32) bool {
	if o == nil {
		return false
	}
	o.nodes[o.Sums.Find(memberID).Number] = n
	return true
}

// own does what Placement.own does, for all grants at once.
func (o *summedOwners) own() {
	if o == nil {
		return
	}
	for t, name := range o.Tasks {
		task, sums := &o.In.Tasks[t], o.Sums.Task(name)
		switch {
		case sums == nil || task.Spec.Paused:
		case o.Sums.IsOdd(name):
			o.ownOdd(t, name, sums)
		default:
			sums.Owners(o.nodes, task.Current, task.Token)
		}
	}
}

// ownOdd does that for a task of which some slots may be withheld, or granted with another work.
func (o *summedOwners) ownOdd(t int, name string, sums *ledger.Task) {
	task := &o.In.Tasks[t]
	for i := range task.Current {
		number, token := sums.Owner(i)
		if number == ledger.Nobody || o.nodes[number] == planner.Nobody || task.Withheld != nil && task.Withheld[i] {
			continue
		}
		granted := o.Snapshot.Peers[o.Sums.Numbered(number).ID].Assignment.Rec.Granted
		if o.SameWork(schema.Find(granted, cluster.Slot{Task: name, Index: i})) {
			task.Current[i], task.Token[i] = o.nodes[number], token
		}
	}
}
