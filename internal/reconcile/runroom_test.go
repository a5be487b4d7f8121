package reconcile_test

import (
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

// Runs without workers are over as soon as they begin, and count until then: no agenda has more than there is room for, and all that
// is due begins.
func TestRunsWithoutWorkersTakeRoom(t *testing.T) {
	for _, overlap := range []cluster.Overlap{cluster.OverlapAllow, cluster.OverlapQueue} {
		s := spec("a", 0)
		s.Every, s.Phase, s.Overlap = cluster.Duration(time.Second), cluster.PhaseOf(0), overlap
		b := newBoard(s)
		b.live("n1", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
		b.snap.TaskRuns = map[string]view.Entry[schema.TaskRuns]{"a": {Rec: &schema.TaskRuns{Timing: schedule.Name(s), Last: noon.Add(-45 * time.Second)}}}
		began, ended := 0, 0
		for range 200 {
			d := b.decide(atNoon)
			if len(d.TaskRuns) == 0 {
				break
			}
			for _, m := range d.Steps {
				switch m.Step {
				case cluster.StepRun:
					began++
				case cluster.StepDone:
					ended++
				}
			}
			b.commit(d)
			if n := len(b.snap.TaskRuns["a"].Rec.Runs); n > cluster.MaxActiveRuns {
				t.Fatalf("%s: %d runs at a time", overlap, n)
			}
		}
		if began != 45 || ended != 45 {
			t.Errorf("%s: %d runs began, %d are over", overlap, began, ended)
		}
	}
}

// Runs that make up for late firings go in the order of their instants, also if leaders whose clocks differ have found them late at
// different times.
func TestLateRunsGoInOrder(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.Misfire = "* * * * *", cluster.MisfireAll })
	run := func(minute int, queued bool) schema.Run {
		due := noon.Add(time.Duration(minute) * time.Minute)
		return schema.Run{Run: cluster.Run{ID: schema.RunID(due), Due: due, WorkerNum: 1, Late: true, Began: noon}, WorkName: "a", Queued: queued}
	}
	c.snap.TaskRuns["a"] = view.Entry[schema.TaskRuns]{Rec: &schema.TaskRuns{
		Timing: schedule.Name(c.spec), Last: noon, Runs: []schema.Run{run(-9, false), run(3, true), run(4, true)},
		Decided: []schema.Span{{From: noon.Add(2*time.Minute + time.Second), To: noon.Add(4 * time.Minute)}},
	}}
	c.commit(c.decide(func(w *round.World) { w.WallNow = noon.Add(5*time.Minute + 30*time.Second) }))
	var got []string
	for _, r := range c.snap.TaskRuns["a"].Rec.Runs[1:] {
		got = append(got, r.Due.Format("15:04"))
	}
	if want := []string{"12:05", "12:01", "12:02", "12:03", "12:04"}; !slices.Equal(got, want) {
		t.Errorf("they wait in the order %v; want %v", got, want)
	}
}

// Members that have left, and whose slots wait for others that leave, are not called lost where a task waits for them.
func TestBarrierTellsWhoHasLeft(t *testing.T) {
	b := threeNodes(t, spec("a", 6))
	b.live("O", 1, schematest.Granted(), schematest.Releasing(), 1, schematest.Claimed())
	b.settle(t)
	b.scale(7)
	memory := b.decide().Memory
	for _, memberID := range []string{"M", "O"} {
		p := gone(b.snap.Peers[memberID])
		assignment := *p.Assignment.Rec
		assignment.Closed = &schema.Closed{Left: true}
		p.Assignment = view.Entry[schema.Assignment]{Rec: &assignment, Version: p.Assignment.Version + 1, RecAt: p.Assignment.Version + 1, Read: b.now}
	}
	d := b.decide(func(w *round.World) { w.Memory = memory })
	if why := d.Unplaced["a"].String(); !strings.Contains(why, "a#1 on node-M (left)") || strings.Contains(why, "lost") {
		t.Errorf("it is said: %s", why)
	}
}
