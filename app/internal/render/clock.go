package render

import (
	"fmt"
	"strings"
	"time"
)

// Time writes a time for people: only the hour if it is today, otherwise also the day. ParseTime reads what it writes.
func Time(at time.Time) string { return timeAt(at, time.Now(), "") }

// TimeMilli is Time with milliseconds.
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

// maxAhead is how far in the future an hour may be and still mean today, because the clocks of machines differ.
const maxAhead = time.Minute

// ParseTime reads a time: how long ago it is, as "10m", "-10m" or "10m ago"; an hour of today, or of yesterday if it is still to
// come; or a day and an hour. The time zone is that of now unless the text has one. Every time that a command prints can be
// read. end is the last instant that the text can mean: for a time to the second, the end of that second.
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
			if at.After(now.Add(maxAhead)) {
				at = at.AddDate(0, 0, -1)
			}
			return at, at.Add(unit), nil
		}
	}
	for _, layout := range []string{
		time.DateTime, "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", time.DateOnly, time.DateTime + " MST",
	} {
		at, err := time.ParseInLocation(layout, text, now.Location())
		if zone := at.Location(); err == nil && (zone == now.Location() || zone == time.UTC) { // otherwise this machine does not have the zone
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
