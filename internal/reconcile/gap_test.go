package reconcile_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/reconcile/round"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// A firing at a time that a clock left out happens once, is not skipped, and a leader sleeps until it comes, and after it until the next.
func TestFiringAtATimeThatAClockLeftOut(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) {
		s.Schedule, s.TimeZone, s.KeepRuns = "30 2 * * *", "Europe/Berlin", 50
	})
	due := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	for at := due.Add(-48 * time.Hour); at.Before(due.Add(30 * time.Hour)); at = at.Add(10 * time.Second) {
		c.at(at)
		d := c.decide(func(w *round.World) { w.WallNow = at })
		if left := d.RequeueAt - c.now; left < time.Second {
			t.Fatalf("at %v it is to be decided again in %v", at, left)
		}
	}
	rec := c.snap.TaskRuns["a"].Rec
	if c.fired[schema.RunID(due)] != 1 || rec.Missed != 0 || len(rec.Skips) != 0 {
		t.Errorf("fired %v, missed %d, skips %v", c.fired, rec.Missed, rec.Skips)
	}
}
