package render

import (
	"testing"
	"time"
)

// Every form of a time that a person gives is read: the zone is that of the machine unless one is said, and an hour that is
// still to come is yesterday's.
func TestParseTime(t *testing.T) {
	zone := time.FixedZone("HERE", 2*60*60)
	now := time.Date(2026, 11, 29, 10, 0, 0, 0, zone)
	at := func(day, hour, minute, second int) time.Time {
		return time.Date(2026, 11, day, hour, minute, second, 0, zone)
	}
	const second = time.Second - time.Nanosecond
	for text, want := range map[string]struct {
		at   time.Time
		unit time.Duration
	}{
		"10m":                     {at(29, 9, 50, 0), 0},
		"-10m":                    {at(29, 9, 50, 0), 0},
		"10m ago":                 {at(29, 9, 50, 0), 0},
		"0s":                      {now, 0},
		"08:37:42":                {at(29, 8, 37, 42), second},
		"08:37":                   {at(29, 8, 37, 0), 0},
		"08:37:42.500":            {at(29, 8, 37, 42).Add(500 * time.Millisecond), 0},
		"10:00:30":                {at(29, 10, 0, 30), second}, // a clock that is ahead
		"23:59:58":                {at(28, 23, 59, 58), second},
		"2026-11-28 08:37:42":     {at(28, 8, 37, 42), second},
		"2026-11-28 08:37:42.500": {at(28, 8, 37, 42).Add(500 * time.Millisecond), 0},
		"2026-11-28 08:37":        {at(28, 8, 37, 0), 0},
		"2026-11-28":              {at(28, 0, 0, 0), 0},
		"2026-11-28T08:37:42":     {at(28, 8, 37, 42), second},
		"2026-11-28T08:37:42Z":    {at(28, 10, 37, 42), 0},
		"2026-11-28 08:37:42 UTC": {at(28, 10, 37, 42), second},
	} {
		got, end, err := ParseTime(text, now)
		if err != nil || !got.Equal(want.at) || !end.Equal(want.at.Add(want.unit)) {
			t.Errorf("%q: %v to %v, %v; want %v and %v of it", text, got, end, err, want.at, want.unit)
		}
	}
	for _, text := range []string{"", "yesterday", "5", "25:00:00", "2026-13-01", "ago", "2026-11-28 08:37:42 XYZ"} {
		if got, _, err := ParseTime(text, now); err == nil {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
}

// What is printed of a time is read as the same time.
func TestPrintedTimesAreRead(t *testing.T) {
	now := time.Date(2026, 11, 29, 10, 0, 0, 0, time.FixedZone("HERE", 2*60*60))
	for _, ago := range []time.Duration{0, time.Second, 3 * time.Hour, 11 * time.Hour, 17 * time.Hour, 40 * 24 * time.Hour} {
		for _, fraction := range []string{"", ".000"} {
			want := now.Add(-ago)
			text := timeAt(want.UTC(), now, fraction)
			if got, _, err := ParseTime(text, now); err != nil || !got.Equal(want) {
				t.Errorf("%v is printed as %q, which is read as %v, %v", want, text, got, err)
			}
		}
	}
	if got, want := timeAt(now.Add(-11*time.Hour), now, ""), "2026-11-28 23:00:00"; got != want {
		t.Errorf("a time of yesterday is printed as %q; want %q", got, want)
	}
}
