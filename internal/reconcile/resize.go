package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A grant tells its worker how many workers the task has, and workers divide keys by that. Two counts at a time
// would give keys two owners, or none. So a changed count is a barrier: all slots of the old count are asked back
// together, whatever the budget of moves, and none is granted with the new one while a document lists one of the
// old. Nothing is remembered: what documents list says how far it is, to every leader.
//
// What was asked back for it stays in its document until all have stopped, so that the plan knows where each slot
// was, and it starts again there.

// barrier is what keeps a task from its new count.
type barrier struct {
	left        []string       // the slots of another count that may run still, and where
	unreachable bool           // one of them is a member's that cannot be asked
	lost        bool           // one of them is a member's that is lost, for people
	delay       cluster.Reason // why what a lost member has is not given away, though nothing of it runs; zero if it will be
}

// over reports whether no worker of another count runs any longer.
func (b *barrier) over() bool { return len(b.left) == 0 }

// otherCount reports whether the workers of an entry are told another count than those that are granted now.
// Where the record does not say what they are told, it may be another one. Runs keep the count they began with.
func (d *decider) otherCount(h *schema.Held) bool {
	spec, known := d.specs[h.Task]
	if _, run := cluster.SplitRun(h.Task); !known || run != "" {
		return false
	}
	count, told := h.Told()
	return !told || count != spec.Count()
}

// findBarriers finds the tasks of which a document lists slots of another count, once it is decided which
// documents this commit deletes.
func (d *decider) findBarriers() {
	for _, guid := range d.guids {
		doc := d.doc(guid)
		if doc == nil {
			continue
		}
		for i := range doc.Slots {
			d.addToBarrier(guid, &doc.Slots[i], false)
		}
		for i := range doc.Releasing {
			d.addToBarrier(guid, &doc.Releasing[i], true)
		}
		for _, h := range d.unlisted(guid, doc) {
			d.addToBarrier(guid, &h, false)
		}
	}
}

// unlisted returns what a live member holds and its document does not list.
func (d *decider) unlisted(guid string, doc *schema.Doc) []schema.Held {
	if p := d.Snapshot.Peers[guid]; p.Live() && p.Status.Rec != nil {
		return doc.Unlisted(p.Status.Rec.Holding)
	}
	return nil
}

func (d *decider) addToBarrier(guid string, h *schema.Held, asked bool) {
	if !d.otherCount(h) {
		return
	}
	b := d.barriers[h.Task]
	if b == nil {
		b = &barrier{}
		d.barriers[h.Task] = b
	}
	present := d.fates[guid] == works || d.fates[guid] == leaves
	for _, index := range h.Slots {
		slot := cluster.Slot{Task: h.Task, Index: index}
		if present && asked && d.stopped(guid, slot, h) {
			continue
		}
		where := d.nodeName(guid)
		switch {
		case !present && closedClean(d.Snapshot.Peers[guid]):
			b.unreachable = true
			where += " (left)"
		case !present:
			b.unreachable, b.lost = true, true
			if why, delayed := d.waiting[guid]; delayed {
				b.delay = why
			}
			where += " (" + string(cluster.WorkerLost) + ")"
		case d.Snapshot.Peers[guid].Silent:
			b.lost = true
			where += " (" + string(cluster.WorkerLost) + ")"
		case d.isStuck(guid, slot):
			where += " (" + string(cluster.WorkerStuck) + ")"
		}
		b.left = append(b.left, slot.String()+" on "+where)
	}
}

func (d *decider) isStuck(guid string, slot cluster.Slot) bool {
	for _, w := range d.Snapshot.Peers[guid].Status.Rec.Workers {
		if w.Slot == slot {
			return w.State == cluster.WorkerStuck
		}
	}
	return false
}

// toResize reports whether the slots of an entry are to be asked back for another count. While a member that has
// some of the old count cannot be asked, or nothing may be granted, the others run on: they would stop for nothing.
func (d *decider) toResize(h *schema.Held) bool {
	return d.otherCount(h) && !d.barriers[h.Task].unreachable && d.out.Blocked == ""
}

// resized says why the slots of an entry are asked back for another count.
func (d *decider) resized(h *schema.Held) cluster.Reason {
	why := cluster.Reason{Code: cluster.WhyResized}
	switch was, told := h.Told(); {
	case !told:
	case d.specs[h.Task].Count() == 0:
		why.Detail = "workers are no longer told how many there are"
	case was == 0:
		why.Detail = "workers are now told how many there are"
	}
	return why
}

// keeps reports whether an entry that was given back stays listed until the last slot of the old count has been. Who
// leaves or is drained does not wait for that: nothing starts there again. Nor does anybody while a delay or a freeze, which
// may last long, holds what a lost member had: these slots go on with the old count, and restart once it is over.
func (d *decider) keeps(guid string, h *schema.Held) bool {
	b := d.barriers[h.Task]
	stays := d.fates[guid] == works && d.Snapshot.Mark(d.nodeName(guid)).Drain == nil
	return b != nil && !b.over() && ofResize(h) && stays && b.delay.Code == ""
}

// ofResize reports whether an entry was asked back for another count.
func ofResize(h *schema.Held) bool { return h.Why != nil && h.Why.Code == cluster.WhyResized }

// barred returns the tasks of which no slot may be granted with the new count: as this decision leaves the documents, one
// of them lists a slot of another count, or a member holds one that none lists. While a barrier may not begin, for a member that has some of the old count cannot
// be asked, free slots go on with the old count, which is returned. It is 0 where nothing may be granted: the barrier is
// under way, or not all of these are told the same.
func (d *decider) barred() map[string]int {
	counts, barred := map[string]int{}, map[string]int{}
	for _, guid := range d.guids {
		doc := d.doc(guid)
		if doc == nil {
			continue
		}
		for _, list := range [][]schema.Held{doc.Slots, doc.Releasing, d.unlisted(guid, doc)} {
			for i := range list {
				h := &list[i]
				count, told := h.Told()
				if old, seen := counts[h.Task]; !told || seen && old != count {
					count = 0 // and it stays so
				}
				if counts[h.Task] = count; d.otherCount(h) {
					barred[h.Task] = 0
				}
			}
		}
	}
	for task := range barred {
		if b := d.barriers[task]; b != nil && b.unreachable {
			barred[task] = counts[task]
		}
	}
	return barred
}

// explainBarriers says what tasks wait for that are to have another count.
func (d *decider) explainBarriers() {
	for task, b := range d.barriers {
		if !b.over() && !d.specs[task].Paused && d.specs[task].WorkerNum > 0 {
			d.out.Unplaced[task] = cluster.Reason{Code: cluster.WhyResizing, Detail: b.String()}
		}
	}
}

// restarts returns the tasks whose workers all start again, by name: those of which documents list another count.
func (p preview) restarts() []cluster.PlannedRestart {
	list := []cluster.PlannedRestart{}
	for _, task := range slices.Sorted(maps.Keys(p.barriers)) {
		spec := p.specs[task]
		if spec.Paused || spec.WorkerNum == 0 {
			continue // they stop, and none starts again
		}
		r := cluster.PlannedRestart{Task: task, To: spec.Count(), Gap: cluster.Duration(spec.Grace())}
		for _, guid := range p.guids {
			rec := p.Snapshot.Peers[guid].Doc.Rec
			if rec == nil {
				continue
			}
			for i := range rec.Slots {
				if h := &rec.Slots[i]; h.Task == task && p.otherCount(h) {
					r.From, _ = h.Told()
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

// maxNamed bounds how many slots a reason names.
const maxNamed = 3

// String says what is waited for.
func (b *barrier) String() string {
	workers := "workers"
	if len(b.left) == 1 {
		workers = "worker"
	}
	names := strings.Join(b.left[:min(len(b.left), maxNamed)], ", ")
	if more := len(b.left) - maxNamed; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	text := fmt.Sprintf("%d %s of the old count to stop: %s", len(b.left), workers, names)
	switch {
	case b.delay.Code != "":
		text += "; " + b.delay.Detail + "; `xconsumer move-now` ends the wait"
	case b.lost:
		text += "; those of a lost node are granted elsewhere when its session has ended"
	}
	return text
}
