package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gitee.com/ken.yang/xconsumer/cluster"
)

func cronOf(t *testing.T, fields, zone string) *Schedule {
	t.Helper()
	s, err := Parse(cluster.TaskSpec{Schedule: fields, TimeZone: zone})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// never reports that nothing has fired out of turn.
func never(time.Time) bool { return false }

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// firings lists the firings between two instants, in UTC.
func firings(t *testing.T, s *Schedule, from, to string) (list []string) {
	t.Helper()
	for at := s.Next(instant(t, from)); !at.IsZero() && !at.After(instant(t, to)); at = s.Next(at) {
		list = append(list, at.Format("02 15:04"))
	}
	return list
}

// In New York clocks go forward on 2026-03-08 at 02:00 (07:00 UTC) and back on 2026-11-01 at 02:00 (06:00
// UTC).
func TestClocksChange(t *testing.T) {
	for name, c := range map[string]struct {
		fields, from, to string
		want             []string
	}{
		"forward, a time that there is not": {"30 2 * * *", "2026-03-07 00:00:00", "2026-03-09 12:00:00", []string{"07 07:30", "08 07:30", "09 06:30"}},
		"forward, wildcard":                 {"30 * * * *", "2026-03-08 05:00:00", "2026-03-08 08:00:00", []string{"08 05:30", "08 06:30", "08 07:30"}},
		"back, a time that there is twice":  {"30 1 * * *", "2026-10-31 00:00:00", "2026-11-02 12:00:00", []string{"31 05:30", "01 05:30", "02 06:30"}},
		"back, several hours":               {"0 0-2 * * *", "2026-11-01 00:00:00", "2026-11-01 12:00:00", []string{"01 04:00", "01 05:00", "01 07:00"}},
		"back, wildcard":                    {"30 * * * *", "2026-11-01 04:00:00", "2026-11-01 08:00:00", []string{"01 04:30", "01 05:30", "01 06:30", "01 07:30"}},
		"back, every other hour":            {"0 */2 * * *", "2026-11-01 03:00:00", "2026-11-01 10:00:00", []string{"01 04:00", "01 07:00", "01 09:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, firings(t, cronOf(t, c.fields, "America/New_York"), c.from, c.to)); diff != "" {
				t.Error(diff)
			}
		})
	}
	// In Berlin forward on 2026-03-29 at 02:00 (01:00 UTC) and back on 2026-10-25 at 03:00 (01:00 UTC): the example
	// of the guide.
	for fields, want := range map[string][2][]string{
		"30 2 * * *":  {{"29 01:30"}, {"25 00:30"}},
		"0 1-3 * * *": {{"29 00:00", "29 01:00"}, {"24 23:00", "25 00:00", "25 02:00"}},
		"30 * * * *":  {{"29 00:30", "29 01:30"}, {"24 23:30", "25 00:30", "25 01:30", "25 02:30"}},
	} {
		s := cronOf(t, fields, "Europe/Berlin")
		for i, span := range [2][2]string{{"2026-03-28 23:45:00", "2026-03-29 02:00:00"}, {"2026-10-24 22:45:00", "2026-10-25 02:45:00"}} {
			if diff := cmp.Diff(want[i], firings(t, s, span[0], span[1])); diff != "" {
				t.Errorf("%s: %s", fields, diff)
			}
		}
	}
	half := cronOf(t, "45 1 * * *", "Australia/Lord_Howe") // half an hour back on 2026-04-05 at 02:00 (15:00 UTC the day before)
	if got := firings(t, half, "2026-04-03 16:00:00", "2026-04-05 16:00:00"); len(got) != 2 {
		t.Errorf("half an hour back: %v", got)
	}
}

func TestMistakes(t *testing.T) {
	for want, spec := range map[string]cluster.TaskSpec{
		"there is no such date":           {Schedule: "0 0 31 2 *"},
		"invalid time zone":               {Schedule: "0 0 * * *", TimeZone: "Mars/Olympus"},
		"write the zone as timeZone":      {Schedule: "TZ=UTC 0 0 * * *"},
		"an interval as every":            {Schedule: "@every 1h"},
		`as in "30 2 * * MON-FRI"`:        {Schedule: "61 * * * *"},
		`"minute hour day month weekday"`: {Schedule: "every day"},
		`"*/90 * * * *"`:                  {Schedule: "*/90 * * * *"},
		`invalid time zone "Local"`:       {Schedule: "0 0 * * *", TimeZone: "Local"},
		`schedule: "0 0 0 * * *": `:       {Schedule: "0 0 0 * * *"},
	} {
		if _, err := Parse(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; want %q", spec, err, want)
		}
	}
	err := Validate(cluster.TaskSpec{Name: "n", WorkerNum: -1, Schedule: "x"})
	if err == nil || !strings.Contains(err.Error(), "workerNum") || !strings.Contains(err.Error(), "schedule:") || !strings.Contains(err.Error(), "workName") {
		t.Errorf("%v", err)
	}
	if s, err := Parse(cluster.TaskSpec{}); s != nil || err != nil {
		t.Error(s, err)
	}
}

// A weekday together with a day of the month means either, as in every cron.
func TestDayOrWeekday(t *testing.T) {
	got := firings(t, cronOf(t, "0 0 13 * FRI", ""), "2026-11-01 00:00:00", "2026-11-21 00:00:00")
	if diff := cmp.Diff([]string{"06 00:00", "13 00:00", "20 00:00"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestDue(t *testing.T) {
	minutely, every := cronOf(t, "* * * * *", ""), &Schedule{every: 10 * time.Second}
	last := instant(t, "2026-11-25 10:00:00")
	for name, c := range map[string]struct {
		s       *Schedule
		misfire cluster.Misfire
		late    time.Duration
		want    []string // instants after last
		missed  int
		newLast string
		next    string
	}{
		"nothing yet":        {minutely, "", 59 * time.Second, nil, 0, "0s", "1m0s"},
		"on the instant":     {minutely, "", time.Minute, []string{"1m0s"}, 0, "1m0s", "2m0s"},
		"late, not too late": {minutely, "", 90 * time.Second, []string{"1m0s"}, 0, "1m0s", "2m0s"},
		"every":              {every, "", 35 * time.Second, []string{"10s", "20s", "30s"}, 0, "30s", "40s"},
		"too late, skip":     {minutely, cluster.MisfireSkip, 5 * time.Minute, []string{"5m0s"}, 4, "5m0s", "6m0s"},
		"too late, once":     {minutely, cluster.MisfireOnce, 5*time.Minute + time.Second, []string{"4m0s", "5m0s"}, 3, "5m0s", "6m0s"},
		"too late, all":      {minutely, cluster.MisfireAll, 4 * time.Minute, []string{"1m0s", "2m0s", "3m0s", "4m0s"}, 0, "4m0s", "5m0s"},
		"a year, all":        {every, cluster.MisfireAll, 365 * 24 * time.Hour, nil, MaxCounted - cluster.MaxMisfires, "8760h0m0s", "8760h0m10s"},
		"the clock is wrong": {minutely, "", -time.Hour, nil, 0, "0s", "1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			d := c.s.At(last, last.Add(c.late), c.misfire, false, never)
			var got []string
			for _, at := range slices.Concat(d.Late, d.Fire) {
				got = append(got, at.Sub(last).String())
			}
			if name == "a year, all" {
				if len(got) != cluster.MaxMisfires+6 {
					t.Errorf("%d fire: %v", len(got), got)
				}
				got = nil
			}
			if diff := cmp.Diff(c.want, got); diff != "" || d.Missed != c.missed || d.Last.Sub(last).String() != c.newLast || d.Next.Sub(last).String() != c.next {
				t.Errorf("fire %v, missed %d, last %v, next %v\n%s", got, d.Missed, d.Last.Sub(last), d.Next.Sub(last), diff)
			}
		})
	}
	d := every.At(last, last.Add(25*time.Second), cluster.MisfireAll, true, never)
	if diff := cmp.Diff([][]time.Time{{last.Add(10 * time.Second)}, {last.Add(20 * time.Second)}}, [][]time.Time{d.Late, d.Fire}); diff != "" {
		t.Errorf("of two that are due the newer one does not go first: %s", diff)
	}
	yearly := cronOf(t, "0 0 1 1 *", "")
	if d := yearly.At(instant(t, "2020-01-01 00:00:00"), instant(t, "2026-11-25 00:00:00"), cluster.MisfireAll, false, never); len(d.Late) != 6 {
		t.Errorf("six years late: %v", d.Late)
	}
}

// A schedule fires each instant exactly once, no matter when it is asked.
func TestEachInstantOnce(t *testing.T) {
	for name, s := range map[string]*Schedule{"cron": cronOf(t, "*/2 * * * *", "Europe/Berlin"), "every": {every: time.Minute, phase: 17 * time.Second}} {
		last := instant(t, "2026-10-24 22:00:00")
		now, end := last, last.Add(8*time.Hour)
		var got []time.Time
		for i := time.Duration(1); now.Before(end); i++ {
			now = now.Add(i * 7919 % 61 * time.Second)
			d := s.At(last, now, cluster.MisfireSkip, false, never)
			got, last = append(got, d.Fire...), d.Last
		}
		want := s.between(instant(t, "2026-10-24 22:00:00"), now, 1<<30)
		if diff := cmp.Diff(want, got); diff != "" || len(got) < 200 {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Tasks with the same interval do not all fire at the same instant, unless their phases are equal. The instants at
// which a task fires depend only on its declaration.
func TestPhase(t *testing.T) {
	const tasks, every = 300, time.Minute
	at := map[time.Time]int{}
	for i := range tasks {
		spec := cluster.TaskSpec{Name: fmt.Sprintf("task%d", i), WorkName: "w", Every: cluster.Duration(every)}
		s, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		began := instant(t, "2026-11-25 10:17:31")
		next := s.Next(began)
		if wait := next.Sub(began); wait <= 0 || wait > every {
			t.Fatalf("%s fires %v after it was declared", spec.Name, wait)
		}
		if again := s.Next(began.Add(-40 * time.Hour)); next.Sub(again)%every != 0 {
			t.Fatalf("%s fires at %v and at %v", spec.Name, again, next)
		}
		at[next]++
		spec.Phase = cluster.PhaseOf(0)
		s, err = Parse(spec)
		if err != nil || !s.Next(began).Equal(instant(t, "2026-11-25 10:18:00")) {
			t.Fatalf("without a phase it fires at %v, %v", s.Next(began), err)
		}
	}
	most := 0
	for _, n := range at {
		most = max(most, n)
	}
	if len(at) < 55 || most > 15 {
		t.Errorf("%d tasks fire at %d instants, %d of them at one", tasks, len(at), most)
	}
	// These are the same in every version of this program: other values would move firings.
	for name, want := range map[string]string{"nightly": "every 1h0m0s, phase 6m11s", "a": "every 1h0m0s, phase 57m53s"} {
		if got := Name(cluster.TaskSpec{Name: name, Every: cluster.Duration(time.Hour)}); got != want {
			t.Errorf("%s: %s; want %s", name, got, want)
		}
	}
	weekly, err := Parse(cluster.TaskSpec{Name: "n", Every: cluster.Duration(7 * 24 * time.Hour), Phase: cluster.PhaseOf(10 * time.Minute)})
	if want := instant(t, "2026-11-30 00:10:00"); err != nil || !weekly.Next(instant(t, "2026-11-25 10:17:31")).Equal(want) {
		t.Errorf("a week is not counted from Monday: %v", err)
	}
}

// A phase requires an interval, and is less than it.
func TestPhaseMistakes(t *testing.T) {
	for want, phase := range map[string]time.Duration{
		"phase: 1m0s is not between 0s and less than every, which is 1m0s": time.Minute,
		"phase: -1s is not between":                                        -time.Second,
		"phase: 1.5s is not in whole seconds":                              1500 * time.Millisecond,
		"phase: requires every":                                            0,
	} {
		spec := cluster.TaskSpec{Name: "n", WorkName: "w", WorkerNum: 1, Every: cluster.Duration(time.Minute), Phase: cluster.PhaseOf(phase)}
		if phase == 0 {
			spec.Every, spec.Schedule = 0, "* * * * *"
		}
		if err := Validate(spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
	if err := Validate(cluster.TaskSpec{Name: "n", WorkName: "w", WorkerNum: 1, Every: cluster.Duration(time.Minute), Phase: cluster.PhaseOf(59 * time.Second)}); err != nil {
		t.Error(err)
	}
}
