package assignment

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

// ask is why a slot is asked back, and who is to have it.
type ask struct {
	why cluster.Reason
	to  string // "" for nobody
}

// wish is a slot that should leave a node where it may run on.
type wish struct {
	slot    cluster.Slot
	ask     ask
	urgency int // the least first
	running bool
}

// urgencies say in which order moves get the budget.
var urgencies = map[cluster.ReasonCode]int{
	cluster.WhyDraining: 0, cluster.WhyQuarantined: 0, cluster.WhyFailing: 1, cluster.WhyNoLabel: 1, cluster.WhyNoWork: 1, cluster.WhyFull: 1, cluster.WhyPerNode: 1,
	cluster.WhyTaskChanged: 2, cluster.WhyRestart: 2, cluster.WhyLeaderFree: 3, cluster.WhyPreferred: 3,
	cluster.WhySpread: 4, cluster.WhyBalance: 5,
}

// forComfort is the urgency from which on a move only makes a good placement better.
const forComfort = 3

// choose decides which slots are asked back now: all that may not run on, and of the others as many as
// the budget allows.
func (d *decider) choose() {
	plan := map[cluster.Slot]*planner.Move{}
	for i := range d.target.Moves {
		m := &d.target.Moves[i]
		plan[cluster.Slot{Task: d.tasks[m.Task], Index: m.Slot}] = m
	}
	var wishes []wish
	for _, guid := range d.guids {
		if f := d.fates[guid]; f != works && f != leaves {
			continue
		}
		p := d.Snapshot.Peers[guid]
		for i := range p.Doc.Rec.Slots {
			wishes = d.askBack(guid, p, &p.Doc.Rec.Slots[i], plan, wishes)
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
			d.asked[w.slot] = w.ask
		}
	}
}

// askBack decides on one grant: its slots are asked back, or wished to be, or stay.
func (d *decider) askBack(guid string, p *view.Peer, h *schema.Held, plan map[cluster.Slot]*planner.Move, wishes []wish) []wish {
	spec, known := d.specs[h.Task]
	whole := cluster.Reason{} // why all of them have to leave
	run := d.Snapshot.Run(h.Task)
	_, ofRun := cluster.SplitRun(h.Task)
	switch {
	case !known && ofRun != "":
		whole.Code = cluster.WhyDone
	case !known:
		whole.Code = cluster.WhyDeleted
	case d.fates[guid] == leaves && d.drained(guid):
		whole = cluster.Reason{Code: cluster.WhyDraining, Node: d.nodeName(guid)}
	case d.fates[guid] == leaves:
		whole = cluster.Reason{Code: cluster.WhyLeaving, Node: d.nodeName(guid)}
	case spec.Paused:
		whole.Code = cluster.WhyPaused
	}
	changed := known && !d.sameWork(h)
	restart := d.toRestart(h)
	var holding *schema.Held // looked up once it is needed
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		why := whole
		if run != nil && run.Over(index) {
			why = cluster.Reason{Code: cluster.WhyDone}
		}
		if why.Code == "" && index >= spec.WorkerNum {
			why.Code = cluster.WhyScaledDown
		}
		if why.Code != "" {
			d.asked[slot] = ask{why, d.targetName(slot)}
			continue
		}
		m := plan[slot]
		switch {
		case m != nil && ofRun != "" && urgencies[m.Why.Code] >= forComfort:
			continue // it would begin again: it stays until it has ended
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
			d.asked[slot] = ask{why, ""} // it may not run here, and nowhere else
			continue
		case d.out.Blocked != "" && !changed:
			continue // it could not be granted again
		}
		holding = schema.Find(p.Status.Rec.Holding, slot)
		wishes = append(wishes, wish{slot, ask{why, d.targetName(slot)}, urgencies[why.Code], holding != nil && holding.Token == h.Token})
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
		w.Nodes, w.Changed = nodes, d.Now-quiet
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
					running[h.Task] += d.stays(h.Task, h.Slots, held.Slots)
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
		b.moving += idle
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
func (d *decider) stays(task string, granted, held cluster.Indexes) (n int) {
	for i, j := 0, 0; i < len(granted) && j < len(held); {
		switch {
		case granted[i] < held[j]:
			i++
		case granted[i] > held[j]:
			j++
		default:
			if _, asked := d.asked[cluster.Slot{Task: task, Index: granted[i]}]; !asked {
				n++
			}
			i++
			j++
		}
	}
	return n
}
