package reconcile_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/schema/schematest"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// calendar is a task with a schedule, and leaders with clocks of their own who decide about it.
type calendar struct {
	*board
	t     interface{ Fatalf(string, ...any) }
	spec  cluster.TaskSpec
	fired map[string]int // runs that began, by their instants
	steps []cluster.Step
	ahead bool // the last leader said that the schedule waits for its clock
}

func newCalendar(t interface{ Fatalf(string, ...any) }, change func(*cluster.TaskSpec)) *calendar {
	s := spec("a", 1)
	change(&s)
	c := &calendar{board: newBoard(s), t: t, spec: s, fired: map[string]int{}}
	c.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	c.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{}
	return c
}

// at lets a leader decide whose clock says so, until it has nothing to write. Every run is over at once.
func (c *calendar) at(clock time.Time) {
	c.now += time.Second
	for range 100 {
		d := c.decide(func(w *round.World) { w.WallNow = clock })
		c.ahead = slices.Contains(d.Ahead, "a")
		for _, m := range d.Steps {
			if m.Step == cluster.StepRecall {
				c.steps = append(c.steps, m.Step)
			}
			if m.Step == cluster.StepRun {
				_, id := cluster.SplitRun(m.Task)
				c.fired[id]++
			}
		}
		if len(d.TaskRuns) == 0 {
			return
		}
		c.commit(d)
		e, known := c.snap.TaskRuns["a"]
		if !known {
			continue
		}
		text := schema.Encode(e.Rec, e.Version)
		again := new(schema.TaskRuns)
		if err := schema.Decode("a", coord.Record{Value: text, Version: e.Version}, again); err != nil {
			c.t.Fatalf("the next leader cannot read it: %v\n%s", err, text)
		}
		if len(again.Passed) > 8 || len(again.Decided) > 8 {
			c.t.Fatalf("it grows: %s", text)
		}
		for i := range again.Runs {
			again.Runs[i].Queued, again.Runs[i].Done = false, cluster.Indexes{0}
		}
		c.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: again, Version: e.Version}
	}
	c.t.Fatalf("the leader decides for ever")
}

// edit declares the task otherwise.
func (c *calendar) edit(change func(*cluster.TaskSpec)) {
	change(&c.spec)
	c.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: &schema.Task{Spec: c.spec}, Version: c.snap.Tasks["a"].Version + 1}
}

func hourly(s *cluster.TaskSpec) { s.Schedule, s.KeepRuns = "0 * * * *", 1 }

// A leader whose clock is ahead by a day, for one decision, does not cancel the firings of that day; and what it has
// fired does not fire again.
func TestClockAhead(t *testing.T) {
	for name, change := range map[string]func(*cluster.TaskSpec){
		"cron": hourly,
		"interval": func(s *cluster.TaskSpec) {
			s.Every, s.Phase, s.KeepRuns = cluster.Duration(time.Hour), cluster.PhaseOf(0), 1
		},
		"late ones are made up for": func(s *cluster.TaskSpec) {
			hourly(s)
			s.Misfire, s.Overlap = cluster.MisfireAll, cluster.OverlapAllow
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCalendar(t, change)
			c.at(noon)
			c.at(noon.Add(time.Hour))
			c.at(noon.Add(25*time.Hour + 90*time.Second)) // really: half past one
			for at := noon.Add(90 * time.Minute); at.Before(noon.Add(49 * time.Hour)); at = at.Add(30 * time.Second) {
				c.at(at)
			}
			for at := noon.Add(time.Hour); at.Before(noon.Add(49 * time.Hour)); at = at.Add(time.Hour) {
				if n := c.fired[schema.RunID(at)]; n != 1 {
					t.Errorf("%v fired %d times", at, n)
				}
			}
			if len(c.steps) != 1 {
				t.Errorf("it was said %d times that firings are still to come", len(c.steps))
			}
		})
	}
}

// A leader whose clock is behind takes nothing back, and says that it waits.
func TestClockBehind(t *testing.T) {
	c := newCalendar(t, hourly)
	for at := noon; at.Before(noon.Add(5 * time.Hour)); at = at.Add(30 * time.Second) {
		c.at(at)
	}
	before := len(c.fired)
	for at := noon.Add(2 * time.Hour); at.Before(noon.Add(3 * time.Hour)); at = at.Add(30 * time.Second) {
		if c.at(at); !c.ahead {
			t.Fatal("it does not say that it waits")
		}
	}
	if len(c.fired) != before || len(c.steps) != 0 {
		t.Errorf("%d runs more", len(c.fired)-before)
	}
	if c.at(noon.Add(6 * time.Hour)); len(c.fired) != before+1 || c.ahead {
		t.Errorf("%d runs more when the clock is right", len(c.fired)-before)
	}
}

// What an earlier version has noted of an interval, which it counted from the last firing, is taken up: the firing that is still to
// come happens once, unless the grid has an earlier one; one that came too late is made up for, or noted. No instant fires
// twice, and no gap is longer than the interval, but for what was skipped.
func TestIntervalOfAnEarlierVersion(t *testing.T) {
	const hour = time.Hour
	for _, c := range []struct {
		name        string
		last, phase time.Duration // the last firing, before noon; the phase of the grid
		misfire     cluster.Misfire
		want        string // instants of three hours, by minutes after noon
		skips       string
	}{
		{"it comes before the grid's", 40 * time.Minute, 50 * time.Minute, "", "20 50 110 170", ""},
		{"it comes after the grid's", 10 * time.Minute, 5 * time.Minute, "", "5 65 125", ""},
		{"it comes with the grid's", 40 * time.Minute, 20 * time.Minute, "", "20 80 140", ""},
		{"it came a moment ago", hour + 30*time.Second, 20 * time.Minute, "", "-0.5 20 80 140", ""},
		{"it came too late", 80 * time.Minute, 50 * time.Minute, "", "40 50 110 170", "2026-11-25T11:40:00Z skipped: 20m0s late"},
		{"it came too late and is made up for", 80 * time.Minute, 50 * time.Minute, cluster.MisfireOnce, "-20 40 50 110 170", ""},
		{"several came too late", 200 * time.Minute, 50 * time.Minute, cluster.MisfireOnce, "-20 40 50 110 170", "2 firings from 2026-11-25T09:40:00Z to 2026-11-25T10:40:00Z skipped: 1h20m0s late"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cal := newCalendar(t, func(s *cluster.TaskSpec) {
				s.Every, s.Phase, s.Misfire, s.KeepRuns = cluster.Duration(hour), cluster.PhaseOf(c.phase), c.misfire, 1
			})
			cal.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &schema.TaskRuns{Timing: "every 1h0m0s", Last: noon.Add(-c.last), Runs: []schema.Run{}}}
			for at := noon; at.Before(noon.Add(3 * hour)); at = at.Add(30 * time.Second) {
				cal.at(at)
			}
			want := map[string]int{}
			for minutes := range strings.FieldsSeq(c.want) {
				m, err := strconv.ParseFloat(minutes, 64)
				if err != nil {
					t.Fatal(err)
				}
				want[schema.RunID(noon.Add(time.Duration(m*float64(time.Minute))))] = 1
			}
			if diff := cmp.Diff(want, cal.fired); diff != "" {
				t.Errorf("fired (-want +got):\n%s", diff)
			}
			var skips []string
			rec := cal.snap.TaskRuns["a"].Rec
			for i := range rec.Skips {
				skips = append(skips, rec.Skips[i].String())
			}
			if got := strings.Join(skips, "; "); got != c.skips {
				t.Errorf("skipped: %q; want %q", got, c.skips)
			}
			if rec.Timing != schedule.Name(cal.spec) {
				t.Errorf("it still goes by %q", rec.Timing)
			}
		})
	}
}

// Leaders whose clocks are 90 s apart take turns: no firing happens twice, whichever of them leads when, for cron as for
// an interval; and what one of them took for too late is made up for, or counted.
func TestLeadersWithClocksApart(t *testing.T) {
	for name, change := range map[string]func(*cluster.TaskSpec){
		"cron": func(s *cluster.TaskSpec) { s.Schedule, s.KeepRuns = "* * * * *", 1 },
		"interval, late ones are made up for": func(s *cluster.TaskSpec) {
			s.Every, s.Phase, s.KeepRuns, s.Misfire = cluster.Duration(time.Minute), cluster.PhaseOf(0), 1, cluster.MisfireAll
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCalendar(t, change)
			for i := range 600 { // every leader leads for 100 s
				off := time.Duration(i/10%2) * 90 * time.Second
				c.at(noon.Add(time.Duration(i)*10*time.Second + off))
			}
			missed := int64(0)
			for at := noon.Add(time.Minute); at.Before(noon.Add(99 * time.Minute)); at = at.Add(time.Minute) {
				switch n := c.fired[schema.RunID(at)]; {
				case n == 0 && c.spec.Misfire != cluster.MisfireAll:
					missed++
				case n != 1:
					t.Errorf("%v fired %d times", at, n)
				}
			}
			if rec := c.snap.TaskRuns["a"].Rec; rec.Missed != missed {
				t.Errorf("%d firings did not happen, %d are counted", missed, rec.Missed)
			}
		})
	}
}

// A clock that is set back, and a schedule that is edited then: what has fired does not fire again.
func TestClockSetBackAndScheduleEdited(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.KeepRuns = "*/10 * * * *", 1 })
	c.at(noon)
	c.at(noon.Add(10 * time.Minute)) // really: eight past
	c.at(noon.Add(20 * time.Minute))
	c.edit(func(s *cluster.TaskSpec) { s.Schedule = "*/5 * * * *" })
	for at := noon.Add(9 * time.Minute); at.Before(noon.Add(31 * time.Minute)); at = at.Add(30 * time.Second) {
		c.at(at)
	}
	for minute, want := range map[int]int{10: 1, 20: 1, 25: 1, 30: 1} {
		if n := c.fired[schema.RunID(noon.Add(time.Duration(minute)*time.Minute))]; n != want {
			t.Errorf("12:%d fired %d times", minute, n)
		}
	}
}

// An instant that has a run has no other, whatever the agenda says otherwise: an earlier version wrote it, or it was
// mended by hand.
func TestInstantHasOneRun(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.Overlap = "0 * * * *", cluster.OverlapAllow })
	due := noon.Add(time.Hour)
	c.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &schema.TaskRuns{
		Timing: schedule.Name(c.spec), Last: noon, Kept: []string{schema.RunID(due)},
		Runs: []schema.Run{{Run: cluster.Run{ID: schema.RunID(due.Add(time.Hour)), Due: due, WorkerNum: 1, Began: noon}, WorkName: "a"}},
	}}
	c.at(due)
	c.at(due.Add(time.Hour))
	c.at(due.Add(2 * time.Hour))
	if len(c.fired) != 1 || c.fired[schema.RunID(due.Add(2*time.Hour))] != 1 {
		t.Errorf("fired: %v", c.fired)
	}
}

// Whatever clocks say and whoever edits and pauses, no instant fires twice, every agenda can be read, and once clocks
// are right the schedule is kept.
func TestNoInstantFiresTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCalendar(t, func(s *cluster.TaskSpec) {
			s.Every, s.KeepRuns = cluster.Duration(time.Hour), rapid.IntRange(1, 3).Draw(t, "keep")
			s.Misfire = rapid.SampledFrom([]cluster.Misfire{"", cluster.MisfireOnce, cluster.MisfireAll}).Draw(t, "misfire")
			s.Overlap = rapid.SampledFrom([]cluster.Overlap{"", cluster.OverlapQueue, cluster.OverlapAllow}).Draw(t, "overlap")
		})
		really := noon
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			really = really.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Hour)).Draw(t, "passes")))
			off := time.Duration(0)
			if rapid.Bool().Draw(t, "wrong") {
				off = time.Duration(rapid.Int64Range(-int64(30*time.Hour), int64(30*time.Hour)).Draw(t, "off"))
			}
			switch rapid.IntRange(0, 9).Draw(t, "edit") {
			case 0:
				c.edit(func(s *cluster.TaskSpec) { s.Every, s.Schedule = 0, "7 * * * *" })
			case 1:
				c.edit(func(s *cluster.TaskSpec) { s.Every, s.Schedule = 0, "7,37 * * * *" })
			case 2:
				c.edit(func(s *cluster.TaskSpec) { s.Every, s.Schedule = cluster.Duration(40*time.Minute), "" })
			case 3:
				c.edit(func(s *cluster.TaskSpec) { s.Paused = !s.Paused })
			case 4: // a leader of an earlier version, which counts from the last firing, or from when it first saw the task
				if e := c.snap.TaskRuns["a"]; e.Rec != nil && c.spec.Every != 0 {
					rec := *e.Rec
					rec.Timing = "every " + c.spec.Every.String()
					if at := really.Add(off).Truncate(time.Second); at.After(rec.Last) {
						rec.Last = at
					}
					c.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &rec, Version: e.Version + 1}
				}
			}
			c.at(really.Add(off))
		}
		c.edit(func(s *cluster.TaskSpec) { s.Paused = false })
		c.at(really)
		for rec := c.snap.TaskRuns["a"].Rec; rec.Timing != schedule.Name(c.spec); rec = c.snap.TaskRuns["a"].Rec {
			really = schedule.Former(c.spec, rec.Timing, rec.Last).Next(rec.Last)
			c.at(really)
		}
		waits := c.ahead
		timing, _ := schedule.Parse(c.spec)
		last := c.snap.TaskRuns["a"].Rec.Last
		for range 6 {
			really = timing.Next(last)
			if !waits {
				c.at(really)
			}
			last = really
			if n := c.fired[schema.RunID(really)]; n != 1 && !waits && !schema.Within(c.snap.TaskRuns["a"].Rec.Decided, really) {
				t.Fatalf("%v fired %d times", really, n)
			}
		}
		for id, n := range c.fired {
			if n > 1 {
				t.Fatalf("%s fired %d times", id, n)
			}
		}
	})
}

// A task that runs once, deleted and declared again while nobody leads, is another task: it runs.
func TestDeclaredAgainWhileNobodyLeads(t *testing.T) {
	s := spec("a", 1)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	old := &schema.TaskRuns{Begun: true, Runs: []schema.Run{}, Kept: []string{"r1", "r2"}}
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: old}}
	if d := b.decide(atNoon); len(d.TaskRuns) != 0 {
		t.Fatalf("the task that has run is begun again: %+v", d.TaskRuns["a"])
	}
	rec := &schema.Task{Spec: s, Deleted: true}
	rec.Declare(s)
	b.snap.Tasks["a"] = view.Entry[schema.Task]{Rec: rec, Version: 2}
	var runs []string
	dropped := 0
	for range 5 {
		d := b.decide(atNoon)
		dropped += len(d.DropRuns)
		for _, m := range d.Steps {
			if m.Step == cluster.StepRun {
				runs = append(runs, m.Task)
			}
		}
		b.commit(d)
	}
	if len(runs) != 1 || !strings.HasPrefix(runs[0], "a@") || dropped != 2 {
		t.Errorf("it began %q; %d records of the former task were dropped", runs, dropped)
	}
	if got := b.snap.TaskRuns["a"].Rec; got == nil || got.Generation != 1 || !got.Begun {
		t.Errorf("agenda: %+v", got)
	}
}

// The same with a run of the former task under way, and one that is over and kept: the former run ends, its slot is not granted
// again, and the new one begins.
func TestDeclaredAgainWithHistory(t *testing.T) {
	s := spec("a", 1)
	s.Mode = cluster.ModeOnce
	b := newBoard(s)
	b.snap.Tasks["a"].Rec.Generation = 1
	run := cluster.RunTask("a", "r2")
	b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Begun: true, Kept: []string{"r1"}, Runs: []schema.Run{{Run: cluster.Run{ID: "r2", WorkerNum: 1, Began: noon}, WorkName: "a"}}}}}
	b.live("n1", 1, schematest.Granted(run+" 0 @5"), schematest.Releasing(), 1, schematest.Claimed(run+" 0 @5"))
	former := view.OfRun(s, &b.snap.TaskRuns["a"].Rec.Runs[0])
	b.snap.Peers["n1"].Assignment.Rec.Granted[0].Spec = &former
	var began []string
	for range 6 {
		d := b.decide(atNoon)
		for _, m := range d.Steps {
			switch {
			case m.Step == cluster.StepRun:
				began = append(began, m.Task)
			case m.Step == cluster.StepGrant && m.Task == run:
				t.Error("the former run is granted again")
			}
		}
		b.commit(d)
		b.apply(t, d)
		b.answer("n1", false)
	}
	if len(began) != 1 {
		t.Errorf("runs begun: %q", began)
	}
	if h := schema.Find(b.snap.Peers["n1"].Assignment.Rec.Granted, cluster.Slot{Task: run}); h != nil {
		t.Error("the former run's slot is still granted")
	}
}
