package reconcile

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// Revision identifies what a plan is made from: who is there, what is declared, marked and ordered,
// who has what, and what of it has failed for good.
func Revision(s *view.Snapshot) string {
	h := fnv.New64a()
	note := func(kind, name string, version int64) { _, _ = fmt.Fprintf(h, "%s %s %d\n", kind, name, version) }
	note("epoch", "", s.Epoch.Version)
	note("settings", "", s.Settings.Version)
	note("suspects", "", s.Suspects.Version)
	for _, name := range slices.Sorted(maps.Keys(s.Tasks)) {
		if e := s.Tasks[name]; !e.Absent { // who has not seen it before it was deleted by hand does not know of it
			note("task", name, e.Version)
		}
	}
	for _, node := range slices.Sorted(maps.Keys(s.Marks)) {
		note("mark", node, s.Marks[node].Version)
	}
	for _, guid := range slices.Sorted(maps.Keys(s.Peers)) {
		p := s.Peers[guid]
		note("doc", guid, p.Doc.Version)
		_, _ = fmt.Fprintln(h, p.Live(), p.Status.Rec != nil && p.Status.Rec.Leaving)
		for i := 0; p.Status.Rec != nil && i < len(p.Status.Rec.Workers); i++ {
			if w := &p.Status.Rec.Workers[i]; w.State == cluster.WorkerGivenUp {
				_, _ = fmt.Fprintln(h, "failed", w.Slot)
			}
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// WhatIf plans a change without making it. It has the leader's own decisions and planner, and the
// same input gives the same plan.
func WhatIf(s *view.Snapshot, change cluster.Change) (cluster.Plan, error) {
	next, err := changed(s, change)
	if err != nil {
		return cluster.Plan{}, err
	}
	before, after := planned(s), planned(next)
	plan := cluster.Plan{
		Revision: Revision(s), Moves: []cluster.PlannedMove{}, Starts: []cluster.PlannedStart{}, Stops: []cluster.Slot{}, Unplaced: []cluster.Unplaced{}, Restarts: after.restarts(), NextRuns: nextRuns(s, next),
		Before: before.balance(before.now), After: after.balance(after.targetNode),
	}
	reasons := after.reasons()
	for t, name := range after.tasks {
		short := 0
		for i := range after.target.Target[t] {
			slot := cluster.Slot{Task: name, Index: i}
			from, to := before.now(slot), after.targetNode(slot)
			switch from {
			case to:
			case "":
				plan.Starts = append(plan.Starts, cluster.PlannedStart{Slot: slot, To: to})
			default:
				why := reasons(slot, from)
				plan.Moves = append(plan.Moves, cluster.PlannedMove{Slot: slot, From: from, To: to, Code: why.Code, Reason: why.String()})
			}
			if to == "" {
				short++
			}
		}
		if why := after.unplaced[name]; short > 0 && why.Code != "" {
			plan.Unplaced = append(plan.Unplaced, cluster.Unplaced{Task: name, Slots: short, Code: why.Code, Reason: why.String()})
		}
	}
	for slot := range before.owners {
		if spec, known := after.specs[slot.Task]; !known || slot.Index >= spec.WorkerNum {
			plan.Stops = append(plan.Stops, slot)
		}
	}
	slices.SortFunc(plan.Stops, cluster.Slot.Compare)
	return plan, nil
}

// nextRuns returns the tasks whose next run another snapshot has otherwise.
func nextRuns(before, after *view.Snapshot) (list []cluster.PlannedRun) {
	for _, name := range slices.Sorted(maps.Keys(after.Tasks)) {
		rec := after.Tasks[name].Rec
		if rec == nil || rec.Deleted || !rec.Effective().Runs() {
			continue
		}
		now := rec.Effective()
		old := before.Tasks[name].Rec
		first := old == nil || old.Deleted
		if !first {
			if was := old.Effective(); was.WorkerNum == now.WorkerNum && was.Paused == now.Paused {
				continue
			}
		}
		list = append(list, cluster.PlannedRun{Task: name, Workers: now.WorkerNum, Paused: now.Paused, First: first, Schedule: schedule.Name(now)})
	}
	return list
}

// MayMove refuses to have a slot moved to a node if the plan would not leave it there.
func MayMove(s *view.Snapshot, slot cluster.Slot, node string) error {
	next := *s
	next.Orders = view.Entry[schema.Orders]{Rec: &schema.Orders{}}
	for _, p := range s.Peers {
		if p.Doc.Rec == nil {
			continue
		}
		if p.Live() && schema.Find(p.Doc.Rec.Releasing, slot) != nil {
			return fmt.Errorf("%w: %s is stopping on %s; move it once it runs again", cluster.ErrConflict, slot, p.Doc.Rec.Node)
		}
		if grant := schema.Find(p.Doc.Rec.Slots, slot); grant != nil {
			if p.Live() && p.Doc.Rec.Node == node {
				return fmt.Errorf("%w: %s is on %s", cluster.ErrConflict, slot, node)
			}
			next.Orders.Rec.Move = []schema.MoveOrder{{Slot: slot, Token: grant.Token, To: node}}
		}
	}
	if len(next.Orders.Rec.Move) == 0 {
		if spec, known := s.Specs()[slot.Task]; !known || slot.Index < 0 || slot.Index >= spec.WorkerNum {
			return fmt.Errorf("%w: %s", cluster.ErrNoSlot, slot)
		}
		return fmt.Errorf("%w: %s is on no node; `xconsumer explain %[2]s` says why", cluster.ErrConflict, slot)
	}
	p := planned(&next)
	at := slices.IndexFunc(p.in.Nodes, func(n planner.Node) bool { return n.Name == node && !n.Gone })
	if at < 0 {
		return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
	}
	if p.targetNode(slot) == node {
		return nil
	}
	why := p.room(p.rank[slot.Task]).whyNot(int32(at))
	return fmt.Errorf("%w: the plan would not leave %s on %s: %s", cluster.ErrConflict, slot, node, why)
}

// preview is a decision that nobody makes: where everything should be, and what stands in the way.
type preview struct {
	*placement
	survey   *survey
	unplaced map[string]cluster.Reason
	owners   map[cluster.Slot]string // node names
}

// planned returns what the cluster comes to: nobody waits for members that are gone.
func planned(s *view.Snapshot) preview {
	return newPreview(World{Snapshot: s, Self: leaderOf(s), MaxDocs: MaxDocs, DryRun: true}, false)
}

// present returns what the leader goes by as long as it waits for members that are gone.
func present(s *view.Snapshot) preview {
	return newPreview(World{Snapshot: s, Self: leaderOf(s), MaxDocs: MaxDocs, DryRun: true, TakeoverDelay: forEver}, true)
}

// forEver is how long who only looks takes a leader to wait: it does not know since when.
const forEver = time.Duration(1 << 60)

func leaderOf(s *view.Snapshot) string {
	if s.Epoch.Rec == nil {
		return ""
	}
	return s.Epoch.Rec.Leader
}

// newPreview has the stages of a decision up to the plan.
func newPreview(w World, delays bool) preview {
	c := newCommit(&w)
	s := inspect(w, c)
	if delays {
		s.delayed = explainDelays(s.facts, s.members, c.out.Memory.Delays, s.delayed)
	}
	p := preview{place(s, c), s, c.out.Unplaced, map[cluster.Slot]string{}}
	for _, guid := range p.guids {
		peer := p.Snapshot.Peers[guid]
		if rec := peer.Doc.Rec; rec != nil && (peer.Live() || p.members[guid] == lost) {
			for slot := range schema.Each(rec.Slots) {
				p.owners[slot] = rec.Node
			}
		}
	}
	return p
}

// now returns the node that has a slot, "" if none.
func (p preview) now(slot cluster.Slot) string { return p.owners[slot] }

// targetNode returns the node that should have a slot, "" if none.
func (p preview) targetNode(slot cluster.Slot) string { return p.targetName(slot) }

// reasons returns why slots leave their nodes.
func (p preview) reasons() func(slot cluster.Slot, from string) cluster.Reason {
	why := map[cluster.Slot]cluster.Reason{}
	for _, m := range p.target.Moves {
		why[cluster.Slot{Task: p.tasks[m.Task], Index: m.Slot}] = m.Why
	}
	live := map[string]bool{}
	for n := range p.in.Nodes {
		live[p.in.Nodes[n].Name] = true
	}
	return func(slot cluster.Slot, from string) cluster.Reason {
		switch r, known := why[slot]; {
		case known:
			return r
		case p.specs[slot.Task].Paused:
			return cluster.Reason{Code: cluster.WhyPaused}
		case p.Snapshot.Mark(from).Drain != nil:
			return cluster.Reason{Code: cluster.WhyDraining, Node: from}
		case !live[from]:
			return cluster.Reason{Code: cluster.WhyLost, Node: from}
		}
		return cluster.Reason{Code: cluster.WhyTaskChanged}
	}
}

// balance weighs what nodes have.
func (p preview) balance(of func(cluster.Slot) string) cluster.Balance {
	load, total, weights := map[string]float64{}, 0.0, 0.0
	for t, name := range p.tasks {
		for i := range p.target.Target[t] {
			if node := of(cluster.Slot{Task: name, Index: i}); node != "" {
				load[node] += float64(p.specs[name].Cost())
			}
		}
	}
	b, first := cluster.Balance{}, true
	for n := range p.in.Nodes {
		node := &p.in.Nodes[n]
		if node.Gone || node.Draining {
			continue
		}
		weight := float64(max(node.Weight, 1))
		share := load[node.Name] / weight
		if first || share < b.Least {
			b.Least = share
		}
		b.Most, first = max(b.Most, share), false
		total, weights = total+load[node.Name], weights+weight
	}
	if total > 0 && weights > 0 {
		b.Mean = total / weights
		b.Skew = b.Most/b.Mean - 1
	}
	return b
}

// changed returns a snapshot with a change in it.
func changed(s *view.Snapshot, c cluster.Change) (*view.Snapshot, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", cluster.ErrChange, err)
	}
	next := *s
	next.Tasks, next.Marks, next.Peers = maps.Clone(s.Tasks), maps.Clone(s.Marks), maps.Clone(s.Peers)
	e := editor{&next, s.Specs()}
	for _, spec := range c.Tasks {
		e.declare(spec)
	}
	for _, task := range slices.Sorted(maps.Keys(c.Scale)) {
		if err := e.override(task, "scale", func(o *cluster.Override) { o.WorkerNum = new(c.Scale[task]) }); err != nil {
			return nil, err
		}
	}
	for paused, tasks := range map[bool][]string{true: c.Pause, false: c.Resume} {
		for _, task := range tasks {
			if err := e.override(task, "", func(o *cluster.Override) { o.Paused = new(paused) }); err != nil {
				return nil, err
			}
		}
	}
	for _, task := range c.Delete {
		gone, err := e.record(task)
		if err != nil {
			return nil, err
		}
		gone.Deleted = true
		e.Tasks[task] = view.Entry[schema.Task]{Rec: &gone, Version: e.Tasks[task].Version}
	}
	marks := []struct {
		nodes []string
		mark  schema.Mark
	}{{c.Cordon, schema.Mark{Cordoned: true}}, {c.Uncordon, schema.Mark{}}, {c.Drain, schema.Mark{Drain: &schema.Drain{}}}}
	for _, m := range marks {
		for _, node := range m.nodes {
			if err := e.mark(node, m.mark); err != nil {
				return nil, err
			}
		}
	}
	for _, node := range c.Lose {
		if err := e.lose(node); err != nil {
			return nil, err
		}
	}
	for _, node := range slices.Sorted(maps.Keys(c.Labels)) {
		if err := e.relabel(node, c.Labels[node]); err != nil {
			return nil, err
		}
	}
	return &next, nil
}

// editor changes a snapshot of its own.
type editor struct {
	*view.Snapshot
	specs map[string]cluster.TaskSpec
}

func (e editor) declare(spec cluster.TaskSpec) {
	rec := schema.Task{Spec: spec}
	if old := e.Tasks[spec.Name].Rec; old != nil {
		rec = *old
		rec.Spec, rec.Deleted = spec, false
	}
	e.specs[spec.Name] = rec.Effective()
	e.Tasks[spec.Name] = view.Entry[schema.Task]{Rec: &rec, Version: e.Tasks[spec.Name].Version}
}

// override changes what operators have set of a task. The field is that of the change which says the number of its workers,
// "" for none.
func (e editor) override(task, field string, f func(*cluster.Override)) error {
	rec, err := e.record(task)
	if err != nil {
		return err
	}
	if wrong := e.Unusable(task); wrong != "" {
		return fmt.Errorf("%w: task %q: %s", cluster.ErrConflict, task, wrong)
	}
	f(&rec.Override)
	if err := rec.Effective().ValidateStored(); err != nil {
		if of, ok := errors.AsType[*cluster.FieldError](err); ok && field != "" && of.Field == "workerNum" {
			return fmt.Errorf("%w: %w", cluster.ErrChange, &cluster.FieldError{Field: field + "." + task, Err: of.Err})
		}
		return fmt.Errorf("%w: task %q: %s", cluster.ErrConflict, task, err.Error())
	}
	e.Tasks[task] = view.Entry[schema.Task]{Rec: &rec, Version: e.Tasks[task].Version}
	return nil
}

// record returns what is in force for a task, also for one that runs to its end and has no run now.
func (e editor) record(task string) (schema.Task, error) {
	if rec := e.Tasks[task].Rec; rec != nil && !rec.Deleted {
		return *rec, nil
	} else if spec, known := e.specs[task]; known && rec == nil {
		return schema.Task{Spec: spec}, nil
	}
	return schema.Task{}, fmt.Errorf("%w: %q", cluster.ErrNoTask, task)
}

func (e editor) mark(node string, mark schema.Mark) error {
	if e.member(node) == "" && !wanted(e.Mark(node)) {
		return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
	}
	mark.Labels = e.Mark(node).Labels
	e.Marks[node] = view.Entry[schema.Mark]{Rec: &mark, Version: e.Marks[node].Version}
	return nil
}

func wanted(mark schema.Mark) bool { return mark.Wanted() }

// member returns a live member of a name, "" if there is none.
func (e editor) member(node string) string {
	for _, guid := range slices.Sorted(maps.Keys(e.Peers)) {
		if p := e.Peers[guid]; p.Live() && p.Member.Rec != nil && p.Member.Rec.Node == node {
			return guid
		}
	}
	return ""
}

func (e editor) lose(node string) error {
	guid := e.member(node)
	if guid == "" {
		return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
	}
	p := *e.Peers[guid]
	if p.Doc.Rec != nil {
		doc := *p.Doc.Rec
		doc.Closed = &schema.Closed{By: "what-if", Cause: "lost", Clean: true} // nobody waits for it
		p.Doc.Rec = &doc
	}
	e.Peers[guid] = &p
	return nil
}

func (e editor) relabel(node string, labels cluster.Labels) error {
	guid := e.member(node)
	if guid == "" {
		return fmt.Errorf("%w: %q", cluster.ErrNoNode, node)
	}
	p := *e.Peers[guid]
	m := *p.Member.Rec
	m.Labels = labels
	p.Member.Rec = &m
	if mark := e.Mark(node); mark.Labels != nil {
		mark.Labels = nil
		e.Marks[node] = view.Entry[schema.Mark]{Rec: &mark, Version: e.Marks[node].Version}
	}
	e.Peers[guid] = &p
	return nil
}
