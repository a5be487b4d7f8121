package schedule

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// zoneOf returns a time zone. Where there are none at all the error says so: a name that is right would else be taken for
// a wrong one. A program brings zones of its own with package time/tzdata. This one leaves that to whoever links it, for
// it takes half a megabyte.
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
		return nil, fmt.Errorf("timeZone: %q cannot be looked up: the program has no time zone database, and finds none %s; "+
			"import _ \"time/tzdata\" in its main package, or install the system's package tzdata", name, where)
	case !strings.Contains(err.Error(), "unknown time zone"):
		return nil, fmt.Errorf("timeZone: %q cannot be read: %w", name, err)
	}
	return nil, fmt.Errorf("timeZone: %q is no time zone; name one as in \"Europe/Berlin\" or \"UTC\"", name)
}

// anyZones reports whether there is a time zone database: each has at least one of these.
func anyZones() bool {
	return slices.ContainsFunc([]string{"Etc/UTC", "Europe/London", "America/New_York"}, func(name string) bool {
		_, err := time.LoadLocation(name)
		return err == nil
	})
}
