package membership

import (
	"context"
	"fmt"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/internal/schema"
)

// Clocks of machines are compared for people alone: schedules fire by the leader's, and nothing else would show that it is wrong. No
// decision rests on what is found here. A heartbeat contains its sender's clock, and a reader of two of them can bound by
// how much that is ahead of its own, without any other source: the first was stamped before the answer that it
// came in arrived, and the second, if there was another one between them, after the first one was asked for. So the bounds
// are as far apart as the two readings, plus what a server of the service lags behind.

// ApartAbove is from which difference on clocks are apart.
const ApartAbove = 2 * time.Second

// Sighting is a heartbeat as read, and the reader's clock before and after.
type Sighting struct {
	Version       int64
	At            time.Time // its sender's clock, zero if it does not contain it
	Before, After time.Time
}

// Apart is by how much another clock is ahead of one's own: between Low and High, negative where it is behind.
type Apart struct{ Low, High time.Duration }

// Beyond reports whether the clocks are apart for certain.
func (a Apart) Beyond() bool { return a.Low > ApartAbove || a.High < -ApartAbove }

// String says so in words, as what follows "its clock is".
func (a Apart) String() string {
	low, high, where := a.Low, a.High, "ahead of"
	if a.High <= 0 {
		low, high, where = -a.High, -a.Low, "behind"
	} else if a.Low < 0 {
		return fmt.Sprintf("between %v behind and %v ahead of", (-a.Low).Round(100*time.Millisecond), a.High.Round(100*time.Millisecond))
	}
	return fmt.Sprintf("%v to %v %s", low.Round(100*time.Millisecond), high.Round(100*time.Millisecond), where)
}

// Compare bounds by how much the clock of the writer of two heartbeats is ahead of that of their reader, who read them one after
// the other. It reports false if they do not show that: no heartbeat lies between them, or their sender is of an earlier version.
func Compare(first, second Sighting) (Apart, bool) {
	if first.At.IsZero() || second.At.IsZero() || second.Version < first.Version+2 {
		return Apart{}, false
	}
	a := Apart{Low: max(first.At.Sub(first.After), second.At.Sub(second.After)), High: second.At.Sub(first.Before)}
	return a, a.Low <= a.High // else a clock was set meanwhile
}

// See reads a member's heartbeat. The clock is the wall clock: monotonic readings are of no use to others.
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

// Between is for how long to wait between two sightings, so that another heartbeat lies between them.
func (t LeaseParams) Between() time.Duration { return 2*t.HeartbeatInterval + t.HeartbeatInterval/4 }
