package assignment

import (
	"cmp"
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

// maxDoc bounds what a document is let grow to by grants, in bytes. It leaves room for what else
// is written into it, which must never fail for its size.
const maxDoc = coord.MaxValue * 3 / 4

// World is what a leader decides from: values only.
type World struct {
	Snapshot *view.Snapshot
	Self     string        // the leader's GUID
	Now      time.Duration // lease clock
	Grace    time.Duration // takeoverDelay
	Timeout  time.Duration // own session timeout, assumed where a document does not tell
	MaxDocs  int           // documents that one decision may write
	// Looks are the members that were seen gone, and when first. With Buried it
	// and Trials it is the leader's only memory besides the snapshot, and starts empty with each
	// term.
	Looks map[string]Look
	// Buried are members that this leader has decided to bury. A document of theirs that is
	// missing was deleted by a commit whose outcome it did not learn.
	Buried map[string]bool
	// Trials are the suspects, and since when each is where it is.
	Trials map[cluster.Slot]Trial
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
	// Again is when to read these members again and decide anew; 0 for never.
	Again time.Duration
	Look  []string
	// Unplaced says why slots of a task have no place.
	Unplaced map[string]planner.Reason
	// Full are nodes whose documents have no room for all that they should be granted.
	Full []string
	// Blocked says why nothing is granted, "" if nothing stands in the way.
	Blocked string
}

// Decide is the leader's decision: what to write next. It is a pure function, called again
// after every commit and whenever something was read.
//
// A slot is granted only when no document lists it, this decision's own changes counted. It
// leaves a document's releasing list only on the word of its member, given after the release;
// and a document is deleted only when nothing of its member can run any more.
func Decide(w World) Decision {
	d := newDecider(w)
	d.out.Token = w.Snapshot.Epoch.Rec.NextToken
	if d.out.Evict != "" { // first things first: the rest is decided anew after it
		d.out.Docs, d.out.Moves, d.out.Suspects = nil, nil, nil
		return d.out
	}
	d.plan()
	d.drop()
	d.grant()
	return d.out
}

// decider is one decision in the making.
type decider struct {
	World
	out   Decision
	specs map[string]cluster.TaskSpec
	guids []string
	fates map[string]fate
	suspects

	tasks  []string       // sorted
	nodes  []string       // GUIDs in the order of the plan's nodes
	target planner.Plan   // by tasks and nodes
	rank   map[string]int // task → row
}

// newDecider starts a decision: it decides what becomes of every member.
func newDecider(w World) *decider {
	d := &decider{
		World: w,
		out: Decision{
			Docs: map[string]*schema.Doc{}, Looks: map[string]Look{}, Trials: map[cluster.Slot]Trial{}, Unplaced: map[string]planner.Reason{},
		},
		specs: w.Snapshot.Specs(),
		guids: slices.Sorted(maps.Keys(w.Snapshot.Peers)),
		fates: map[string]fate{},
	}
	for _, guid := range d.guids {
		d.judge(guid, w.Snapshot.Peers[guid])
	}
	d.suspect()
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

func (d *decider) write(guid string, doc *schema.Doc) {
	d.out.Docs[guid] = doc
}

// plan asks the planner for a target, with the members that take work as nodes.
func (d *decider) plan() {
	d.tasks = slices.Sorted(maps.Keys(d.specs))
	d.rank = make(map[string]int, len(d.tasks))
	for t, name := range d.tasks {
		d.rank[name] = t
	}
	in := planner.Input{Leader: d.Snapshot.LeaderPolicy()}
	for _, guid := range d.guids {
		if d.fates[guid] == works {
			d.nodes = append(d.nodes, guid)
		}
	}
	slices.SortFunc(d.nodes, func(a, b string) int {
		return cmp.Or(cmp.Compare(d.nodeName(a), d.nodeName(b)), cmp.Compare(a, b))
	})
	byName := make(map[string]int, len(d.nodes))
	for n, guid := range d.nodes {
		m := d.Snapshot.Peers[guid].Member.Rec
		in.Nodes = append(in.Nodes, planner.Node{Name: m.Node, Works: m.Works, Leader: guid == d.Self})
		byName[m.Node] = n
	}
	for _, name := range d.tasks {
		spec := d.specs[name]
		task := planner.Task{Spec: spec, Owner: make([]int, spec.WorkerNum)}
		for i := range task.Owner {
			task.Owner[i] = planner.Nobody
		}
		in.Tasks = append(in.Tasks, task)
	}
	d.addOwners(in, byName)
	d.holdBack(in.Tasks)
	d.target = planner.Make(in)
	for t, reason := range d.target.Unplaced {
		if reason != "" {
			d.out.Unplaced[d.tasks[t]] = reason
		}
	}
}

// addOwners tells the planner who has each slot. What a node of the same name had before it
// came back counts as its own.
func (d *decider) addOwners(in planner.Input, byName map[string]int) {
	for _, guid := range d.guids {
		rec := d.Snapshot.Peers[guid].Doc.Rec
		if rec == nil || d.fates[guid] == leaves {
			continue
		}
		n, ok := byName[rec.Node]
		if !ok {
			continue
		}
		for slot, h := range schema.Each(rec.Slots) {
			t, known := d.rank[slot.Task]
			if !known || slot.Index >= len(in.Tasks[t].Owner) || !d.sameWork(h) {
				continue
			}
			if owner := &in.Tasks[t].Owner[slot.Index]; *owner == planner.Nobody || d.fates[guid] == works {
				*owner = n
			}
		}
	}
}

// sameWork tells whether a grant is of the work that the task has now.
func (d *decider) sameWork(h *schema.Held) bool {
	return h.Spec == nil || cluster.WorkName(h.Spec.WorkName) == cluster.WorkName(d.specs[h.Task].WorkName)
}

// targetOf returns the member that should have a slot, "" if none.
func (d *decider) targetOf(slot cluster.Slot) string {
	t, known := d.rank[slot.Task]
	if !known || slot.Index >= len(d.target.Target[t]) || d.target.Target[t][slot.Index] == planner.Nobody {
		return ""
	}
	return d.nodes[d.target.Target[t][slot.Index]]
}

// drop takes slots out of documents: it asks them back from members that should not have them,
// and frees those that were given back. Nobody has to agree to a drop, so it is always valid.
func (d *decider) drop() {
	for _, guid := range d.guids {
		if f := d.fates[guid]; f != works && f != leaves {
			continue
		}
		if len(d.out.Docs) == d.MaxDocs {
			return
		}
		p := d.Snapshot.Peers[guid]
		doc, version := *p.Doc.Rec, p.Doc.Version+1
		freed, kept := schema.Split(doc.Releasing, func(slot cluster.Slot, h *schema.Held) bool {
			return p.Status.Rec.Applied >= h.Version && schema.Find(p.Status.Rec.Holding, slot) == nil
		})
		asked, stay := schema.Split(doc.Slots, func(slot cluster.Slot, h *schema.Held) bool {
			return d.asksBack(guid, slot, h)
		})
		refreshed := d.refresh(stay)
		if len(freed) == 0 && len(asked) == 0 && !refreshed {
			continue
		}
		doc.Slots = nonNil(stay)
		doc.Releasing = nonNil(append(kept, releasing(asked, version)...))
		d.write(guid, &doc)
		for _, h := range asked {
			d.move(schema.Move{Step: "release", Task: h.Task, Slots: h.Slots, Node: doc.Node, Token: h.Token, Reason: d.releaseReason(guid, &h)})
		}
		for _, h := range freed {
			d.move(schema.Move{Step: "free", Task: h.Task, Slots: h.Slots, Node: doc.Node, Token: h.Token})
		}
	}
}

// asksBack tells whether a member should give a slot back. One that is to be moved stays
// where it is while nothing may be granted.
func (d *decider) asksBack(guid string, slot cluster.Slot, h *schema.Held) bool {
	spec, known := d.specs[slot.Task]
	if !known || slot.Index >= spec.WorkerNum || !d.sameWork(h) || d.fates[guid] == leaves {
		return true
	}
	to := d.targetOf(slot)
	if to == guid || to != "" && d.crashes(slot) >= crashesToPart {
		return false // a suspect stays where it is until it is cleared
	}
	return to == "" || d.out.Blocked == ""
}

func (d *decider) releaseReason(guid string, h *schema.Held) string {
	spec, known := d.specs[h.Task]
	switch {
	case d.fates[guid] == leaves:
		return "node is leaving"
	case !known:
		return "task was deleted"
	case h.Slots[len(h.Slots)-1] >= spec.WorkerNum:
		return "task was scaled down"
	case !d.sameWork(h):
		return "task changed"
	}
	return "balance"
}

// refresh gives grants their task's present spec.
func (d *decider) refresh(list []schema.Held) (changed bool) {
	for i := range list {
		if spec, known := d.specs[list[i].Task]; known && *list[i].Spec != spec {
			list[i].Spec = &spec
			changed = true
		}
	}
	return changed
}

// grant gives free slots to their targets, as far as one commit goes.
func (d *decider) grant() {
	if d.out.Blocked != "" {
		return
	}
	taken := map[cluster.Slot]bool{}
	for _, guid := range d.guids {
		if doc := d.doc(guid); doc != nil {
			for slot := range schema.Each(doc.Slots) {
				taken[slot] = true
			}
			for slot := range schema.Each(doc.Releasing) {
				taken[slot] = true
			}
		}
	}
	seated := d.seated()
	free := make([][]schema.Held, len(d.nodes)) // by node, without tokens
	for t, name := range d.tasks {
		spec := d.specs[name]
		for i, n := range d.target.Target[t] {
			slot := cluster.Slot{Task: name, Index: i}
			if n == planner.Nobody || taken[slot] {
				continue
			}
			if n = d.seat(slot, n, seated); n == planner.Nobody {
				continue
			}
			if last := len(free[n]) - 1; last >= 0 && free[n][last].Task == name {
				free[n][last].Slots = append(free[n][last].Slots, i)
			} else {
				free[n] = append(free[n], schema.Held{Task: name, Slots: cluster.Indexes{i}, Spec: &spec})
			}
		}
	}
	for n, guid := range d.nodes {
		if _, touched := d.out.Docs[guid]; len(free[n]) > 0 && (touched || len(d.out.Docs) < d.MaxDocs) {
			d.grantTo(guid, free[n])
		}
	}
}

func (d *decider) grantTo(guid string, fresh []schema.Held) {
	doc := *d.doc(guid)
	if room := fits(doc, fresh); room < len(fresh) {
		d.out.Full = append(d.out.Full, doc.Node)
		if fresh = fresh[:room]; room == 0 {
			return
		}
	}
	for i := range fresh {
		fresh[i].Token = d.out.Token
		d.out.Token++
		d.move(schema.Move{Step: "grant", Task: fresh[i].Task, Slots: fresh[i].Slots, Node: doc.Node, Token: fresh[i].Token})
	}
	doc.Slots = append(slices.Clone(doc.Slots), fresh...)
	slices.SortStableFunc(doc.Slots, func(a, b schema.Held) int {
		return cmp.Or(cmp.Compare(a.Task, b.Task), cmp.Compare(a.Token, b.Token))
	})
	d.write(guid, &doc)
}

// fits returns how many of the entries can be added to a document.
func fits(doc schema.Doc, fresh []schema.Held) int {
	have := doc.Slots
	for n := len(fresh); n > 0; n /= 2 {
		doc.Slots = slices.Concat(have, fresh[:n])
		if len(schema.Encode(&doc, 0)) <= maxDoc {
			return n
		}
	}
	return 0
}

// Reasons says why slots of tasks have no place, by task, where there is more to say than that
// they are on their way.
func Reasons(s *view.Snapshot) map[string]planner.Reason {
	d := newDecider(World{Snapshot: s, MaxDocs: MaxDocs})
	d.plan()
	return d.out.Unplaced
}

func nonNil(list []schema.Held) []schema.Held {
	if list == nil {
		return []schema.Held{}
	}
	return list
}
