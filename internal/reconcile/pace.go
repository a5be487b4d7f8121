package reconcile

import (
	"cmp"
	"slices"
	"strings"
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

// ask is why a slot is asked back, and who is to have it.
type ask struct {
	why cluster.Reason
	to  string // "" for nobody
}

// wish is a slot that should leave a node where it may run on.
type wish struct {
	guid    string
	slot    cluster.Slot
	ask     ask
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

// choose decides which slots are asked back now: all that may not run on, and of the others as many as
// the budget allows.
func (d *decider) choose() {
	plan := map[string]map[int]*planner.Move{} // by task and slot
	for i := range d.target.Moves {
		m := &d.target.Moves[i]
		task := d.tasks[m.Task]
		if plan[task] == nil {
			plan[task] = map[int]*planner.Move{}
		}
		plan[task][m.Slot] = m
	}
	d.askRecalled()
	var wishes []wish
	for _, guid := range d.guids {
		if f := d.fates[guid]; f != works && f != leaves {
			continue
		}
		p := d.Snapshot.Peers[guid]
		for i := range p.Doc.Rec.Slots {
			h := &p.Doc.Rec.Slots[i]
			wishes = d.askBack(guid, p, h, plan[h.Task], wishes)
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int { return cmp.Compare(a.urgency, b.urgency) })
	hold := d.burst()
	b := d.budget()
	for _, w := range wishes {
		switch {
		case hold && w.urgency >= forComfort, !b.allows(w):
			d.out.Pending++
		default:
			d.ask(w.guid, w.slot, w.ask)
		}
	}
}

// ask notes that a slot is asked back from a member.
func (d *decider) ask(guid string, slot cluster.Slot, a ask) {
	if d.asked[guid] == nil {
		d.asked[guid] = map[cluster.Slot]ask{}
	}
	d.asked[guid][slot] = a
}

// askBack decides on one grant: its slots are asked back, or wished to be, or stay.
func (d *decider) askBack(guid string, p *view.Peer, h *schema.Held, plan map[int]*planner.Move, wishes []wish) []wish {
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
	case d.fates[guid] == leaves && d.drained(guid):
		whole = cluster.Reason{Code: cluster.WhyDraining, Node: d.nodeName(guid)}
	case d.fates[guid] == leaves:
		whole = cluster.Reason{Code: cluster.WhyLeaving, Node: d.nodeName(guid)}
	case spec.Paused:
		whole.Code = cluster.WhyPaused
	case d.toResize(h):
		whole = d.resized(h)
	}
	changed := known && !d.sameWork(h)
	restart := d.toRestart(h)
	if whole.Code == "" && run == nil && !changed && restart == nil && len(plan) == 0 && len(d.moving) == 0 && (len(h.Slots) == 0 || slices.Max(h.Slots) < spec.WorkerNum) {
		return wishes // all of them stay
	}
	var holding *schema.Held // looked up once it is needed
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		if _, asked := d.asked[guid][slot]; asked {
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
			d.ask(guid, slot, ask{why, d.targetName(slot)})
			continue
		}
		m := plan[index]
		order, moving := d.moving[slot]
		switch {
		case moving && d.targetName(slot) == d.nodeName(guid):
			continue // the plan has changed since: it stays
		case moving && d.targetName(slot) == order.To:
			why.Code = cluster.WhyMoved
		case m != nil:
			if why = m.Why; why.Code == cluster.WhyDraining && d.quarantined(guid) {
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
		case to != planner.Nobody && d.crashes(slot) >= crashesToPart:
			continue // a suspect stays where it is until it is cleared
		case m != nil && to == planner.Nobody:
			d.ask(guid, slot, ask{why, ""}) // it may not run here, and nowhere else
			continue
		case (d.out.Blocked != "" || d.barriers[h.Task] != nil) && !changed:
			continue // it could not be granted again
		}
		holding = schema.Find(p.Status.Rec.Holding, slot)
		wishes = append(wishes, wish{guid, slot, ask{why, d.targetName(slot)}, urgencies[why.Code], holding != nil && holding.Token == h.Token})
	}
	return wishes
}

func (d *decider) targetName(slot cluster.Slot) string {
	if n := d.targetOf(slot); n != planner.Nobody {
		return d.in.Nodes[n].Name
	}
	return ""
}

// burst tells whether nodes come and go so fast that moves for comfort wait.
func (d *decider) burst() bool {
	var live []string
	for n, guid := range d.nodes {
		if !d.in.Nodes[n].Gone {
			live = append(live, guid)
		}
	}
	w := &d.out.Waits
	switch nodes := strings.Join(live, " "); {
	case w.Nodes == "": // a new leader
		w.Nodes, w.Changed = nodes, d.Now-max(quiet, gatherMany)
	case nodes != w.Nodes:
		if d.Now < w.Changed+quiet && w.Held == 0 {
			w.Held = d.Now
		}
		w.Nodes, w.Changed = nodes, d.Now
	}
	if w.Held == 0 {
		return false
	}
	until := min(w.Changed+quiet, w.Held+maxHold)
	if d.Now < until {
		d.wake(until)
		return true
	}
	w.Held = 0
	return false
}

// gathers tells whether grants wait for more nodes to come.
func (d *decider) gathers(free [][]schema.Held) bool {
	w := &d.out.Waits
	if !slices.ContainsFunc(free, func(list []schema.Held) bool { return len(list) > 0 }) || d.anythingGranted() {
		w.Gathers = 0
		return false
	}
	if w.Gathers == 0 {
		w.Gathers = d.Now
	}
	gather := gatherOne
	if len(d.nodes) > 1 {
		gather = gatherMany
	}
	until := min(max(d.Began, w.Changed)+gather, w.Gathers+maxGather)
	if d.Now >= until {
		return false
	}
	d.wake(until)
	return true
}

// anythingGranted tells whether any document lists a slot, also of members that are being buried.
func (d *decider) anythingGranted() bool {
	for _, p := range d.Snapshot.Peers {
		if rec := p.Doc.Rec; rec != nil && len(rec.Slots)+len(rec.Releasing) > 0 {
			return true
		}
	}
	return false
}

// budget is what may still be set in motion.
type budget struct {
	moving, most int            // slots in motion, and how many may be; most is 0 without limit
	out          map[string]int // by task with a limit: how many more of its workers may be out of work
}

// budget counts what is in motion: what was asked back and is not confirmed stopped, what was
// granted and is not claimed yet, and what runs nowhere although it has a place.
func (d *decider) budget() *budget {
	b := &budget{most: d.Snapshot.Moving().MaxMoving, out: map[string]int{}}
	limited := b.most > 0
	for _, name := range d.tasks {
		limited = limited || d.specs[name].MaxUnavailable > 0
	}
	if !limited {
		return b
	}
	running := make(map[string]int, len(d.tasks))
	for _, guid := range d.guids {
		if f := d.fates[guid]; f != works && f != leaves {
			continue
		}
		p := d.Snapshot.Peers[guid]
		for i := range p.Doc.Rec.Slots {
			h := &p.Doc.Rec.Slots[i]
			for _, held := range p.Status.Rec.Holding {
				if held.Task == h.Task && held.Token == h.Token {
					running[h.Task] += d.stays(guid, h.Task, h.Slots, held.Slots)
				}
			}
		}
	}
	for t, name := range d.tasks {
		placed := 0
		for _, n := range d.target.Target[t] {
			if n != planner.Nobody {
				placed++
			}
		}
		idle := max(placed-running[name], 0)
		if d.barriers[name] == nil { // all of them stop together, and take nobody else's turn
			b.moving += idle
		}
		if most := d.specs[name].MaxUnavailable; most > 0 {
			b.out[name] = most - idle
		}
	}
	return b
}

// allows tells whether a slot may be set in motion, and counts it.
func (b *budget) allows(w wish) bool {
	if !w.running {
		return true // it is in motion already
	}
	out, limited := b.out[w.slot.Task]
	if b.most > 0 && b.moving >= b.most || limited && out <= 0 {
		return false
	}
	b.moving++
	if limited {
		b.out[w.slot.Task] = out - 1
	}
	return true
}

// stays counts the slots that are granted and held, and not asked back already.
func (d *decider) stays(guid, task string, granted, held cluster.Indexes) (n int) {
	for i, j := 0, 0; i < len(granted) && j < len(held); {
		switch {
		case granted[i] < held[j]:
			i++
		case granted[i] > held[j]:
			j++
		default:
			if _, asked := d.asked[guid][cluster.Slot{Task: task, Index: granted[i]}]; !asked {
				n++
			}
			i++
			j++
		}
	}
	return n
}
