package reconcile

import (
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// MaxDocs bounds the documents of one commit.
const MaxDocs = 90

// World is what a leader decides from: values only.
type World struct {
	Snapshot *view.Snapshot
	Self     string        // the leader's GUID
	Leaving  bool          // the leader leaves; it knows that before its status says so
	Now      time.Duration // lease clock
	Grace    time.Duration // takeoverDelay, coord.OwnTimeout for the lost member's session timeout
	Timeout  time.Duration // own session timeout, assumed where a document does not tell
	Began    time.Duration // when this leader began to lead
	WallNow  time.Time     // for schedules
	MaxDocs  int           // documents that one decision may write
	// NextToken is the least token that this leader has not given yet.
	NextToken int64
	// Looks are the members that were seen gone, and when first. With Buried it
	// and Trials it is the leader's only memory besides the snapshot, and starts empty with each
	// term.
	Looks map[string]Look
	// Buried are members that this leader has decided to bury. A document of theirs that is
	// missing was deleted by a commit whose outcome it did not learn.
	Buried map[string]bool
	// Trials are the suspects, and since when each is where it is.
	Trials map[cluster.Slot]Trial
	// Avoids are the nodes that slots do not go to, for they failed there.
	Avoids map[cluster.Slot]Avoid
	Waits  Waits
	// Left are slots that nobody has, and why they left their nodes.
	Left map[cluster.Slot]cluster.Reason
	// Stays are records that could not be removed, below the cluster's root: a hand has made keys below them.
	Stays map[string]bool
	// Around are parts of commits that are too large, and until when decisions leave them out.
	Around map[Part]time.Duration
	// KeepRuns says that runs which are over are not to be forgotten now, unless their agenda would be too large.
	KeepRuns bool
	// Planner makes the plans; nil for planner.Make.
	Planner func(planner.Input) planner.Plan
	// Unsettled says that nothing is to begin or end: somebody only looks.
	Unsettled bool
}

// Look is the first sight of a member that is gone or has to be.
type Look struct {
	At   time.Duration // when it was decided so, on the lease clock
	Doc  int64         // the version of its document then
	Wait time.Duration // from At until its slots may be given away
}

// Decision is what follows from a world. At most one of Evict and Docs is set.
type Decision struct {
	// Docs are the documents to write, nil to delete; one commit. It is valid alone: after
	// it, whoever leads may go on from the store.
	Docs  map[string]*schema.Doc
	Moves []schema.Move
	Token int64 // the next token after this commit
	// Suspects replaces the record of suspects in the same commit, nil if it stays.
	Suspects *schema.Suspects
	// Evict is a live member without a document: it is to be evicted, what it holds with it.
	Evict string
	// Forget are members of whom nothing is left, not even a document.
	Forget []string
	// Looks replaces World.Looks.
	Looks map[string]Look
	// Trials replaces World.Trials.
	Trials map[cluster.Slot]Trial
	// Waits replaces World.Waits.
	Waits Waits
	// Left replaces World.Left once this is committed.
	Left map[cluster.Slot]cluster.Reason
	// Avoids replaces World.Avoids.
	Avoids map[cluster.Slot]Avoid
	// Marks replaces those of nodes in the same commit.
	Marks map[string]*schema.Mark
	// Orders replaces the record of orders in the same commit, nil if it stays.
	Orders *schema.Orders
	// Agendas replaces those of tasks in the same commit, nil to delete; with them go the records of
	// runs that are over, new ones and those that are not kept any more.
	Agendas  map[string]*schema.Agenda
	Ran      []schema.Ran
	DropRuns []RunKey
	// Remove are records of which nothing is left to do; nothing else is in the commit then.
	Remove Removal
	// Ahead are the tasks whose schedules were decided about further than now, so that they wait: an earlier
	// leader's clock was ahead, or this one's is behind.
	Ahead []string
	// StepDown says that this leader was asked to step down.
	StepDown bool
	// Again is when to read these members again and decide anew; 0 for never.
	Again time.Duration
	Look  []string
	// Unplaced says why slots of a task have no place.
	Unplaced map[string]cluster.Reason
	// Pending is how many slots are to move and wait for the budget or for a burst of changes to end.
	Pending int
	// PlanFault is set if planning failed: the plan is a makeshift then.
	PlanFault *PlanFault
	// Doubles are the slots that several documents list, and which.
	Doubles map[cluster.Slot][]view.Holder
	// Full are nodes whose documents have no room for all that they should be granted.
	Full []string
	// More says that one commit is too small for all that is to be done.
	More bool
	// Blocked says why nothing is granted, "" if nothing stands in the way.
	Blocked string
}

// Decide is the leader's decision: what to write next. It is a pure function, called again
// after every commit and whenever something was read.
//
// A slot is granted only when no document lists it, this decision's own changes counted. It
// leaves a document's releasing list only on the word of its member, given after the release;
// and a document is deleted only when nothing of its member can run any more. A slot of a task is
// granted only while no document lists one of the task whose worker is told another count than it is.
//
// Records of runs that are over are deleted only by decisions that write no document: their checkpoints go first, one
// commit after the other, and nobody's slots are to wait for that.
func Decide(w World) Decision {
	d := decide(w)
	if len(d.Docs) > 0 && len(d.DropRuns) > 0 {
		w.KeepRuns = true
		d = decide(w)
	}
	return d
}

func decide(w World) Decision {
	d := newDecider(w)
	d.out.Token = d.nextToken()
	if d.around(PartDoc, d.out.Evict) {
		d.out.Evict = ""
	}
	if d.out.Evict != "" { // first things first: the rest is decided again after it
		d.out.Docs, d.out.Moves, d.out.Suspects = nil, nil, nil
		d.out.Agendas, d.out.Ran, d.out.DropRuns, d.out.Marks = nil, nil, nil, nil
		d.out.Left = w.Left
		return d.out
	}
	d.plan()
	d.choose()
	d.drop()
	d.grant()
	d.obey()
	d.remove()
	d.remember()
	return d.out
}

// remember keeps why slots have left their nodes until they are granted again, which may be in a later commit, or there is
// no such slot any longer.
func (d *decider) remember() {
	maps.DeleteFunc(d.left, func(slot cluster.Slot, _ cluster.Reason) bool { return slot.Index >= d.specs[slot.Task].WorkerNum })
	d.out.Left = d.left
}

// decider is one decision in the making.
type decider struct {
	World
	out   Decision
	specs map[string]cluster.TaskSpec
	guids []string
	fates map[string]fate
	suspects
	waiting map[string]cluster.Reason // members whose slots wait although they might be given away
	// barriers are the tasks of which slots of another count are listed.
	barriers map[string]*barrier

	tasks  []string       // sorted
	nodes  []string       // GUIDs in the order of the plan's nodes
	in     planner.Input  // what the plan is made from
	target planner.Plan   // by tasks and nodes
	rank   map[string]int // task → row

	moving map[cluster.Slot]schema.MoveOrder // ordered to another node
	moved  map[cluster.Slot]schema.MoveOrder // where they were ordered to, and others may have to leave for them

	unread map[string]bool // tasks whose agendas this decision has not brought up to date

	extra int // operations of the commit besides documents
	bytes int // that the documents of the commit will have, about

	specSizes map[string]int  // of tasks' specs, in bytes
	begun     map[string]bool // runs asked for by operators that there are now

	recalled map[string]map[cluster.Slot]cluster.Reason // by member: grants that must not be

	asked map[string]map[cluster.Slot]ask // by member: slots to be asked back
	left  map[cluster.Slot]cluster.Reason // why slots that are free now left their nodes
}

// nextToken returns the first token to give. The epoch tells it; but should the service lose what it
// had committed, tokens still rise above all that anybody remembers.
func (d *decider) nextToken() int64 {
	next := d.NextToken
	if rec := d.Snapshot.Epoch.Rec; rec != nil {
		next = max(next, rec.NextToken)
	}
	learn := func(token int64) {
		if schema.PlausibleToken(token) {
			next = max(next, token+1)
		}
	}
	for _, p := range d.Snapshot.Peers {
		if rec := p.Doc.Rec; rec != nil {
			for _, list := range [][]schema.Held{rec.Slots, rec.Releasing} {
				for i := range list {
					learn(list[i].Token)
				}
			}
		}
		if rec := p.Status.Rec; rec != nil {
			for i := range rec.Holding {
				learn(rec.Holding[i].Token)
			}
			learn(rec.Above)
		}
	}
	return next
}

// newDecider starts a decision: it decides what becomes of every member.
func newDecider(w World) *decider {
	d := &decider{
		World: w,
		out: Decision{
			Docs: map[string]*schema.Doc{}, Looks: map[string]Look{}, Trials: map[cluster.Slot]Trial{}, Unplaced: map[string]cluster.Reason{},
			Waits: newWaits(w.Waits), Agendas: map[string]*schema.Agenda{}, Marks: map[string]*schema.Mark{},
		},
		specSizes: map[string]int{},
		begun:     map[string]bool{},
		unread:    map[string]bool{},
		moving:    map[cluster.Slot]schema.MoveOrder{},
		moved:     map[cluster.Slot]schema.MoveOrder{},
		guids:     slices.Sorted(maps.Keys(w.Snapshot.Peers)),
		fates:     map[string]fate{},
		waiting:   map[string]cluster.Reason{},
		barriers:  map[string]*barrier{},
		asked:     map[string]map[cluster.Slot]ask{},
		recalled:  map[string]map[cluster.Slot]cluster.Reason{},
		left:      map[cluster.Slot]cluster.Reason{},
	}
	maps.Copy(d.left, w.Left)
	d.runs()
	d.specs = d.Snapshot.Specs()
	for _, guid := range d.guids {
		d.fates[guid] = d.fateOf(guid, w.Snapshot.Peers[guid])
	}
	d.wait()
	for _, guid := range d.guids {
		d.bury(guid, w.Snapshot.Peers[guid])
	}
	d.recall()
	d.findBarriers()
	d.suspect()
	d.failing()
	d.noteMoves()
	return d
}

func (d *decider) block(why string) {
	if d.out.Blocked == "" {
		d.out.Blocked = why
	}
}

func (d *decider) move(m schema.Move) { d.out.Moves = append(d.out.Moves, m) }

// doc returns a member's document as this decision leaves it, nil if it is deleted or unusable.
func (d *decider) doc(guid string) *schema.Doc {
	if doc, changed := d.out.Docs[guid]; changed {
		return doc
	}
	if p := d.Snapshot.Peers[guid]; p.Doc.Rec != nil {
		return p.Doc.Rec
	}
	return nil
}

// maxBytes is how much documents may bring into a commit. It leaves room for what else is in it, and for being
// estimated.
const maxBytes = coord.MaxCommit * 3 / 4

// full tells whether the commit has no room for another document.
func (d *decider) full() bool {
	full := len(d.out.Docs)+d.extra >= d.MaxDocs || d.bytes >= maxBytes
	d.out.More = d.out.More || full
	return full
}

// write puts a document into the commit, which grows it by about so many bytes.
func (d *decider) write(guid string, doc *schema.Doc, grows int) {
	if _, again := d.out.Docs[guid]; !again && doc != nil {
		d.bytes += d.Snapshot.Peers[guid].Doc.Size
	}
	d.bytes += grows
	d.out.Docs[guid] = doc
}

// drop takes slots out of documents: it asks them back from members that should not have them,
// frees those that were given back, and lists those that a hand took out while they ran. Nobody has to agree to a drop, so it is always valid.
func (d *decider) drop() {
	for _, guid := range d.guids {
		if f := d.fates[guid]; f != works && f != leaves {
			continue
		}
		if d.full() {
			return
		}
		if d.around(PartDoc, guid) {
			continue
		}
		p := d.Snapshot.Peers[guid]
		doc, version := *p.Doc.Rec, p.Doc.Version+1
		freed, kept := schema.Split(doc.Releasing, func(slot cluster.Slot, h *schema.Held) bool {
			return d.stopped(guid, slot, h) && !d.keeps(guid, h) && !d.awaitsAgenda(slot)
		})
		doc.Releasing = nonNil(kept)
		asked, changed := d.askFor(guid, &doc, version)
		adopted := doc.Adopt(p.Status.Rec.Holding, version)
		if len(freed) == 0 && len(asked) == 0 && len(adopted) == 0 && !changed {
			continue
		}
		const reason = 120 // bytes that an entry takes more when it is asked back
		d.write(guid, &doc, reason*(len(asked)+2*len(adopted)))
		for _, h := range adopted {
			d.move(schema.Move{Step: "release", Task: h.Task, Slots: h.Slots, Node: doc.Node, Token: h.Token, Why: *h.Why})
		}
		for _, e := range asked {
			d.move(schema.Move{Step: "release", Task: e.Task, Slots: e.Slots, Node: doc.Node, To: e.to, Token: e.Token, Why: *e.Why})
		}
		for _, h := range freed {
			why := cluster.Reason{Code: cluster.WhyUnlisted, Node: doc.Node} // unless its entry says more
			if h.Why != nil {
				why = *h.Why
			}
			d.move(schema.Move{Step: "free", Task: h.Task, Slots: h.Slots, Node: doc.Node, Token: h.Token, Why: why})
			d.leaveFor(h, why)
		}
	}
}

// stopped reports whether a member that was asked to give a slot back has said since that it does not hold it.
func (d *decider) stopped(guid string, slot cluster.Slot, h *schema.Held) bool {
	status := d.Snapshot.Peers[guid].Status.Rec
	return status.Applied >= h.Version && schema.Find(status.Holding, slot) == nil
}

// leaveFor remembers why slots that are free now left their node.
func (d *decider) leaveFor(h schema.Held, why cluster.Reason) {
	for _, index := range h.Slots {
		d.left[cluster.Slot{Task: h.Task, Index: index}] = why
	}
}

// refresh gives grants their task's present spec; what their workers were told of their number stays. The list is
// copied if one changes.
func (d *decider) refresh(list []schema.Held) (fresh []schema.Held, changed bool) {
	for i := range list {
		t, known := d.rank[list[i].Task]
		if !known || *list[i].Spec == d.in.Tasks[t].Spec {
			continue
		}
		if !changed {
			list, changed = slices.Clone(list), true
		}
		count, _ := list[i].Told()
		spec := d.in.Tasks[t].Spec
		list[i].Count, list[i].Spec = &count, &spec
	}
	return list, changed
}

// Reasons says why slots of tasks have no place, by task, where there is more to say than that
// they are on their way.
func Reasons(s *view.Snapshot) map[string]cluster.Reason {
	return present(s).out.Unplaced
}

func nonNil(list []schema.Held) []schema.Held {
	if list == nil {
		return []schema.Held{}
	}
	return list
}
