package schedule

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// zoneOf returns a time zone. If there is no time zone database at all, the error says so: otherwise a valid name would
// be taken for a wrong one. A program can include zones with package time/tzdata. This package leaves that to the
// program, since it takes half a megabyte.
func zoneOf(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	switch {
	case name == "Local" || err != nil && strings.Contains(err.Error(), "invalid location name"):
	case err == nil:
		return location, nil
	case !anyZones():
		where := "on its machine"
		if at := os.Getenv("ZONEINFO"); at != "" {
			where += " or at ZONEINFO=" + at
		}
		return nil, wrongZone("%q cannot be looked up: the program has no time zone database, and finds none %s; "+
			"import _ \"time/tzdata\" in its main package, or install the system's package tzdata", name, where)
	case !strings.Contains(err.Error(), "unknown time zone"):
		return nil, wrongZone("%q cannot be read: %w", name, err)
	}
	return nil, wrongZone("invalid time zone %q; name one as in \"Europe/Berlin\" or \"UTC\"", name)
}

func wrongZone(format string, args ...any) error {
	return &cluster.FieldError{Field: "timeZone", Err: fmt.Errorf(format, args...)}
}

// anyZones reports whether there is a time zone database: each has at least one of these.
func anyZones() bool {
	return slices.ContainsFunc([]string{"Etc/UTC", "Europe/London", "America/New_York"}, func(name string) bool {
		_, err := time.LoadLocation(name)
		return err == nil
	})
}

// period is a stretch of time in which the clock of a zone is not changed.
type period struct {
	start, end     time.Time     // the first instant and that after the last one; zero without a change before or after it
	offset, former time.Duration // by how much the clock is ahead of UTC, and was before start
}

// periodOf returns the period that contains an instant, for the zone of the instant.
func periodOf(at time.Time) period {
	p := period{offset: offsetOf(at)}
	p.start, p.end = at.ZoneBounds()
	p.former = p.offset
	if !p.start.IsZero() {
		p.former = offsetOf(p.start.Add(-time.Nanosecond))
	}
	return p
}

func offsetOf(at time.Time) time.Duration {
	_, seconds := at.Zone()
	return time.Duration(seconds) * time.Second
}

// instantOf returns when a clock that is ahead of UTC by an offset shows a time, the zero time if there is none to show.
func instantOf(shown time.Time, offset time.Duration) time.Time {
	if shown.IsZero() {
		return shown
	}
	return shown.Add(-offset)
}
