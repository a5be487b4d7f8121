package reconcile_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/explain"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// declare changes what a task declares.
func (b *board) declare(task string, change func(*cluster.TaskSpec)) {
	rec := *b.snap.Tasks[task].Rec
	change(&rec.Spec)
	e := b.snap.Tasks[task]
	e.Rec = &rec
	e.Version++
	b.snap.Tasks[task] = e
}

func (b *board) scale(workers int) {
	b.declare("a", func(s *cluster.TaskSpec) { s.WorkerNum = workers })
}

// answer lets a member say that it has applied its assignment: it holds what is granted, and what it was asked for
// only while it is stuck.
func (b *board) answer(memberID string, stuck bool) {
	p := *b.snap.Peers[memberID]
	status := &schema.Status{Applied: p.Assignment.Version, Holding: schematest.ClaimAll(p.Assignment.Rec.Granted)}
	if stuck {
		for _, h := range p.Assignment.Rec.Releasing {
			status.Holding = append(status.Holding, schema.Claimed{SlotRange: h.SlotRange})
		}
		for slot := range schema.Each(p.Assignment.Rec.Releasing) {
			status.Workers = append(status.Workers, schema.WorkerState{Slot: slot, WorkerStatus: cluster.WorkerStatus{State: cluster.WorkerStuck}})
		}
	}
	p.Status.Rec = status
	b.snap.Peers[memberID] = &p
}

// settle makes commit after commit, and lets all members answer, until nothing is left to do.
func (b *board) settle(t *testing.T) {
	t.Helper()
	for range 50 {
		b.now += time.Second
		for memberID := range b.snap.Peers {
			b.answer(memberID, false)
		}
		d := b.decide()
		if len(d.Assignments) == 0 {
			return
		}
		b.apply(t, d)
		b.judgeCounts(t)
	}
	t.Fatal("it goes on and on")
}

// judgeCounts wants no task to be listed with two counts.
func (b *board) judgeCounts(t *testing.T) {
	t.Helper()
	told := map[string]int{}
	for memberID, p := range b.snap.Peers {
		for e := range p.Assignment.Rec.Entries() {
			h := e.Range()
			count, known := e.WorkerCount()
			if other, seen := told[h.Task]; known && seen && other != count {
				t.Fatalf("%s lists slots of %s that are told %d, others are told %d", memberID, h.Task, count, other)
			}
			told[h.Task] = count
		}
	}
}

// where returns who has which slots of a task, as text, with what they are told.
func (b *board) where(task string) string {
	var parts []string
	for _, memberID := range slices.Sorted(maps.Keys(b.snap.Peers)) {
		assignment := b.snap.Peers[memberID].Assignment.Rec
		if assignment == nil {
			continue
		}
		for _, h := range assignment.Granted {
			if h.Task == task {
				count, _ := h.WorkerCount()
				parts = append(parts, fmt.Sprintf("%s %s of %d", memberID, h.Slots, count))
			}
		}
	}
	return strings.Join(parts, ", ")
}

// tokens returns the tokens of a task's grants, by slot.
func (b *board) tokens(task string) map[int]int64 {
	tokens := map[int]int64{}
	for _, p := range b.snap.Peers {
		for slot, h := range schema.Each(p.Assignment.Rec.Granted) {
			if slot.Task == task {
				tokens[slot.Index] = h.Token
			}
		}
	}
	return tokens
}

func threeNodes(t *testing.T, tasks ...cluster.TaskSpec) *board {
	t.Helper()
	b := newBoard(tasks...)
	for _, memberID := range []string{"L", "M", "N"} {
		b.live(memberID, 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	}
	b.settle(t)
	return b
}

// A resize asks back all slots of the old count at once, grants none of the new one before the last has been given
// back, and then all of them, where they were and with tokens above all earlier ones.
func TestResizeIsABarrier(t *testing.T) {
	for _, workers := range []int{7, 4} {
		t.Run(fmt.Sprint("6 to ", workers), func(t *testing.T) {
			b := threeNodes(t, spec("a", 6))
			highest := slices.Max(slices.Collect(maps.Values(b.tokens("a"))))
			b.scale(workers)
			b.apply(t, b.decide())
			b.judgeCounts(t)
			if got := b.where("a"); got != "" {
				t.Fatalf("not asked back in one commit: %s", got)
			}
			b.answer("L", false)
			b.answer("M", false)
			b.answer("N", true)
			d := b.decide()
			if len(d.Assignments) > 0 {
				b.apply(t, d)
			}
			why := d.Unplaced["a"]
			if got := b.where("a"); got != "" || why.Code != cluster.WhyResizing || !strings.Contains(why.String(), "waits for 2 workers of the old count to stop: a#") || !strings.Contains(why.String(), "on node-N (stuck)") {
				t.Fatalf("while N has not stopped: %q granted; %q", got, why)
			}
			b.answer("N", false)
			d = b.decide()
			b.apply(t, d)
			b.judgeCounts(t)
			tokens := b.tokens("a")
			if len(tokens) != workers || d.Unplaced["a"].Code != "" {
				t.Fatalf("%d granted in the commit that ends the barrier: %s; %v", len(tokens), b.where("a"), d.Unplaced)
			}
			for i, token := range tokens {
				if token <= highest {
					t.Errorf("a#%d has token %d, and there was %d", i, token, highest)
				}
			}
		})
	}
}

// What restarts for another count restarts where it was.
func TestResizeStaysInPlace(t *testing.T) {
	b := threeNodes(t, spec("a", 6), spec("b", 5))
	place := func() map[int]string {
		m := map[int]string{}
		for memberID, p := range b.snap.Peers {
			for slot := range schema.Each(p.Assignment.Rec.Granted) {
				if slot.Task == "a" {
					m[slot.Index] = memberID
				}
			}
		}
		return m
	}
	before := place()
	b.scale(7)
	b.apply(t, b.decide())
	for _, memberID := range []string{"N", "L", "M"} { // one after the other
		b.answer(memberID, false)
		if d := b.decide(); len(d.Assignments) > 0 {
			b.apply(t, d)
			b.judgeCounts(t)
		}
	}
	after := place()
	for i, memberID := range before {
		if after[i] != memberID {
			t.Errorf("a#%d was on %s and is on %s", i, memberID, after[i])
		}
	}
	if len(after) != 7 {
		t.Error(after)
	}
}

// The budget does not split a barrier, and a barrier does not use it up.
func TestResizeAndBudget(t *testing.T) {
	b := threeNodes(t, spec("a", 6), spec("b", 6))
	b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{MaxInFlight: 1}}}}
	b.declare("a", func(s *cluster.TaskSpec) { s.WorkerNum, s.MaxUnavailable = 5, 1 })
	b.mark("M", schema.Mark{Drain: &schema.Drain{}})
	b.apply(t, b.decide())
	if got := b.where("a"); got != "" {
		t.Errorf("the budget splits the barrier: %s run on", got)
	}
	asked := 0
	for slot := range schema.Each(b.snap.Peers["M"].Assignment.Rec.Releasing) {
		if slot.Task == "b" {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d of the other task are asked back of the node to be drained, want the 1 that the budget allows", asked)
	}
	b.settle(t)
	if a, all := len(b.tokens("a")), len(b.tokens("b")); a != 5 || all != 6 || schema.Count(b.snap.Peers["M"].Assignment.Rec.Granted) != 0 {
		t.Errorf("in the end %d of a and %d of b: %s; %s", a, all, b.where("a"), b.where("b"))
	}
}

// A resize back, another one, a pause or a deletion in the middle: what assignments list decides.
func TestResizeInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*board)
		want   int
	}{
		{"back", func(b *board) { b.scale(6) }, 6},
		{"another", func(b *board) { b.scale(3) }, 3},
		{"to nothing", func(b *board) { b.scale(0) }, 0},
		{"paused", func(b *board) { b.declare("a", func(s *cluster.TaskSpec) { s.Paused = true }) }, 0},
		{"deleted", func(b *board) {
			b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: spec("a", 7), Deleted: true}, Version: 9}
		}, 0},
		{"live", func(b *board) { b.declare("a", func(s *cluster.TaskSpec) { s.Resize = cluster.ResizeLive }) }, 7},
		{"another leader", func(b *board) {
			epoch := *b.snap.Epoch.Rec
			epoch.Term++
			b.snap.Epoch.Rec = &epoch
		}, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := threeNodes(t, spec("a", 6))
			b.scale(7)
			b.apply(t, b.decide())
			b.answer("L", false)
			if d := b.decide(); len(d.Assignments) > 0 {
				b.apply(t, d)
			}
			c.change(b)
			for _, memberID := range []string{"N", "M", "L"} {
				if d := b.decide(); len(d.Assignments) > 0 {
					b.apply(t, d)
					b.judgeCounts(t)
				}
				b.answer(memberID, false)
			}
			b.settle(t)
			if got := len(b.tokens("a")); got != c.want {
				t.Errorf("%d run, want %d: %s", got, c.want, b.where("a"))
			}
		})
	}
}

// A node that is gone holds the barrier until it is reaped. Until then the others run on, since they would stop for
// nothing; and no slot is granted with the new count.
func TestResizeWaitsForLostNodes(t *testing.T) {
	b := threeNodes(t, spec("a", 6))
	m := *b.snap.Peers["M"]
	gone(&m)
	m.Member.Read, m.Status.Read = b.now, b.now
	b.snap.Peers["M"] = &m
	before := b.where("a")
	b.scale(7)
	d := b.decide()
	if len(d.Assignments) > 0 {
		b.apply(t, d)
	}
	why := d.Unplaced["a"].String()
	if got := b.where("a"); got != before || !strings.Contains(why, "on node-M (lost)") {
		t.Fatalf("while M is gone: %s, was %s; %q", got, before, why)
	}
	looks := d.Memory.FirstSeen
	b.now += time.Minute
	m.Member.Read, m.Status.Read = b.now, b.now
	b.apply(t, b.decide(func(w *round.World) { w.Memory.FirstSeen = looks }))
	if b.snap.Peers["M"] != nil {
		t.Fatal("M is not reaped")
	}
	b.judgeCounts(t)
	if got := b.where("a"); got != "" { // asked back in the commit that reaps the last that could not be asked
		t.Errorf("%s run on", got)
	}
	for memberID := range b.snap.Peers {
		b.answer(memberID, false)
	}
	b.settle(t)
	if got := len(b.tokens("a")); got != 7 {
		t.Errorf("%d of 7 run: %s", got, b.where("a"))
	}
}

// While a barrier may not begin, for a node is lost and its slots wait, slots that become free meanwhile run elsewhere with
// the old count; and they restart with the others.
func TestFreeSlotsBeforeABarrier(t *testing.T) {
	for _, c := range []struct {
		workers int
		two     bool // a hand has given one entry another count
		want    int  // slots that run with the old count while M is lost
	}{{7, false, 4}, {5, false, 3}, {7, true, 2}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := threeNodes(t, spec("a", 6))
			b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(10 * time.Minute)}}}}
			gone(b.snap.Peers["M"])
			b.snap.Peers["N"].Assignment.Rec.Closed = &schema.Closed{Left: true}
			if c.two {
				b.snap.Peers["M"].Assignment.Rec.Granted[0].Count = new(9)
			}
			b.scale(c.workers)
			memory := round.Memory{}
			ran := false
			for range 30 {
				b.now += 30 * time.Second
				if m := b.snap.Peers["M"]; m != nil {
					m.Member.Read, m.Status.Read = b.now, b.now
				}
				b.answer("L", false)
				d := b.decide(func(w *round.World) { w.Memory = memory })
				memory = d.Memory
				b.apply(t, d)
				if !c.two {
					b.judgeCounts(t)
				}
				if n := schema.Count(b.snap.Peers["L"].Assignment.Rec.Granted); b.snap.Peers["M"] != nil {
					ran = ran || n == c.want
					if n > c.want {
						t.Fatalf("too many run while M is lost: %s", b.where("a"))
					}
				}
			}
			if !ran {
				t.Error("what was free did not run while M was lost")
			}
			want := fmt.Sprintf("L 0-%d of %d", c.workers-1, c.workers)
			if got := b.where("a"); got != want {
				t.Errorf("in the end %q, want %q", got, want)
			}
		})
	}
}

// Workers of a live task run on and are told nothing; whether they are told anything is a change of the count.
func TestResizeLive(t *testing.T) {
	live := spec("a", 6)
	live.Resize = cluster.ResizeLive
	b := threeNodes(t, live)
	before := b.tokens("a")
	b.scale(8)
	b.settle(t)
	b.scale(5)
	b.settle(t)
	after := b.tokens("a")
	for i := range 5 {
		if before[i] != after[i] {
			t.Errorf("a#%d was restarted", i)
		}
	}
	if got := b.where("a"); len(after) != 5 || !strings.Contains(got, " of 0") {
		t.Error(got)
	}
	b.declare("a", func(s *cluster.TaskSpec) { s.Resize = cluster.ResizeRestart })
	b.settle(t)
	again := b.tokens("a")
	for i, token := range after {
		if again[i] <= token {
			t.Errorf("a#%d was not told the count: %s", i, b.where("a"))
		}
	}
	if got := b.where("a"); !strings.Contains(got, " of 5") || strings.Contains(got, " of 0") {
		t.Error(got)
	}
}

// A grant of an earlier program tells its worker the number in the spec beside it. It stays what it was when the
// spec is brought up to date; and what cannot be known may be another count.
func TestGrantWithoutACount(t *testing.T) {
	b := newBoard(spec("a", 4))
	b.live("L", 5, schematest.Granted("a 0-3 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0-3 @5"))
	if d := b.decide(); len(d.Assignments) != 0 {
		t.Errorf("of the present count: %s", draw(d))
	}
	b.live("L", 5, schematest.Granted("a 0-3 @5"), schematest.Releasing(), 5, schematest.Claimed("a 0-3 @5"))
	b.snap.Peers["L"].Assignment.Rec.Granted[0].Spec.WorkerNum = 3 // the leader was replaced before it had told of the fourth
	d := b.decide()
	wantDraw(t, `
L:  | a[0-3]@5
`, d)
	if c := d.Assignments["L"].Releasing[0].Count; c == nil || *c != 3 {
		t.Errorf("asked back with count %v, want 3", c)
	}
	p := b.live("L", 5, schematest.Granted("a 0-2 @5"), schematest.Releasing("a 3 @4 v5"), 4, schematest.Claimed("a 0-3 @5"))
	p.Assignment.Rec.Releasing[0].Count = nil
	b.live("M", 0, schematest.Granted(), schematest.Releasing(), 0, schematest.Claimed())
	if d := b.decide(); d.Unplaced["a"].Code != cluster.WhyResizing {
		t.Errorf("a slot whose worker may be told anything: %s, %v", draw(d), d.Unplaced)
	}
}

// While nothing may be granted nothing is asked back for a resize, and workers keep the count that they were told.
func TestResizeWhileNothingIsGranted(t *testing.T) {
	b := threeNodes(t, spec("a", 6))
	before := b.where("a")
	ghost := b.live("ghost", 3, schematest.Granted(), schematest.Releasing(), 3, schematest.Claimed())
	gone(ghost)
	ghost.Assignment = view.Entry[schema.Assignment]{Absent: true, Read: b.now}
	b.scale(4)
	d := b.decide()
	if d.Blocked == "" {
		t.Fatal("nothing stands in the way")
	}
	if len(d.Assignments) > 0 {
		for memberID, assignment := range d.Assignments {
			p := *b.snap.Peers[memberID]
			p.Assignment.Rec = assignment
			b.snap.Peers[memberID] = &p
		}
	}
	if got := b.where("a"); got != before {
		t.Errorf("%s, was %s", got, before)
	}
}

// A plan tells whose workers all restart, from which count to which, and for how long at most none of them runs.
func TestPlanTellsRestarts(t *testing.T) {
	live := spec("b", 3)
	live.Resize = cluster.ResizeLive
	b := threeNodes(t, spec("a", 6), live)
	b.declare("a", func(s *cluster.TaskSpec) { s.StopTimeout = cluster.Duration(7 * time.Second) })
	again := spec("b", 3)
	for _, c := range []struct {
		name string
		ops  cluster.Operations
		want []cluster.PlannedRestart
	}{
		{"nothing", nil, []cluster.PlannedRestart{}},
		{"more", cluster.Operations{cluster.Scale("a", 7), cluster.Scale("b", 4)}, []cluster.PlannedRestart{{Task: "a", Workers: 6, From: 6, To: 7, Gap: cluster.Duration(7 * time.Second)}}},
		{"fewer", cluster.Operations{cluster.Scale("a", 5), cluster.Scale("b", 1)}, []cluster.PlannedRestart{{Task: "a", Workers: 6, From: 6, To: 5, Gap: cluster.Duration(7 * time.Second)}}},
		{"none", cluster.Operations{cluster.Scale("a", 0)}, []cluster.PlannedRestart{}},
		{"paused", cluster.Operations{cluster.Scale("a", 7), cluster.Pause("a")}, []cluster.PlannedRestart{}},
		{"told from now on", cluster.Operations{cluster.Declare(again)}, []cluster.PlannedRestart{{Task: "b", Workers: 3, From: 0, To: 3, Gap: cluster.Duration(cluster.DefaultStopTimeout)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := b.plan(t, c.ops...)
			if diff := cmp.Diff(c.want, plan.Restarts); diff != "" {
				t.Error(diff)
			}
		})
	}
	told := *b.snap.Tasks["b"].Rec
	b.declare("b", func(s *cluster.TaskSpec) { s.Resize = cluster.ResizeRestart })
	d := b.decide()
	for memberID, assignment := range d.Assignments {
		for _, h := range assignment.Releasing {
			if text := h.Why.String(); h.Task == "b" && text != "all workers of the task start again: workers now get the number of workers" {
				t.Errorf("%s: %s", memberID, text)
			}
		}
	}
	b.declare("b", func(s *cluster.TaskSpec) { *s = told.Spec })
	b.scale(7)
	b.apply(t, b.decide())
	b.answer("L", true)
	out, err := explain.Slot(&b.snap, cluster.Slot{Task: "a", Index: 6}, b.now, coord.Info{})
	if err != nil || !strings.HasPrefix(out.Here, "the count of a changes, and it waits for 6 workers of the old count to stop: a#") {
		t.Errorf("explained: %q, %v", out.Here, err)
	}
	if why := explain.Reasons(&b.snap)["a"]; why.Code != cluster.WhyResizing {
		t.Errorf("reason %v", why)
	}
}

// A worker that a hand has taken out of its assignment is told the old count for as long as its member holds it.
func TestHeldSlotsAreWaitedFor(t *testing.T) {
	b := threeNodes(t, spec("a", 4))
	for memberID, p := range b.snap.Peers {
		if h := schema.Find(p.Assignment.Rec.Granted, cluster.Slot{Task: "a"}); h != nil {
			assignment := *p.Assignment.Rec
			_, assignment.Granted = schema.Split(assignment.Granted, func(slot cluster.Slot, _ *schema.Granted) bool { return slot.Index == 0 })
			rest := *p
			rest.Assignment.Rec, rest.Assignment.Version = &assignment, p.Assignment.Version+1
			b.snap.Peers[memberID] = &rest
		}
	}
	b.scale(6)
	holder := ""
	for range 5 { // all others stop, and it does not
		b.now += time.Second
		for memberID, p := range b.snap.Peers {
			stays := schema.Find(p.Status.Rec.Holding, cluster.Slot{Task: "a"})
			b.answer(memberID, false)
			if stays != nil {
				holder = memberID
				b.snap.Peers[memberID].Status.Rec.Holding = append(b.snap.Peers[memberID].Status.Rec.Holding, schematest.Claimed("a 0 @1")...)
			}
		}
		b.apply(t, b.decide())
		if where := b.where("a"); strings.Contains(where, "of 6") {
			t.Fatalf("%s holds a#0 of 4, and there are %s", holder, where)
		}
	}
	b.settle(t)
	if where := b.where("a"); strings.Count(where, "of 6") != 3 || strings.Contains(where, "of 4") {
		t.Errorf("in the end: %s", where)
	}
}

// A node that leaves or is drained lets go of what it has given back, whoever has not stopped yet elsewhere.
func TestLeavingDoesNotWaitForABarrier(t *testing.T) {
	for name, leave := range map[string]func(*board){
		"leaves": func(b *board) { b.snap.Peers["M"].Status.Rec.Leaving = true },
		"is drained": func(b *board) {
			b.snap.Marks = map[string]view.Entry[schema.Mark]{"node-M": {Rec: &schema.Mark{Cordoned: true, Drain: &schema.Drain{}}}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := threeNodes(t, spec("a", 6))
			b.scale(7)
			for range 3 {
				b.now += time.Second
				b.apply(t, b.decide())
				for _, memberID := range []string{"L", "M", "N"} {
					b.answer(memberID, memberID == "N")
				}
				leave(b)
			}
			if assignment := b.snap.Peers["M"].Assignment.Rec; len(assignment.Granted)+len(assignment.Releasing) > 0 {
				t.Errorf("M is still listed with %v %v", assignment.Granted, assignment.Releasing)
			}
			if assignment := b.snap.Peers["L"].Assignment.Rec; len(assignment.Releasing) == 0 {
				t.Error("L, which stays, has forgotten where its slots were")
			}
			b.judgeCounts(t)
			if got := b.where("a"); got != "" {
				t.Errorf("granted while N has not stopped: %s", got)
			}
		})
	}
}

// What waits for a node that is lost says so, whether its session goes on or a leader still waits for it, and is not
// about to be granted to anybody.
func TestExplainLostNode(t *testing.T) {
	for _, resized := range []bool{false, true} {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprint("resized ", resized, " silent ", silent), func(t *testing.T) {
				b := threeNodes(t, spec("a", 3))
				slot := cluster.Slot{Task: "a"}
				for s := range schema.Each(b.snap.Peers["N"].Assignment.Rec.Granted) {
					slot = s
				}
				p := *b.snap.Peers["N"]
				p.Silent = silent
				if !silent {
					p.Member, p.Status = view.Entry[schema.Member]{Absent: true, Read: b.now}, view.Entry[schema.Status]{Absent: true, Read: b.now}
				}
				b.snap.Peers["N"] = &p
				if resized {
					b.scale(4)
				}
				ends := "granted elsewhere after the takeover delay"
				if silent {
					ends = "granted elsewhere when its session has ended"
				}
				out, err := explain.Slot(&b.snap, slot, b.now, coord.Info{})
				if err != nil || !strings.Contains(out.Here, slot.String()+" on node-N (lost)") || !strings.Contains(out.Here, ends) {
					t.Errorf("%q, %v", out.Here, err)
				}
				if why := explain.Reasons(&b.snap)["a"].String(); !strings.Contains(why, "granted elsewhere ") || !strings.Contains(why, "node-N") {
					t.Errorf("reason %q", why)
				}
			})
		}
	}
}

// A node is lost while a barrier is under way, and a delay holds what it had: the others go on with the old count.
func TestLostWithinABarrier(t *testing.T) {
	b := threeNodes(t, spec("a", 6))
	b.snap.Settings = view.Entry[schema.Settings]{Rec: &schema.Settings{Spec: cluster.Settings{Rebalance: cluster.Rebalance{LeaveDelay: cluster.Duration(10 * time.Minute)}}}}
	b.scale(7)
	memory := round.Memory{}
	idle, most := time.Duration(0), time.Duration(0)
	for i := range 60 {
		if i == 1 {
			gone(b.snap.Peers["M"])
		}
		const step = 15 * time.Second
		b.now += step
		if m := b.snap.Peers["M"]; m != nil {
			m.Member.Read, m.Status.Read = b.now, b.now
		}
		if i > 0 {
			b.answer("L", false)
			b.answer("N", false)
		}
		d := b.decide(func(w *round.World) { w.Memory = memory })
		memory = d.Memory
		b.apply(t, d)
		b.judgeCounts(t)
		if schema.Count(b.snap.Peers["L"].Assignment.Rec.Granted)+schema.Count(b.snap.Peers["N"].Assignment.Rec.Granted) > 0 {
			idle = 0
		} else {
			idle += step
		}
		most = max(most, idle)
	}
	if most > 2*time.Minute {
		t.Errorf("nothing ran for %v, though two nodes of three were there", most)
	}
	if got, want := b.where("a"), "L 0,2,4,6 of 7, N 1,3,5 of 7"; schema.Count(b.snap.Peers["L"].Assignment.Rec.Granted)+schema.Count(b.snap.Peers["N"].Assignment.Rec.Granted) != 7 {
		t.Errorf("in the end %q, want the like of %q", got, want)
	}
}
