package membership_test

import (
	"testing"
	"time"

	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// Two heartbeats bound by how much the clocks of their sender and their reader are apart, whatever the delays; and clocks
// that are less than the bound apart are never called so.
func TestClocksAreCompared(t *testing.T) {
	noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	const beat, trip = 2 * time.Second, 300 * time.Millisecond
	for _, off := range []time.Duration{-90 * time.Second, -7 * time.Second, -time.Second, 0, time.Second, 5 * time.Second, 90 * time.Second} {
		for age := time.Duration(0); age <= beat; age += 250 * time.Millisecond {
			// Really the first was stamped at noon, and is read so long after; the next two follow each other.
			see := func(version int64, stamped, read time.Duration) membership.Sighting {
				return membership.Sighting{Version: version, At: noon.Add(stamped + off), Before: noon.Add(read), After: noon.Add(read + trip)}
			}
			first := see(7, 0, age)
			a, known := membership.Compare(first, see(9, 2*beat, 2*beat+age))
			if !known || a.Low > off || a.High < off || a.High-a.Low > 2*beat+2*trip {
				t.Fatalf("a clock %v ahead is taken for one %v to %v ahead, %v", off, a.Low, a.High, known)
			}
			if a.Beyond() && off.Abs() <= membership.ApartAbove {
				t.Errorf("%v is called apart: %v", off, a)
			}
			if off.Abs() >= 7*time.Second && !a.Beyond() {
				t.Errorf("%v is not called apart: %v", off, a)
			}
			if _, known := membership.Compare(first, see(8, beat, beat+age)); known {
				t.Error("a heartbeat that may have been stamped before the first one was read bounds something")
			}
		}
	}
	silent := membership.Sighting{Version: 7, Before: noon, After: noon}
	if _, known := membership.Compare(silent, membership.Sighting{Version: 9, At: noon, Before: noon, After: noon}); known {
		t.Error("a heartbeat that tells no clock bounds something")
	}
	for want, a := range map[string]membership.Apart{
		"1m26s to 1m30s ahead of":             {Low: 86 * time.Second, High: 90 * time.Second},
		"1m26s to 1m30s behind":               {Low: -90 * time.Second, High: -86 * time.Second},
		"between 1.5s behind and 2s ahead of": {Low: -1500 * time.Millisecond, High: 2 * time.Second},
	} {
		if a.String() != want {
			t.Errorf("%q; want %q", a, want)
		}
	}
}
