package reconcile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func atNoon(w *round.World) { w.WallNow = noon }

// commit takes the agendas of a decision over, as if they had been committed.
func (b *board) commit(d round.Decision) {
	for task, rec := range d.TaskRuns {
		if rec == nil {
			delete(b.snap.TaskRuns, task)
			continue
		}
		b.snap.TaskRuns[task] = view.Entry[schema.TaskRuns]{Rec: rec, Version: b.snap.TaskRuns[task].Version + 1}
	}
}

// Many tasks are deleted with long histories: every commit stays small, and in the end nothing is left of them.
func TestHistoriesAreDroppedInSmallCommits(t *testing.T) {
	for name, maxAssignments := range map[string]int{"usual": round.MaxAssignments, "the last commit was too large": 1} {
		t.Run(name, func(t *testing.T) {
			b := newBoard()
			b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
			b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{}
			for i := range 30 {
				rec := &schema.TaskRuns{Runs: []schema.Run{}}
				for run := range 100 {
					rec.Kept = append(rec.Kept, fmt.Sprint(run))
				}
				b.snap.TaskRuns[fmt.Sprintf("t%02d", i)] = view.Entry[schema.TaskRuns]{Rec: rec}
			}
			dropped := map[round.RunKey]bool{}
			for commits := 1; len(b.snap.TaskRuns) > 0; commits++ {
				d := b.decide(atNoon, func(w *round.World) { w.MaxAssignments = maxAssignments })
				ops := len(d.TaskRuns) + len(d.DropRuns) + len(d.FinishedRuns) + len(d.Assignments)
				if ops == 0 || ops > 75 || maxAssignments == 1 && ops > 40 {
					t.Fatalf("commit %d has %d operations", commits, ops)
				}
				for _, key := range d.DropRuns {
					if dropped[key] {
						t.Fatalf("%v is dropped twice", key)
					}
					dropped[key] = true
				}
				b.commit(d)
			}
			if len(dropped) != 30*100 {
				t.Errorf("%d records were dropped", len(dropped))
			}
		})
	}
}

// A task that has as many runs as it may does not keep its leader busy: it goes on when one of them ends.
func TestFullTaskWaitsForAnEnd(t *testing.T) {
	s := spec("a", 1)
	s.Every, s.Overlap = cluster.Duration(time.Second), cluster.OverlapAllow
	b := newBoard(s)
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	last := noon.Add(-10 * time.Second)
	rec := &schema.TaskRuns{Timing: schedule.Name(s), Last: last}
	for i := range cluster.MaxActiveRuns {
		due := last.Add(time.Duration(i-cluster.MaxActiveRuns) * time.Second)
		rec.Runs = append(rec.Runs, schema.Run{Run: cluster.Run{ID: schema.RunID(due), Due: due, WorkerNum: 1, Began: due}, WorkName: "a"})
	}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: rec}}
	d := b.decide(atNoon)
	if d.TaskRuns["a"] != nil {
		t.Errorf("it is written: %+v", d.TaskRuns["a"])
	}
	if d.RequeueAt != 0 && d.RequeueAt-b.now < 100*time.Millisecond {
		t.Errorf("it is looked at again after %v", d.RequeueAt-b.now)
	}
	full := *rec
	full.Runs = append([]schema.Run{}, rec.Runs...)
	full.Runs[3].Done = cluster.Indexes{0}
	b.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &full, Version: 1}
	d = b.decide(atNoon)
	next := d.TaskRuns["a"]
	if next == nil || len(next.Runs) != cluster.MaxActiveRuns || len(d.FinishedRuns) != 1 || !next.Last.Equal(last.Add(time.Second)) {
		t.Errorf("one run has ended: %+v, %d over", next, len(d.FinishedRuns))
	}
}

// What a member says of slots that nobody waits for is not noted, and nothing is noted twice.
func TestEndsAreNotedOnce(t *testing.T) {
	s := spec("a", 3)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	name := cluster.RunTask("a", "r")
	p := b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	p.Completions = view.Entry[schema.Completions]{Rec: &schema.Completions{Slots: []schema.Completion{
		{Task: name, Slots: cluster.Indexes{0, 1, 7}, Token: 5},
		{Task: name, Slots: cluster.Indexes{1}, Token: 6, Error: "said twice"},
		{Task: cluster.RunTask("a", "old"), Slots: cluster.Indexes{0}, Token: 4},
	}}}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "r", WorkerNum: 3}, WorkName: "a"}}}}}
	d := b.decide(atNoon)
	next := d.TaskRuns["a"]
	if next == nil || len(next.Runs) != 1 || next.Runs[0].Done.String() != "0-1" || len(next.Runs[0].Failed) != 0 {
		t.Fatalf("%+v", next)
	}
	b.commit(d)
	if d := b.decide(atNoon); d.TaskRuns["a"] != nil {
		t.Errorf("it is noted again: %+v", d.TaskRuns["a"])
	}
}

// What an operator asks for begins once, also if the order is still there when the run is over: the record of
// orders could not be written meanwhile, or another leader reads it.
func TestOrderIsObeyedOnce(t *testing.T) {
	s := spec("a", 1)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	b.snap.Requests = view.Entry[schema.Requests]{Rec: &schema.Requests{RunNow: []schema.RunRequest{{ID: "r", Task: "a", By: "n1"}}}}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{}}}}
	d := b.decide(atNoon)
	next := d.TaskRuns["a"]
	if next == nil || len(next.Runs) != 1 || next.Runs[0].ID != "r" || next.Runs[0].By != "n1" {
		t.Fatalf("%+v", next)
	}
	over := *next
	over.Runs, over.Kept = []schema.Run{}, []string{"r"}
	b.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &over, Version: 2}
	if d := b.decide(atNoon); d.TaskRuns["a"] != nil && len(d.TaskRuns["a"].Runs) > 0 {
		t.Errorf("it begins again: %+v", d.TaskRuns["a"])
	}
}

// Whose end of a run's slot is not in the agenda yet, since that cannot be read, is not reaped: what it said would be lost.
// Its other slots run elsewhere meanwhile.
func TestEndsWaitForTheirAgenda(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave func(*view.Peer)
		why   cluster.ReasonCode
	}{
		{"left", func(p *view.Peer) {
			p.Assignment.Rec.Closed = &schema.Closed{By: "n2", Cause: "node left", Left: true}
		}, cluster.WhyLeft},
		{"crashed", func(p *view.Peer) {
			p.Assignment.Rec.Closed = &schema.Closed{By: "n2", Cause: "killed", StartedLast60s: schematest.Claimed("b 0 @8")}
		}, cluster.WhyLost},
		{"lost", func(p *view.Peer) { gone(p) }, cluster.WhyLost},
		{"evicted", func(p *view.Peer) { gone(p).Assignment.Rec.Evicted = true }, cluster.WhyEvicted},
	} {
		t.Run(c.name, func(t *testing.T) {
			once := spec("a", 1)
			once.Mode = cluster.ModeOnce
			b := newBoard(once, spec("b", 2))
			b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
			p := b.live("n2", 1, schematest.Granted("a@r 0 @7", "b 0-1 @8"), schematest.Releasing(), 1, schematest.Claimed("a@r 0 @7", "b 0-1 @8"))
			p.Completions = view.Entry[schema.Completions]{Rec: &schema.Completions{Slots: []schema.Completion{{Task: "a@r", Slots: cluster.Indexes{0}, Token: 7}}}}
			b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Err: schema.ErrCorrupt}}
			c.leave(p)
			looks := map[string]round.FirstSeen{"n2": {Assignment: 1, Delay: grace}}
			if c.name == "evicted" {
				looks = map[string]round.FirstSeen{"n2": {Assignment: 1, Delay: timeout + grace}}
			}
			d := b.decide(atNoon, func(w *round.World) { w.Memory.FirstSeen = looks })
			assignment := d.Assignments["n2"]
			if assignment == nil || len(assignment.Granted) != 1 || assignment.Granted[0].Task != "a@r" || assignment.Closed == nil || assignment.Evicted != (c.name == "evicted") {
				t.Fatalf("%s %+v", draw(d), assignment)
			}
			if why := d.Unplaced["a"]; why.Code != cluster.WhyRunsUnusable || !strings.Contains(why.String(), "node-n2 is gone, and the record of the task's runs cannot be read or written: its report of the end of a@r is kept until then") {
				t.Errorf("the reason that is shown: %q", why)
			}
			if c.name == "crashed" && (d.Suspects == nil || len(d.Suspects.Slots) != 1 || len(d.Suspects.Slots[0].TookDown) != 1) {
				t.Errorf("suspected: %+v", d.Suspects)
			}
			moves := slices.Clone(d.Steps)
			for range 3 { // by leaders that know nothing of the first one
				b.apply(t, d)
				b.commit(d)
				d = b.decide(atNoon)
				if len(d.Assignments) == 0 {
					break
				}
				moves = append(moves, d.Steps...)
			}
			if got := b.where("b"); got != "n1 0-1 of 2" {
				t.Errorf("b runs: %q", got)
			}
			if d.Suspects != nil {
				t.Errorf("suspected again: %+v", d.Suspects)
			}
			for _, m := range moves {
				if m.Step == cluster.StepFree && (m.Task != "b" || m.Code != c.why) || m.Step == cluster.StepReap {
					t.Errorf("%+v", m)
				}
			}
			b.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &schema.TaskRuns{Begun: true, Runs: []schema.Run{{Run: cluster.Run{ID: "r", WorkerNum: 1}, WorkName: "a"}}}, Version: 3}
			d = b.decide(atNoon)
			if assignment, written := d.Assignments["n2"]; !written || assignment != nil {
				t.Errorf("n2 is not reaped: %+v", d.Assignments)
			}
			for _, m := range d.Steps {
				if m.Step == cluster.StepReap && m.Code != c.why {
					t.Errorf("it is reaped since it %q: %s", m.Code, m.Why)
				}
			}
			if rec := d.TaskRuns["a"]; rec == nil || len(rec.Runs) == 1 && !rec.Runs[0].Done.Contains(0) {
				t.Errorf("its end is not noted: %+v", rec)
			}
		})
	}
}

// A member that is gone and has only slots of runs whose agenda cannot be read is settled at once: the next leader waits for it no longer,
// and for as long as the agenda cannot be read, no freeze counts it.
func TestMembersThatAwaitTheirAgendaAreSettled(t *testing.T) {
	for name, leave := range map[string]func(*view.Peer){
		"crashed": func(p *view.Peer) {
			p.Assignment.Rec.Closed = &schema.Closed{By: "n2", Cause: "killed", StartedLast60s: schematest.Claimed("b 0 @8")}
		},
		"lost":    func(*view.Peer) {},
		"evicted": func(p *view.Peer) { p.Assignment.Rec.Evicted = true },
	} {
		t.Run(name, func(t *testing.T) {
			once := spec("a", 1)
			once.Mode = cluster.ModeOnce
			b := newBoard(once, spec("b", 2))
			b.live("n1", 1, schematest.Granted("b 0-1 @9"), schematest.Releasing(), 1, schematest.Claimed("b 0-1 @9"))
			p := gone(b.live("n2", 1, schematest.Granted("a@r 0 @7"), schematest.Releasing(), 1, schematest.Claimed("a@r 0 @7")))
			b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Err: schema.ErrCorrupt}}
			leave(p)
			delay := grace
			if name == "evicted" {
				delay += timeout
			}
			d := b.decide(atNoon, func(w *round.World) {
				w.Memory.FirstSeen = map[string]round.FirstSeen{"n2": {Assignment: 1, Delay: delay}}
			})
			assignment := d.Assignments["n2"]
			if assignment == nil || assignment.Closed == nil || !assignment.Closed.Settled || len(assignment.Granted) != 1 {
				t.Fatalf("%s %+v", draw(d), assignment)
			}
			if suspected := d.Suspects != nil; suspected != (name == "crashed") {
				t.Errorf("suspected: %+v", d.Suspects)
			}
			b.apply(t, d)
			d = b.decide(atNoon)
			if len(d.Assignments) > 0 || len(d.RequeueMembers) > 0 || len(d.Memory.Delays.Vanished) > 0 || len(d.Memory.FirstSeen) > 0 {
				t.Errorf("the next leader: %s vanished %v", draw(d), d.Memory.Delays.Vanished)
			}
		})
	}
}

// What came too late is made up for, if the task says so, whatever becomes of runs that overlap: one such run behind the
// other, and what is due now before them. What is skipped is noted with the reason.
func TestWhatCameTooLate(t *testing.T) {
	due := func(seconds int) string { return schema.RunID(noon.Add(time.Duration(seconds) * time.Second)) }
	all := []int{-90, -80, -70, -60, -50, -40, -30, -20, -10, 0}
	for _, c := range []struct {
		misfire cluster.Misfire
		overlap cluster.Overlap
		order   []int // of the runs, by their instants after noon
		going   int   // how many go on at once
		skips   string
	}{
		{cluster.MisfireAll, cluster.OverlapSkip, []int{0, -90, -80, -70, -60, -50, -40, -30, -20, -10}, 1, ""},
		{cluster.MisfireOnce, "", []int{0, -10}, 1, "8 firings from 2026-11-25T11:58:30Z to 2026-11-25T11:59:40Z skipped: 20s late"},
		{cluster.MisfireSkip, "", []int{0}, 1, "9 firings from 2026-11-25T11:58:30Z to 2026-11-25T11:59:50Z skipped: 10s late"},
		{cluster.MisfireAll, cluster.OverlapQueue, []int{-50, -40, -30, -20, -10, 0, -90, -80, -70, -60}, 1, ""},
		{cluster.MisfireOnce, cluster.OverlapQueue, []int{-50, -40, -30, -20, -10, 0, -60}, 1, "3 firings from 2026-11-25T11:58:30Z to 2026-11-25T11:58:50Z skipped: 1m10s late"},
		{cluster.MisfireAll, cluster.OverlapAllow, all, 10, ""},
	} {
		t.Run(fmt.Sprintf("%s, %s", c.misfire, c.overlap), func(t *testing.T) {
			s := spec("a", 1)
			s.Every, s.Phase, s.Misfire, s.Overlap = cluster.Duration(10*time.Second), cluster.PhaseOf(0), c.misfire, c.overlap
			b := newBoard(s)
			b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
			b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{
				Timing: schedule.Name(s), Last: noon.Add(-100 * time.Second), Runs: []schema.Run{},
			}}}
			b.commit(b.decide(atNoon))
			for turn := range len(c.order) {
				rec := b.snap.TaskRuns["a"].Rec
				var order []string
				going := 0
				for i := range rec.Runs {
					order = append(order, rec.Runs[i].ID)
					if late := rec.Runs[i].Due.Before(noon.Add(-50 * time.Second)); late && !rec.Runs[i].Late {
						t.Errorf("%s does not say that it makes up for something", rec.Runs[i].ID)
					}
					if !rec.Runs[i].Queued {
						going++
					}
				}
				var want []string
				for _, seconds := range c.order[turn:] {
					want = append(want, due(seconds))
				}
				if !slices.Equal(order, want) || going != max(1, c.going-turn) {
					t.Fatalf("turn %d: %d of %v go on; want %v", turn, going, order, want)
				}
				next := *rec
				next.Runs = slices.Clone(rec.Runs)
				next.Runs[0].Done = cluster.Indexes{0}
				b.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &next, Version: b.snap.TaskRuns["a"].Version + 1}
				b.commit(b.decide(atNoon))
			}
			rec := b.snap.TaskRuns["a"].Rec
			if len(rec.Runs) > 0 || int64(len(c.order))+rec.Missed != 10 {
				t.Errorf("%d runs are left, %d firings were missed", len(rec.Runs), rec.Missed)
			}
			var skips []string
			for i := range rec.Skips {
				skips = append(skips, rec.Skips[i].String())
			}
			if got := strings.Join(skips, "; "); got != c.skips {
				t.Errorf("skipped: %q; want %q", got, c.skips)
			}
		})
	}
}

// Where there is not room for all, what is due now takes it. What came too late gives way, and is noted.
func TestDueNowTakesTheRoom(t *testing.T) {
	s := spec("a", 1)
	s.Every, s.Phase, s.Misfire, s.Overlap = cluster.Duration(10*time.Second), cluster.PhaseOf(0), cluster.MisfireAll, cluster.OverlapAllow
	b := newBoard(s)
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	rec := &schema.TaskRuns{Timing: schedule.Name(s), Last: noon.Add(-100 * time.Second)}
	for i := range cluster.MaxActiveRuns - 8 {
		due := noon.Add(time.Duration(i-60) * time.Minute)
		rec.Runs = append(rec.Runs, schema.Run{Run: cluster.Run{ID: schema.RunID(due), Due: due, WorkerNum: 1, Began: due}, WorkName: "a"})
	}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: rec}}
	next := b.decide(atNoon).TaskRuns["a"]
	if next == nil || len(next.Runs) != cluster.MaxActiveRuns || !next.Last.Equal(noon) {
		t.Fatalf("%+v", next)
	}
	var begun []string
	for _, r := range next.Runs[cluster.MaxActiveRuns-8:] {
		begun = append(begun, fmt.Sprintf("%v %v", r.Due.Sub(noon), r.Late))
	}
	want := []string{"-1m10s true", "-1m0s true", "-50s false", "-40s false", "-30s false", "-20s false", "-10s false", "0s false"}
	if !slices.Equal(begun, want) {
		t.Errorf("these began: %q", begun)
	}
	if len(next.Skips) != 1 || next.Missed != 2 || next.Skips[0].String() != "2 firings from 2026-11-25T11:58:30Z to 2026-11-25T11:58:40Z skipped: 1m20s late" {
		t.Errorf("%d are missed: %+v", next.Missed, next.Skips)
	}
}

// A firing that is due now waits for a run that makes up for an earlier one and goes on, and goes before those that wait;
// it is skipped while a run of its own kind goes on, which is noted once for each such run. What is kept of that is
// bounded.
func TestDueNowGoesFirst(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.Misfire = "* * * * *", cluster.MisfireAll })
	late := schema.Run{Run: cluster.Run{ID: schema.RunID(noon.Add(-2 * time.Minute)), Due: noon.Add(-2 * time.Minute), WorkerNum: 1, Late: true, Began: noon}, WorkName: "a"}
	waits := late
	waits.ID, waits.Due, waits.Queued = schema.RunID(noon.Add(-time.Minute)), noon.Add(-time.Minute), true
	c.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &schema.TaskRuns{Timing: schedule.Name(c.spec), Last: noon, Runs: []schema.Run{late, waits}}}
	decide := func(at time.Time) *schema.TaskRuns {
		c.commit(c.decide(func(w *round.World) { w.WallNow = at }))
		return c.snap.TaskRuns["a"].Rec
	}
	first := noon.Add(time.Minute)
	rec := decide(first)
	if len(rec.Runs) != 3 || rec.Runs[1].ID != schema.RunID(first) || !rec.Runs[1].Queued || !rec.Runs[2].Late {
		t.Fatalf("%+v", rec.Runs)
	}
	moves := 0
	for i := 2; i < 60; i++ {
		d := c.decide(func(w *round.World) { w.WallNow = noon.Add(time.Duration(i) * time.Minute) })
		for _, m := range d.Steps {
			if m.Step == cluster.StepMiss && m.Code == cluster.WhyOverlap {
				moves++
			}
		}
		c.commit(d)
	}
	rec = c.snap.TaskRuns["a"].Rec
	want := "58 firings from 2026-11-25T12:02:00Z to 2026-11-25T12:59:00Z skipped: run " + schema.RunID(first) + " went before it"
	if len(rec.Runs) != 3 || len(rec.Skips) != 1 || rec.Skips[0].String() != want || rec.Skipped != 58 || moves != 1 {
		t.Fatalf("%d are skipped, %d told: %+v", rec.Skipped, moves, rec.Skips)
	}
	for i := range 30 { // outages: what was late by then is made up for, ten at a time, and the rest is noted
		rec = decide(noon.Add(time.Duration(i+2) * time.Hour))
		if i == 0 && len(rec.Runs) != 3+cluster.MaxMisfires {
			t.Errorf("%d runs; those that make up for something do not wait for the one that goes on", len(rec.Runs))
		}
		for n := range rec.Runs {
			rec.Runs[n].Done = cluster.Indexes{0}
		}
	}
	if len(rec.Skips) != schema.MaxSkips || len(rec.Runs) > cluster.MaxActiveRuns {
		t.Errorf("%d skips are kept, and %d runs", len(rec.Skips), len(rec.Runs))
	}
}

// The plan of a task that is not there yet says so, and when its runs begin: none of its runs can go on.
func TestPlanOfNewRuns(t *testing.T) {
	b := newBoard()
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	b.snap.Tasks["old"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: cluster.TaskSpec{Name: "old", WorkName: "w", WorkerNum: 1, Mode: cluster.ModeOnce}}}
	plan := b.plan(t,
		cluster.Declare(cluster.TaskSpec{Name: "nightly", WorkName: "w", WorkerNum: 2, Schedule: "0 2 * * *"}),
		cluster.Declare(cluster.TaskSpec{Name: "once", WorkName: "w", WorkerNum: 1, Mode: cluster.ModeOnce}),
		cluster.Scale("old", 3),
	)
	want := []cluster.PlannedRun{{Task: "nightly", Workers: 2, First: true, Schedule: "0 2 * * * UTC"}, {Task: "old", Workers: 3}, {Task: "once", Workers: 1, First: true}}
	if !slices.Equal(plan.NextRuns, want) {
		t.Errorf("%+v; want %+v", plan.NextRuns, want)
	}
}
