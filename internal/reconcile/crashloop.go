package reconcile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A slot that kills the process that runs it must not go through the whole fleet. What a member
// had started in the minute before its crash is suspected. Suspects of one crash go on at once, of
// two they are kept apart so that the next crash tells more, of three they are held back for a
// while and then tried, of four they have failed. Who runs for a minute is cleared; and a crash
// moments after somebody started is not held against those who were there before.
const (
	crashesToPart = 2
	// probation clears a suspect; a crash after so long does not name it.
	probation = time.Minute
	// holdFor is longer, so that who was started beside a suspect is cleared before the trial.
	holdFor = probation + 10*time.Second
	// apart is for how long suspects of two crashes are not started on one node, and how long
	// before a crash a start makes all earlier ones unsuspicious.
	apart = 5 * time.Second
)

// crashLoops is what a decision makes of slots that may have taken down nodes.
type crashLoops struct {
	*facts
	suspects   map[cluster.Slot]schema.Suspect
	withheld   map[cluster.Slot]bool      // not to be placed
	probations map[cluster.Slot]Probation // replaces Memory.Probations
	changed    bool
}

// crashes returns how many crashes a slot is suspected of.
func (d *crashLoops) crashes(slot cluster.Slot) int { return len(d.suspects[slot].TookDown) }

// findCrashLoops names those who were started before a crash whose slots this decision frees, and clears who
// has been running long enough.
func findCrashLoops(f *facts, m members, c *commit) *crashLoops {
	d := &crashLoops{
		facts: f, suspects: f.Snapshot.Suspicions(), withheld: map[cluster.Slot]bool{}, probations: map[cluster.Slot]Probation{},
	}
	if d.suspects == nil {
		d.suspects = map[cluster.Slot]schema.Suspect{}
	}
	if rec := f.Snapshot.Suspects.Rec; rec != nil && !f.Snapshot.Suspects.Absent {
		stored := 0
		for _, e := range rec.Slots {
			stored += len(e.Slots)
		}
		d.changed = stored != len(d.suspects)
	}
	for _, memberID := range f.memberIDs {
		_, written := c.out.Assignments[memberID]
		freed := m[memberID] == reapable || m[memberID] == settled && written
		if assignment := f.Snapshot.Peers[memberID].Assignment.Rec; freed && assignment != nil && assignment.Closed != nil {
			d.recordCrash(assignment, c)
		}
	}
	d.clearRestarted(c)
	d.updateProbation(m, c)
	if d.changed && !c.leavesOut(PartSuspects, "") {
		c.out.Suspects = record(d.suspects)
		if rec := f.Snapshot.Suspects.Rec; rec != nil {
			c.out.Suspects.Unknown = rec.Unknown
		}
	}
	return d
}

// recordCrash adds a crash to what the slots that a closed assignment names are suspected of.
func (d *crashLoops) recordCrash(assignment *schema.Assignment, c *commit) {
	closed := assignment.Closed
	young, _ := schema.Split(closed.StartedLast60s, func(_ cluster.Slot, h *schema.SlotRange) bool { return closed.At.Sub(h.Since) < apart })
	if len(young) == 0 {
		young = closed.StartedLast60s
	}
	for slot := range schema.Each(young) {
		if spec, known := d.specs[slot.Task]; !known || slot.Index >= spec.WorkerNum {
			continue
		}
		s := d.suspects[slot]
		s.TookDown = append(slices.Clone(s.TookDown[max(0, len(s.TookDown)-schema.CrashesToFail):]), assignment.Node)
		s.Declared = d.Snapshot.Declared(slot.Task).Version
		d.suspects[slot], d.changed = s, true
		var step cluster.Step
		switch len(s.TookDown) {
		case schema.CrashesToHold:
			step = cluster.StepHold
		case schema.CrashesToFail:
			step = cluster.StepFail
		default:
			continue
		}
		c.move(cluster.Decided{Step: step, Task: slot.Task, Slots: cluster.Indexes{slot.Index}, Node: assignment.Node},
			cluster.Reason{Code: cluster.WhyCrashed, Detail: strings.Join(s.TookDown, ", ")})
	}
}

// clearRestarted forgets what slots are suspected of that no node has and that an operator wants restarted: a request without a token.
func (d *crashLoops) clearRestarted(c *commit) {
	if !d.Snapshot.Requests.Good() || c.leavesOut(PartSuspects, "") {
		return
	}
	for _, h := range d.Snapshot.Requests.Rec.Restart {
		for _, index := range h.Slots {
			slot := cluster.Slot{Task: h.Task, Index: index}
			if _, suspected := d.suspects[slot]; h.Token == 0 && suspected && !d.isGranted(slot) {
				delete(d.suspects, slot)
				d.changed = true
				c.move(cluster.Decided{Step: cluster.StepClear, Task: h.Task, Slots: cluster.Indexes{index}}, cluster.Reason{Code: cluster.WhyRestart})
			}
		}
	}
}

// updateProbation decides which suspects are held back and which are cleared.
func (d *crashLoops) updateProbation(m members, c *commit) {
	if len(d.suspects) == 0 {
		return
	}
	tokens := map[cluster.Slot]int64{}
	listed := map[cluster.Slot]bool{}
	for _, memberID := range d.memberIDs {
		if status := d.Snapshot.Peers[memberID].Status; status.Rec != nil && m.live(memberID) {
			for slot, h := range schema.Each(status.Rec.Holding) {
				tokens[slot] = h.Token
			}
		}
		if assignment := c.assignment(memberID); assignment != nil {
			for slot := range schema.Each(assignment.Granted) {
				listed[slot] = true
			}
		}
	}
	for _, slot := range slices.SortedFunc(maps.Keys(d.suspects), cluster.Slot.Compare) {
		n := d.crashes(slot)
		t := d.Memory.Probations[slot]
		if t.Crashes != n || t.Token != tokens[slot] {
			t = Probation{Crashes: n, Token: tokens[slot], At: d.Now}
		}
		switch {
		case t.Token != 0 && d.Now-t.At >= probation:
			delete(d.suspects, slot)
			d.changed = true
			c.move(
				cluster.Decided{Step: cluster.StepClear, Task: slot.Task, Slots: cluster.Indexes{slot.Index}},
				cluster.Reason{Code: cluster.WhyCleared},
			)
			continue
		case t.Token != 0:
			c.requeueAt(t.At + probation)
		case listed[slot]:
		case n >= schema.CrashesToFail:
			d.withheld[slot] = true
		case n == schema.CrashesToHold && d.Now-t.At < holdFor:
			d.withheld[slot] = true
			c.requeueAt(t.At + holdFor)
		}
		d.probations[slot] = t
	}
}

// record makes the record of who is suspected of what. If that is more than a record takes, the least is
// forgotten: those slots are suspected again at the next crash.
func record(suspects map[cluster.Slot]schema.Suspect) *schema.Suspects {
	rec := &schema.Suspects{Slots: []schema.Suspect{}}
	task := 0 // where the present task begins
	for _, slot := range slices.SortedFunc(maps.Keys(suspects), cluster.Slot.Compare) {
		s := suspects[slot]
		s.Task, s.Slots = slot.Task, cluster.Indexes{slot.Index}
		if task < len(rec.Slots) && rec.Slots[task].Task != s.Task {
			task = len(rec.Slots)
		}
		same := slices.IndexFunc(rec.Slots[task:], func(o schema.Suspect) bool {
			return o.Declared == s.Declared && o.Unknown == s.Unknown && slices.Equal(o.TookDown, s.TookDown)
		})
		if same >= 0 {
			rec.Slots[task+same].Slots = append(rec.Slots[task+same].Slots, slot.Index)
			continue
		}
		rec.Slots = append(rec.Slots, s)
	}
	rec.Limit()
	return rec
}
