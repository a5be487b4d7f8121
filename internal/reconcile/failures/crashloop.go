package failures

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/members"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A worker that kills its node's process must not go through the whole fleet. The slots that a member had started in the minute
// before its crash are suspected. The treatment of a suspect depends on its crashes:
//
//   - After one crash it is granted again at once.
//   - After two, suspects are kept on different nodes, so that the next crash points to fewer of them.
//   - After three, a suspect is withheld for a while and then tried on probation.
//   - After four it has failed.
//
// A suspect that runs for a minute is cleared. If a worker was started moments before a crash, workers that had been started earlier
// are not suspected.
const (
	// CrashesToPart is the number of crashes from which on suspects are kept on different nodes.
	CrashesToPart = 2
	// ProbationPeriod clears a suspect: a crash after that time does not count against it.
	ProbationPeriod = time.Minute
	// WithholdFor is how long a suspect of three crashes is withheld. It is longer than the probation, so that workers which were
	// started at the same time as the suspect are cleared before it is tried.
	WithholdFor = ProbationPeriod + 10*time.Second
	// Apart is the least time between two starts of suspects of two crashes on one node. A start less than Apart before a crash
	// clears all earlier starts of suspicion for that crash.
	Apart = 5 * time.Second
)

// CrashLoops is a decision's findings about slots that may have taken down nodes.
type CrashLoops struct {
	*round.Facts
	Suspects   map[cluster.Slot]schema.Suspect
	Withheld   map[cluster.Slot]bool            // not to be placed
	Probations map[cluster.Slot]round.Probation // replaces Memory.Probations
	changed    bool
}

// Crashes returns the number of crashes that a slot is suspected of.
func (d *CrashLoops) Crashes(slot cluster.Slot) int { return len(d.Suspects[slot].TookDown) }

// FindCrashLoops suspects the slots that were started shortly before a crash, once this decision frees the crashed member's slots. It
// clears suspects that have run long enough, and returns which slots must not be placed.
func FindCrashLoops(f *round.Facts, m members.States, draft *round.Draft) *CrashLoops {
	d := &CrashLoops{
		Facts: f, Suspects: f.Snapshot.Suspicions(), Withheld: map[cluster.Slot]bool{}, Probations: map[cluster.Slot]round.Probation{},
	}
	if d.Suspects == nil {
		d.Suspects = map[cluster.Slot]schema.Suspect{}
	}
	if rec := f.Snapshot.Suspects.Rec; rec != nil && !f.Snapshot.Suspects.Absent {
		stored := 0
		for _, e := range rec.Slots {
			stored += len(e.Slots)
		}
		d.changed = stored != len(d.Suspects)
	}
	for _, memberID := range f.MemberIDs {
		_, written := draft.Out.Assignments[memberID]
		freed := m[memberID] == members.Reapable || m[memberID] == members.AwaitingRuns && written
		if assignment := f.Snapshot.Peers[memberID].Assignment.Rec; freed && assignment != nil && assignment.Closed != nil {
			d.recordCrash(assignment, draft)
		}
	}
	d.clearRestarted(draft)
	d.updateProbation(m, draft)
	if d.changed && !draft.Omits(round.PartSuspects, "") {
		draft.Out.Suspects = suspectsRecord(d.Suspects)
		if rec := f.Snapshot.Suspects.Rec; rec != nil {
			draft.Out.Suspects.Unknown = rec.Unknown
		}
	}
	return d
}

// recordCrash adds a crash to the suspicions of the slots that a closed assignment lists.
func (d *CrashLoops) recordCrash(assignment *schema.Assignment, draft *round.Draft) {
	closed := assignment.Closed
	young, _ := schema.Split(closed.StartedLast60s, func(_ cluster.Slot, h *schema.Claimed) bool { return closed.At.Sub(h.Since) < Apart })
	if len(young) == 0 {
		young = closed.StartedLast60s
	}
	for slot := range schema.Each(young) {
		if spec, known := d.Specs[slot.Task]; !known || slot.Index >= spec.WorkerNum {
			continue
		}
		s := d.Suspects[slot]
		s.TookDown = append(slices.Clone(s.TookDown[max(0, len(s.TookDown)-schema.CrashesToFail):]), assignment.Node)
		s.Declared = d.Snapshot.Declared(slot.Task).Version
		d.Suspects[slot], d.changed = s, true
		var step cluster.Step
		switch len(s.TookDown) {
		case schema.CrashesToWithhold:
			step = cluster.StepWithhold
		case schema.CrashesToFail:
			step = cluster.StepFail
		default:
			continue
		}
		draft.AddStep(cluster.Decided{Step: step, Task: slot.Task, Slots: cluster.Indexes{slot.Index}, Node: assignment.Node},
			cluster.Reason{Code: cluster.WhyCrashed, Detail: strings.Join(s.TookDown, ", ")})
	}
}

// clearRestarted drops the suspicions of slots that no node has and that an operator restarts: a request without a token.
func (d *CrashLoops) clearRestarted(draft *round.Draft) {
	if !d.Snapshot.Requests.Good() || draft.Omits(round.PartSuspects, "") {
		return
	}
	for _, h := range d.Snapshot.Requests.Rec.Restart {
		for _, index := range h.Slots {
			slot := cluster.Slot{Task: h.Task, Index: index}
			if _, suspected := d.Suspects[slot]; h.Token == 0 && suspected && !d.IsGranted(slot) {
				delete(d.Suspects, slot)
				d.changed = true
				draft.AddStep(
					cluster.Decided{Step: cluster.StepClear, Task: h.Task, Slots: cluster.Indexes{index}},
					cluster.Reason{Code: cluster.WhyRestart},
				)
			}
		}
	}
}

// updateProbation decides which suspects are withheld and which are cleared.
func (d *CrashLoops) updateProbation(m members.States, draft *round.Draft) {
	if len(d.Suspects) == 0 {
		return
	}
	tokens := map[cluster.Slot]int64{}
	listed := map[cluster.Slot]bool{}
	for _, memberID := range d.MemberIDs {
		if status := d.Snapshot.Peers[memberID].Status; status.Rec != nil && m.Live(memberID) {
			for slot, h := range schema.Each(status.Rec.Holding) {
				tokens[slot] = h.Token
			}
		}
		if assignment := draft.Assignment(memberID); assignment != nil {
			for slot := range schema.Each(assignment.Granted) {
				listed[slot] = true
			}
		}
	}
	for _, slot := range slices.SortedFunc(maps.Keys(d.Suspects), cluster.Slot.Compare) {
		n := d.Crashes(slot)
		t := d.Memory.Probations[slot]
		if t.Crashes != n || t.Token != tokens[slot] {
			t = round.Probation{Crashes: n, Token: tokens[slot], At: d.Now}
		}
		switch {
		case t.Token != 0 && d.Now-t.At >= ProbationPeriod:
			delete(d.Suspects, slot)
			d.changed = true
			draft.AddStep(
				cluster.Decided{Step: cluster.StepClear, Task: slot.Task, Slots: cluster.Indexes{slot.Index}},
				cluster.Reason{Code: cluster.WhyCleared},
			)
			continue
		case t.Token != 0:
			draft.RequeueAt(t.At + ProbationPeriod)
		case listed[slot]:
		case n >= schema.CrashesToFail:
			d.Withheld[slot] = true
		case n == schema.CrashesToWithhold && d.Now-t.At < WithholdFor:
			d.Withheld[slot] = true
			draft.RequeueAt(t.At + WithholdFor)
		}
		d.Probations[slot] = t
	}
}

// suspectsRecord returns the record of suspects. If the record would be too large, the least suspicious slots are dropped: they are
// suspected again at the next crash.
func suspectsRecord(suspects map[cluster.Slot]schema.Suspect) *schema.Suspects {
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
