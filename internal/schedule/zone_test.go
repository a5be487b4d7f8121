package schedule

import (
	"testing"
	"time"
	_ "time/tzdata"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// Clocks of these zones are changed by an hour, by half of one or by two, at midnight or later, and by whole days. Which instants fire
// does not depend on where one begins to look for them: every firing is the next one a moment before it, and after each moment.
func TestNextDoesNotDependOnWhereTheSearchBegins(t *testing.T) {
	for _, zone := range []string{
		"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe", "Africa/Casablanca",
		"Antarctica/Troll", "America/Santiago", "Asia/Tehran", "Pacific/Apia",
	} {
		for _, fields := range []string{"30 2 * * *", "15 2 * * *", "0 0 * * *", "30 0,1 1-31/2 * *", "*/20 * * * *", "10 * 31 3 SUN", "59 23 * * *", "*/30 1-3 * * *"} {
			s := cronOf(t, fields, zone)
			for _, year := range []int{2011, 2018, 2024, 2026} {
				at := time.Date(year, 1, 1, 0, 7, 0, 0, time.UTC)
				for end := at.AddDate(1, 0, 0); at.Before(end); at = at.Add(97 * time.Minute) {
					next := s.Next(at)
					if before := s.Next(next.Add(-time.Second)); !next.After(at) || !before.Equal(next) {
						t.Fatalf("%s %q: after %v comes %v, and after a second before that %v", zone, fields, at, next, before)
					}
				}
			}
		}
	}
}

// For all changes of clocks, a schedule that names a time of day fires once a day. The firing of a day that a zone has
// skipped comes on the next day.
func TestOnceADay(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Antarctica/Troll", "Asia/Beirut"} {
		for _, fields := range []string{"0 0 * * *", "30 0 * * *", "45 1 * * *", "15 2 * * *", "0 2 * * *", "30 2 * * *", "59 23 * * *"} {
			s := cronOf(t, fields, zone)
			fired := map[string]int{}
			end := time.Date(2027, 1, 1, 0, 0, 0, 0, s.location)
			for at := s.Next(time.Date(2015, 1, 1, 0, 0, 0, 0, s.location)); at.Before(end); at = s.Next(at) {
				fired[at.In(s.location).Format(time.DateOnly)]++
			}
			for day := time.Date(2015, 1, 2, 12, 0, 0, 0, s.location); day.Before(end); day = day.AddDate(0, 0, 1) {
				if n := fired[day.Format(time.DateOnly)]; n != 1 {
					t.Errorf("%s %q fires %d times on %v", zone, fields, n, day.Format(time.DateOnly))
				}
			}
		}
	}
}

// In Berlin clocks go from 02:00 to 03:00 on 2026-03-29 (01:00 UTC). A firing at 02:30 happens at 03:30 (01:30 UTC), no
// matter when in that hour the schedule is asked, and the next firing is never in the past.
func TestDueWhereAClockGoesForward(t *testing.T) {
	s := cronOf(t, "30 2 * * *", "Europe/Berlin")
	last, due := instant(t, "2026-03-28 01:30:00"), instant(t, "2026-03-29 01:30:00")
	for _, late := range []time.Duration{-time.Second, 0, 5 * time.Millisecond, 30 * time.Second, time.Minute, 61 * time.Second, 20 * time.Hour} {
		for _, one := range []bool{false, true} {
			now := due.Add(late)
			d := s.At(last, now, cluster.MisfireSkip, one, never)
			fires, missed := 0, 0
			switch {
			case late >= cluster.MisfireAfter:
				missed = 1
			case late >= 0:
				fires = 1
			}
			if len(d.Fire) != fires || d.Missed != missed || fires == 1 && !d.Fire[0].Equal(due) || !d.Next.After(now) {
				t.Errorf("%v late: %v fire, %d missed, next %v", late, d.Fire, d.Missed, d.Next)
			}
		}
	}
}

// Late firings are counted quickly, no matter how long ago the last decision was, and how rarely the schedule fires.
func TestLateForEver(t *testing.T) {
	s := cronOf(t, "0 0 29 2 *", "")
	for _, c := range []struct {
		last time.Time
		want int
	}{{instant(t, "1900-01-01 00:00:00"), 31}, {instant(t, "1700-01-01 00:00:00"), 79}, {time.Time{}, 491}} {
		d := s.At(c.last, instant(t, "2026-11-29 00:00:00"), cluster.MisfireSkip, false, never)
		if d.Missed != c.want || !d.Next.Equal(instant(t, "2028-02-29 00:00:00")) {
			t.Errorf("since %v: %d missed, next %v", c.last, d.Missed, d.Next)
		}
	}
}
