package reconcile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
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

// Trial is what a leader remembers of a suspect: since when it is where it is.
type Trial struct {
	Crashes int
	Token   int64 // under which it runs, 0 if it does not
	At      time.Duration
}

// suspects is what a decision makes of the suspects.
type suspects struct {
	against map[cluster.Slot]schema.Suspect
	held    map[cluster.Slot]bool // not to be placed
	changed bool
}

// crashes returns how many crashes are held against a slot.
func (s *suspects) crashes(slot cluster.Slot) int { return len(s.against[slot].TookDown) }

// suspect names those who were started before a crash whose slots this decision frees, and clears who
// has been running long enough.
func (d *decider) suspect() {
	d.suspects = suspects{against: d.Snapshot.Suspicions(), held: map[cluster.Slot]bool{}}
	if d.against == nil {
		d.against = map[cluster.Slot]schema.Suspect{}
	}
	if rec := d.Snapshot.Suspects.Rec; rec != nil && !d.Snapshot.Suspects.Absent {
		stored := 0
		for _, e := range rec.Slots {
			stored += len(e.Slots)
		}
		d.changed = stored != len(d.against)
	}
	for _, guid := range d.guids {
		_, written := d.out.Docs[guid]
		if p := d.Snapshot.Peers[guid]; (d.fates[guid] == buried || d.fates[guid] == rests && written) && p.Doc.Rec != nil && p.Doc.Rec.Closed != nil {
			d.accuse(p.Doc.Rec)
		}
	}
	d.acquit()
	d.try()
	if d.changed && !d.around(PartSuspects, "") {
		d.out.Suspects = record(d.against)
		if rec := d.Snapshot.Suspects.Rec; rec != nil {
			d.out.Suspects.Unknown = rec.Unknown
		}
	}
}

// accuse adds a crash to what is held against the slots that a closed document names.
func (d *decider) accuse(doc *schema.Doc) {
	closed := doc.Closed
	young, _ := schema.Split(closed.StartedLast60s, func(_ cluster.Slot, h *schema.Held) bool { return closed.At.Sub(h.Since) < apart })
	if len(young) == 0 {
		young = closed.StartedLast60s
	}
	for slot := range schema.Each(young) {
		if spec, known := d.specs[slot.Task]; !known || slot.Index >= spec.WorkerNum {
			continue
		}
		s := d.against[slot]
		s.TookDown = append(slices.Clone(s.TookDown[max(0, len(s.TookDown)-schema.CrashesToFail):]), doc.Node)
		s.Declared = d.Snapshot.Declared(slot.Task).Version
		d.against[slot], d.changed = s, true
		var step string
		switch len(s.TookDown) {
		case schema.CrashesToHold:
			step = "hold"
		case schema.CrashesToFail:
			step = "fail"
		default:
			continue
		}
		d.move(schema.Move{Step: step, Task: slot.Task, Slots: cluster.Indexes{slot.Index}, Node: doc.Node, Why: cluster.Reason{Code: cluster.WhyCrashed, Detail: strings.Join(s.TookDown, ", ")}})
	}
}

// acquit forgets what is held against slots that no node has and that an operator wants restarted: an order without a token.
func (d *decider) acquit() {
	if !d.Snapshot.Orders.Good() || d.around(PartSuspects, "") {
		return
	}
	for _, h := range d.Snapshot.Orders.Rec.Restart {
		for _, index := range h.Slots {
			slot := cluster.Slot{Task: h.Task, Index: index}
			if _, suspected := d.against[slot]; h.Token == 0 && suspected && !d.isGranted(slot) {
				delete(d.against, slot)
				d.changed = true
				d.move(schema.Move{Step: "clear", Task: h.Task, Slots: cluster.Indexes{index}, Why: cluster.Reason{Code: cluster.WhyRestart}})
			}
		}
	}
}

// isGranted reports whether a document grants a slot: it is on trial where it is.
func (d *decider) isGranted(slot cluster.Slot) bool {
	return slices.ContainsFunc(d.guids, func(guid string) bool {
		doc := d.Snapshot.Peers[guid].Doc.Rec
		return doc != nil && schema.Find(doc.Slots, slot) != nil
	})
}

// try decides which suspects are held back and which are cleared.
func (d *decider) try() {
	if len(d.against) == 0 {
		return
	}
	tokens := map[cluster.Slot]int64{}
	listed := map[cluster.Slot]bool{}
	for _, guid := range d.guids {
		if status := d.Snapshot.Peers[guid].Status; status.Rec != nil && (d.fates[guid] == works || d.fates[guid] == leaves) {
			for slot, h := range schema.Each(status.Rec.Holding) {
				tokens[slot] = h.Token
			}
		}
		if doc := d.doc(guid); doc != nil {
			for slot := range schema.Each(doc.Slots) {
				listed[slot] = true
			}
		}
	}
	for _, slot := range slices.SortedFunc(maps.Keys(d.against), cluster.Slot.Compare) {
		n := d.crashes(slot)
		t := d.Trials[slot]
		if t.Crashes != n || t.Token != tokens[slot] {
			t = Trial{Crashes: n, Token: tokens[slot], At: d.Now}
		}
		switch {
		case t.Token != 0 && d.Now-t.At >= probation:
			delete(d.against, slot)
			d.changed = true
			d.move(schema.Move{Step: "clear", Task: slot.Task, Slots: cluster.Indexes{slot.Index}, Why: cluster.Reason{Code: cluster.WhyCleared}})
			continue
		case t.Token != 0:
			d.wake(t.At + probation)
		case listed[slot]:
		case n >= schema.CrashesToFail:
			d.held[slot] = true
		case n == schema.CrashesToHold && d.Now-t.At < holdFor:
			d.held[slot] = true
			d.wake(t.At + holdFor)
		}
		d.out.Trials[slot] = t
	}
}

// holdBack tells the planner who is not to be placed.
func (d *decider) holdBack(tasks []planner.Task) {
	for slot := range d.held {
		t := &tasks[d.rank[slot.Task]]
		if t.Held == nil {
			t.Held = make([]bool, t.Spec.WorkerNum)
		}
		t.Held[slot.Index], t.Owner[slot.Index] = true, planner.Nobody
	}
}

// seat returns the node that gets a slot: its target, or for a suspect of several crashes another
// one where no other such suspect has just been started. It returns planner.Nobody if it has to
// wait for that.
func (d *decider) seat(slot cluster.Slot, target int32, seated [][]cluster.Slot) int32 {
	if d.crashes(slot) < crashesToPart {
		return target
	}
	order := []int32{target}
	for n := range d.nodes {
		if int32(n) != target && d.mayRun(n, slot.Task) {
			order = append(order, int32(n))
		}
	}
	for _, n := range order {
		if d.settled(slot, seated[n]) {
			seated[n] = append(seated[n], slot)
			return n
		}
	}
	return planner.Nobody
}

// seated lists the suspects of several crashes that each node has.
func (d *decider) seated() [][]cluster.Slot {
	list := make([][]cluster.Slot, len(d.nodes))
	if len(d.against) == 0 {
		return list
	}
	for n, guid := range d.nodes {
		if d.in.Nodes[n].Gone {
			continue
		}
		for _, held := range [][]schema.Held{d.doc(guid).Slots, d.doc(guid).Releasing} {
			for slot := range schema.Each(held) {
				if d.crashes(slot) >= crashesToPart {
					list[n] = append(list[n], slot)
				}
			}
		}
	}
	return list
}

// settled tells whether a suspect may be started beside others.
func (d *decider) settled(slot cluster.Slot, others []cluster.Slot) bool {
	for _, other := range others {
		t := d.out.Trials[other]
		if other == slot {
			continue
		}
		if t.Token == 0 || min(d.crashes(slot), t.Crashes) >= schema.CrashesToHold {
			return false // not started yet, or cleared first: either is an event of its own
		}
		if d.Now-t.At < apart {
			d.wake(t.At + apart)
			return false
		}
	}
	return true
}

// mayRun tells whether a node can be given a slot of a task at all.
func (d *decider) mayRun(n int, task string) bool {
	node := &d.in.Nodes[n]
	if node.Gone || node.Cordoned || node.Draining || d.in.Leader == cluster.LeaderNone && node.Leader && len(d.nodes) > 1 {
		return false
	}
	return planner.Fits(node, d.specs[task]).Code == ""
}

// record makes the record of what is held against whom. If that is more than a record takes, the least is
// forgotten: those slots are suspected again at the next crash.
func record(against map[cluster.Slot]schema.Suspect) *schema.Suspects {
	rec := &schema.Suspects{Slots: []schema.Suspect{}}
	task := 0 // where the present task begins
	for _, slot := range slices.SortedFunc(maps.Keys(against), cluster.Slot.Compare) {
		s := against[slot]
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
