package membership

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Clocks of machines are compared only for operators: schedules fire by the leader's clock, and nothing else would show that it
// is wrong. No decision depends on the result. A heartbeat contains its sender's clock, so a reader of two heartbeats can bound
// the difference to its own clock without another source: the first was stamped before the answer that contained it arrived,
// and the second, if there was another one between them, after the first one was requested. So the bounds are as far apart as
// the two readings, plus the delay of a server that lags behind.

// ApartAbove is the difference above which clocks count as apart.
const ApartAbove = 2 * time.Second

// Sighting is a heartbeat as it was read, with the reader's clock before and after.
type Sighting struct {
	Version       int64
	At            time.Time // its sender's clock, zero if absent
	Before, After time.Time
}

// Apart is how far another clock is ahead of this one: between Low and High. Negative values mean behind.
type Apart struct{ Low, High time.Duration }

// Beyond reports whether the clocks are apart for certain.
func (a Apart) Beyond() bool { return a.Low > ApartAbove || a.High < -ApartAbove }

// String returns the difference in words that complete "its clock is".
func (a Apart) String() string {
	low, high, where := a.Low, a.High, "ahead of"
	if a.High <= 0 {
		low, high, where = -a.High, -a.Low, "behind"
	} else if a.Low < 0 {
		return fmt.Sprintf("between %v behind and %v ahead of", (-a.Low).Round(100*time.Millisecond), a.High.Round(100*time.Millisecond))
	}
	return fmt.Sprintf("%v to %v %s", low.Round(100*time.Millisecond), high.Round(100*time.Millisecond), where)
}

// Compare bounds how far the clock of the writer of two heartbeats is ahead of the clock of their reader, who read them one after
// the other. It returns false if they do not show that: no heartbeat lies between them, or the sender is of an earlier version.
func Compare(first, second Sighting) (Apart, bool) {
	if first.At.IsZero() || second.At.IsZero() || second.Version < first.Version+2 {
		return Apart{}, false
	}
	a := Apart{Low: max(first.At.Sub(first.After), second.At.Sub(second.After)), High: second.At.Sub(first.Before)}
	return a, a.Low <= a.High // otherwise a clock was set meanwhile
}

// See reads a member's heartbeat. The clock is the wall clock: other machines cannot use monotonic readings.
func See(ctx context.Context, s coord.Session, keys schema.Keys, memberID string) (Sighting, error) {
	before := time.Now().UTC().Round(0)
	r, err := s.Get(ctx, keys.Heartbeat(memberID))
	after := time.Now().UTC().Round(0)
	if err != nil {
		return Sighting{}, err
	}
	var beat schema.Heartbeat
	if err := schema.Decode(keys.Heartbeat(memberID), r, &beat); err != nil {
		return Sighting{}, err
	}
	return Sighting{Version: r.Version, At: beat.At, Before: before, After: after}, nil
}

// Between is how long to wait between two sightings, so that another heartbeat lies between them.
func (t LeaseParams) Between() time.Duration { return 2*t.HeartbeatInterval + t.HeartbeatInterval/4 }
