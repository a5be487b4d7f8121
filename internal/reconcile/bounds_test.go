package reconcile_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/follower"
	"gitee.com/ken.yang/xconsumer/internal/membership"
	"gitee.com/ken.yang/xconsumer/internal/planner"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// crew is a leader and members in small who execute runs: what one of them says is read by the others at once.
type crew struct {
	*testing.T
	*board
	dice    *rand.Rand
	running map[string]map[cluster.Slot]cluster.Report
	over    map[string]schema.FinishedRun
}

// stay is a planner that leaves everything where it is.
func stay(in planner.Input) planner.Plan {
	plan := planner.Plan{Target: make([][]int32, len(in.Tasks)), Unplaced: make([]cluster.Reason, len(in.Tasks))}
	for t := range in.Tasks {
		plan.Target[t] = slices.Clone(in.Tasks[t].Current)
		for i := range plan.Target[t] {
			if in.Tasks[t].Withheld != nil && in.Tasks[t].Withheld[i] {
				plan.Target[t][i] = planner.Nobody
			}
		}
	}
	return plan
}

// end lets about a part of what runs end, in no order, every second one with an error of its own.
func (c *crew) end(part float64) {
	for _, memberID := range slices.Sorted(maps.Keys(c.running)) {
		running := c.running[memberID]
		for slot, r := range running {
			if r.Ended || c.dice.Float64() >= part {
				continue
			}
			r.Ended, r.State = true, cluster.WorkerDone
			if slot.Index%2 == 0 {
				r.State, r.Error = cluster.WorkerGivenUp, fmt.Sprintf("order %d: %s", slot.Index, strings.Repeat("no such row \x01 ", 18))
			}
			running[slot] = r
		}
	}
}

// follow lets every member do what its assignment says, and reports whether anything has changed.
func (c *crew) follow() (changed bool) {
	for memberID, p := range c.snap.Peers {
		l := follower.Local{
			Assignment: p.Assignment.Rec, AssignmentVersion: p.Assignment.Version, AssignmentGood: true, Running: c.running[memberID], Claims: map[cluster.Slot]schema.Claim{},
			Phase: membership.LeaseValid, LastStatus: p.Status.Rec, Now: c.now, WallNow: noon,
		}
		for slot, r := range l.Running {
			l.Claims[slot] = schema.Claim{Token: r.Token, Since: noon}
		}
		if !p.Completions.Absent {
			l.Completions = p.Completions.Rec
		}
		o := follower.Follow(l)
		if len(o.Start) > 0 {
			c.Fatalf("%s starts %s", memberID, o.Start[0].Slot)
		}
		for slot := range o.Stop {
			delete(c.running[memberID], slot)
			changed = true
		}
		if o.Completions != nil {
			schematest.WantFit(c, "what has ended on "+memberID, o.Completions)
			p.Completions = view.Entry[schema.Completions]{Rec: o.Completions, Version: p.Completions.Version + 1}
			changed = true
		}
		if o.Status != nil {
			schematest.WantFit(c, "the status of "+memberID, o.Status)
			p.Status.Rec, changed = o.Status, true
		}
	}
	return changed
}

// lead lets the leader decide once, and reports whether it did anything.
func (c *crew) lead() bool {
	var d round.Decision
	for most := round.MaxAssignments; ; most /= 2 { // as the leader does when a commit is too large
		d = c.decide(atNoon, func(w *round.World) { w.Planner, w.MaxAssignments = stay, most })
		size := 0
		for _, rec := range d.TaskRuns {
			size += schema.Size(rec)
		}
		for _, assignment := range d.Assignments {
			size += schema.Size(assignment)
		}
		for i := range d.FinishedRuns {
			size += schema.Size(&d.FinishedRuns[i])
		}
		if size <= coord.MaxCommit {
			break
		}
		if most == 1 {
			c.Fatalf("a commit of %d bytes", size)
		}
	}
	for task, rec := range d.TaskRuns {
		schematest.WantFit(c, "the agenda of "+task, rec)
	}
	for i := range d.FinishedRuns {
		schematest.WantFit(c, "a run", &d.FinishedRuns[i])
		c.over[d.FinishedRuns[i].ID] = d.FinishedRuns[i]
	}
	for memberID, assignment := range d.Assignments {
		schematest.WantFit(c, "the assignment of "+memberID, assignment)
		p := c.snap.Peers[memberID]
		p.Assignment.Rec, p.Assignment.Version, p.Assignment.Size = assignment, p.Assignment.Version+1, schema.Size(assignment)
	}
	c.commit(d)
	return len(d.TaskRuns)+len(d.Assignments) > 0
}

// Twenty runs of thousands of workers go on at once, their workers end in no order, and half of them fail, each in
// its own way: no record grows beyond its bound, and each run ends with every worker done or failed.
func TestTwentyLargeRuns(t *testing.T) {
	const members, runs, workers = 4, cluster.MaxActiveRuns, 3000
	s := spec("a", workers)
	s.Mode, s.Overlap, s.Params = cluster.ModeOnce, cluster.OverlapAllow, cluster.Params(`{"x":"`+strings.Repeat("x", cluster.MaxParams-8)+`"}`)
	c := &crew{T: t, board: newBoard(s), dice: rand.New(rand.NewPCG(1, 2)), running: map[string]map[cluster.Slot]cluster.Report{}, over: map[string]schema.FinishedRun{}}
	rec := &schema.TaskRuns{Begun: true, Runs: []schema.Run{}}
	for i := range runs {
		rec.Runs = append(rec.Runs, schema.Run{Run: cluster.Run{ID: fmt.Sprintf("r%02d", i), Due: noon, Began: noon, WorkerNum: workers, Params: s.Params}, WorkName: "a"})
	}
	c.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: rec}}
	for m := range members {
		memberID := fmt.Sprintf("n%d", m)
		var slots []schema.Granted
		c.running[memberID] = map[cluster.Slot]cluster.Report{}
		for i := range runs {
			h := schema.Granted{SlotRange: schema.SlotRange{Task: cluster.RunTask("a", rec.Runs[i].ID), Token: int64(10*i + m + 1)}}
			for index := m * workers / members; index < (m+1)*workers/members; index++ {
				h.Slots = append(h.Slots, index)
				slot := cluster.Slot{Task: h.Task, Index: index}
				c.running[memberID][slot] = cluster.Report{Slot: slot, Token: h.Token, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerRunning, Since: noon}}
			}
			slots = append(slots, h)
		}
		p := c.live(memberID, 1, slots, schematest.Releasing(), 1, schematest.ClaimAll(slots))
		for i := range p.Assignment.Rec.Granted {
			own := s
			p.Assignment.Rec.Granted[i].Spec = &own
		}
		p.Status.Rec = &schema.Status{Applied: 1, Holding: []schema.Claimed{}}
		p.Completions.Absent = true
		p.Assignment.Size = schema.Size(p.Assignment.Rec)
	}
	for _, part := range []float64{0.5, 1} {
		c.end(part)
		for step := 0; ; step++ {
			if step > 3000 {
				t.Fatal("it does not come to rest")
			}
			followed := c.follow()
			if led := c.lead(); !led && !followed {
				break
			}
		}
		t.Logf("agenda %d bytes, %d runs over", schema.Size(c.snap.TaskRuns["a"].Rec), len(c.over))
	}
	for id, r := range c.over {
		if r.Remaining() != 0 || len(r.Done) != workers/2 {
			t.Errorf("run %s: %d done, %d left", id, len(r.Done), r.Remaining())
		}
	}
	if len(c.over) != runs {
		t.Errorf("%d of %d runs have ended", len(c.over), runs)
	}
}

// As many runs as there may be of a task, as large as they may be, half over in no order, and failed in many ways: their
// agenda keeps its bound, and loses no end.
func TestAgendaIsBounded(t *testing.T) {
	s := spec("a", cluster.MaxRunWorkers)
	s.Mode, s.Overlap, s.KeepRuns = cluster.ModeOnce, cluster.OverlapAllow, cluster.MaxKeepRuns
	s.Params = cluster.Params(`{"x":"` + strings.Repeat("x", cluster.MaxParams-8) + `"}`)
	b := newBoard(s)
	rec := &schema.TaskRuns{Begun: true, Runs: []schema.Run{}}
	for i := range cluster.MaxKeepRuns {
		rec.Kept = append(rec.Kept, fmt.Sprintf("20261125T120000.%04dZ-abcd", i))
	}
	dice := rand.New(rand.NewPCG(1, 2))
	done := &schema.Completions{}
	for i := range cluster.MaxActiveRuns {
		r := schema.Run{Run: cluster.Run{ID: fmt.Sprintf("20261126T120000.%03dZ-abcd", i), Due: noon, Began: noon, By: "anonymous", WorkerNum: s.WorkerNum, Params: s.Params}, WorkName: "a"}
		rec.Runs = append(rec.Runs, r)
		ways := make([]schema.Completion, 14)
		for index := range s.WorkerNum {
			if way := dice.IntN(2 * len(ways)); way < len(ways) {
				ways[way].Slots = append(ways[way].Slots, index)
			}
		}
		for way := range ways {
			ways[way].Task, ways[way].Token = cluster.RunTask("a", r.ID), 1
			if way%2 == 0 {
				ways[way].Error = fmt.Sprintf("%d %s", way, strings.Repeat("\x01", 700))
			}
		}
		done.Slots = append(done.Slots, ways...)
	}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: rec}}
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed()).Completions = view.Entry[schema.Completions]{Rec: done}
	d := b.decide(atNoon, func(w *round.World) { w.Planner = stay })
	next := d.TaskRuns["a"]
	if next == nil {
		t.Fatal("no end is noted")
	}
	schematest.WantFit(t, "the agenda", next)
	ends := 0
	for _, o := range done.Slots {
		_, id := cluster.SplitRun(o.Task)
		for _, index := range o.Slots {
			if r := next.Find(id); !r.Finished(index) || r.Done.Contains(index) != (o.Error == "") {
				t.Fatalf("%s of %s: %v", o.Slots[:1], id, r.Finished(index))
			}
			ends++
		}
	}
	t.Logf("%d bytes, %d ends, %d of %d runs kept", schema.Size(next), ends, len(next.Kept), cluster.MaxKeepRuns)
}

// A full assignment takes what it is to take: slots that are asked back for long reasons, all at once or scattered; what does not fit
// comes later, and in the end nothing is left to ask for.
func TestAssignmentIsBounded(t *testing.T) {
	for name, change := range map[string]func(*board){
		"quarantined": func(b *board) {
			b.snap.Marks = map[string]view.Entry[schema.Mark]{"node-n1": {Rec: &schema.Mark{Quarantine: &schema.Quarantine{Member: "n1", Error: strings.Repeat("disk ", 150)}}}}
		},
		"scaled down": func(b *board) {
			for task, e := range b.snap.Tasks {
				s := *e.Rec
				s.Spec.WorkerNum = 1
				b.snap.Tasks[task] = view.Entry[schema.Task]{Rec: &s, Version: 1}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBoard()
			var slots []schema.Granted
			for i := range 2000 {
				s := spec(fmt.Sprintf("t%04d", i), 30)
				s.WorkName = "a"
				b.snap.Tasks[s.Name] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: s}}
				h := schema.Granted{SlotRange: schema.SlotRange{Task: s.Name, Token: int64(i + 1)}}
				for index := range 30 {
					h.Slots = append(h.Slots, index)
				}
				slots = append(slots, h)
			}
			p := b.live("n1", 1, slots, schematest.Releasing(), 1, schematest.ClaimAll(slots))
			p.Assignment.Size = schema.Size(p.Assignment.Rec)
			if other := b.live("n2", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed()); name != "quarantined" {
				other.Member.Rec.Works = nil // nothing moves there
			}
			change(b)
			for step := 0; ; step++ {
				if step > 200 {
					t.Fatal("it does not come to rest")
				}
				d := b.decide(func(w *round.World) { w.Self = "n2" })
				assignment := d.Assignments["n1"]
				if assignment == nil {
					break
				}
				schematest.WantFit(t, "the assignment", assignment)
				p.Assignment.Rec, p.Assignment.Version, p.Assignment.Size = assignment, p.Assignment.Version+1, schema.Size(assignment)
				p.Status.Rec = &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(assignment.Granted)} // it gives back at once
			}
			switch left := schema.Count(p.Assignment.Rec.Granted); {
			case name == "quarantined" && left != 0, name == "scaled down" && left != 2000:
				t.Errorf("%d slots are left", left)
			}
		})
	}
}

// An agenda that is too large gives up what is known of its oldest runs, but not of one of which an assignment still lists a slot:
// its worker may write checkpoints, which are deleted with the run.
func TestAgendaKeepsRunsThatAreListed(t *testing.T) {
	s := spec("a", 1)
	s.Mode, s.KeepRuns = cluster.ModeOnce, cluster.MaxKeepRuns
	b := newBoard(s)
	rec := &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "r", WorkerNum: 1, Due: noon, Began: noon}, WorkName: "a"}}}
	for i := range schema.MaxTaskRuns / 20 {
		rec.Kept = append(rec.Kept, fmt.Sprintf("20261125T120000.%06dZ", i))
	}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: rec}}
	listed := cluster.RunTask("a", rec.Kept[0])
	p := b.live("n1", 1, schematest.Granted("a@r 0 @7"), schematest.Releasing(listed+" 0 @5 v1"), 0, schematest.Claimed("a@r 0 @7", listed+" 0 @5"))
	p.Completions = view.Entry[schema.Completions]{Rec: &schema.Completions{Slots: []schema.Completion{{Task: "a@r", Slots: cluster.Indexes{0}, Token: 7}}}}
	d := b.decide(atNoon, func(w *round.World) { w.KeepRuns = true })
	next := d.TaskRuns["a"]
	if next == nil || len(d.DropRuns) == 0 {
		t.Fatalf("nothing is given up: %s", draw(d))
	}
	if d.DropRuns[0].ID != rec.Kept[1] || next.Kept[0] != rec.Kept[0] {
		t.Errorf("%s is given up first, %s is the oldest that is kept", d.DropRuns[0].ID, next.Kept[0])
	}
}
