package reconcile_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/schedule"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// What a leader whose clock is a day ahead has skipped is still to come: once that is found out it is neither counted nor listed as
// skipped.
func TestWhatIsStillToComeIsNotSkipped(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.KeepRuns = "0 * * * *", 50 })
	c.at(noon)
	c.at(noon.Add(24*time.Hour + 5*time.Minute))
	if rec := c.snap.TaskRuns["a"].Rec; rec.Missed != 24 || len(rec.Skips) != 1 {
		t.Fatalf("the clock is ahead: %d missed, %v", rec.Missed, rec.Skips)
	}
	for at := noon.Add(5 * time.Minute); at.Before(noon.Add(26 * time.Hour)); at = at.Add(time.Minute) {
		c.at(at)
	}
	if rec := c.snap.TaskRuns["a"].Rec; rec.Missed != 0 || len(rec.Skips) != 0 || len(c.fired) != 25 {
		t.Errorf("%d fired, %d missed, %v", len(c.fired), rec.Missed, rec.Skips)
	}
}

// A part of what was skipped is still to come: the rest stays noted, with how late it was by the clock of then.
func TestSkippedInPart(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.KeepRuns = "0 * * * *", 50 })
	c.at(noon)
	c.at(noon.Add(5*time.Hour + 5*time.Minute)) // really: half past two
	c.at(noon.Add(2*time.Hour + 30*time.Minute))
	rec := c.snap.TaskRuns["a"].Rec
	if rec.Missed != 2 || len(rec.Skips) != 1 || rec.Skips[0].String() != "2 firings from 2026-11-25T13:00:00Z to 2026-11-25T14:00:00Z skipped: 3h5m0s late" {
		t.Errorf("%d missed, %v", rec.Missed, rec.Skips)
	}
}

// What a leader whose clock was ahead has fired is not counted as skipped when it would have been due.
func TestWhatHasFiredIsNotSkipped(t *testing.T) {
	c := newCalendar(t, func(s *cluster.TaskSpec) { s.Schedule, s.KeepRuns = "* * * * *", 1 })
	c.at(noon)
	c.at(noon.Add(3 * time.Minute))              // really: noon
	c.at(noon.Add(10 * time.Second))             // it is right again
	c.at(noon.Add(10*time.Minute + time.Second)) // and nobody led for ten minutes
	if rec := c.snap.TaskRuns["a"].Rec; rec.Missed != 8 || len(c.fired) != 3 {
		t.Errorf("fired %v, %d missed, %v", c.fired, rec.Missed, rec.Skips)
	}
}

// Whatever clocks have said, what is counted as skipped is what did not happen.
func TestSkippedIsWhatDidNotHappen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCalendar(t, func(s *cluster.TaskSpec) {
			s.Schedule, s.KeepRuns = "0 * * * *", rapid.IntRange(1, 3).Draw(t, "keep")
			s.Misfire = rapid.SampledFrom([]cluster.Misfire{"", cluster.MisfireOnce, cluster.MisfireAll}).Draw(t, "misfire")
		})
		really := noon
		c.at(really)
		for range rapid.IntRange(1, 6).Draw(t, "steps") {
			really = really.Add(time.Duration(rapid.Int64Range(0, int64(6*time.Hour)).Draw(t, "passes")))
			off := time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "ahead"))
			c.at(really.Add(off))
			c.at(really)
		}
		really = really.Add(40 * time.Hour)
		c.at(really)
		rec := c.snap.TaskRuns["a"].Rec
		timing, _ := schedule.Parse(c.spec)
		missed := int64(0)
		for at := timing.Next(noon); !at.After(rec.Last); at = timing.Next(at) {
			if c.fired[schema.RunID(at)] == 0 {
				missed++
			}
		}
		noted := 0
		for _, skip := range rec.Skips {
			noted += skip.Number
			if skip.Number == 1 && c.fired[schema.RunID(skip.Due)] > 0 {
				t.Fatalf("%s, and it has fired", skip.String())
			}
		}
		if rec.Missed != missed || int64(noted) != missed && len(rec.Skips) < schema.MaxSkips {
			t.Fatalf("%d firings did not happen, %d are counted, %d noted: %v", missed, rec.Missed, noted, rec.Skips)
		}
	})
}
