package render

import (
	"fmt"
	"strings"
	"time"
)

// Time writes a time for people: of today only the hour, else the day, too. What it writes parseTime reads.
func Time(at time.Time) string { return timeAt(at, time.Now(), "") }

// TimeMilli is clock with milliseconds.
func TimeMilli(at time.Time) string { return timeAt(at, time.Now(), ".000") }

func timeAt(at, now time.Time, fraction string) string {
	if at.IsZero() {
		return ""
	}
	at = at.In(now.Location())
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format(time.TimeOnly + fraction)
	}
	return at.Format(time.DateTime + fraction)
}

// soon is how far ahead an hour may be that is meant to be of today: clocks of machines differ.
const soon = time.Minute

// ParseTime reads what a person gives for a time: how long ago it is, as "10m", "-10m" or "10m ago"; an hour, which is of
// today, or of yesterday if it is still to come; or a day and an hour. Both are of now's time zone unless they say one. All
// that commands print of times can be given back. end is the last instant of what is meant: of a time that is given to
// the second, the end of that second.
func ParseTime(text string, now time.Time) (at, end time.Time, err error) {
	if ago, ok := agoOf(text); ok {
		return now.Add(-ago), now.Add(-ago), nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, at, nil
	}
	unit := time.Duration(0)
	if !strings.Contains(text, ".") && strings.Count(text, ":") == 2 {
		unit = time.Second - time.Nanosecond
	}
	for _, layout := range []string{time.TimeOnly, "15:04"} {
		if of, err := time.Parse(layout, text); err == nil {
			at := time.Date(now.Year(), now.Month(), now.Day(), of.Hour(), of.Minute(), of.Second(), of.Nanosecond(), now.Location())
			if at.After(now.Add(soon)) {
				at = at.AddDate(0, 0, -1)
			}
			return at, at.Add(unit), nil
		}
	}
	for _, layout := range []string{
		time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly, time.DateTime + " MST",
	} {
		at, err := time.ParseInLocation(layout, text, now.Location())
		if zone := at.Location(); err == nil && (zone == now.Location() || zone == time.UTC) { // else the zone is not known here
			return at, at.Add(unit), nil
		}
	}
	return at, end, fmt.Errorf("invalid time %q (want 15:04:05, 2006-01-02 15:04:05, 2006-01-02T15:04:05Z or a duration such as 10m)", text)
}

// agoOf reads how long ago something is.
func agoOf(text string) (time.Duration, bool) {
	text = strings.TrimSpace(strings.TrimSuffix(text, "ago"))
	d, err := time.ParseDuration(strings.TrimPrefix(text, "-"))
	return d, err == nil && d >= 0
}
