package coord_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"gitee.com/ken.yang/xconsumer/coord"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRenewals(t *testing.T) {
	type write struct{ sent, answered, base float64 } // seconds
	for _, c := range []struct {
		name   string
		writes []write
	}{
		{"steadily, the previous one counts", []write{{2, 2.1, 0}, {4, 4.1, 2}, {6, 6.1, 4}}},
		{"one that follows too soon counts for nothing", []write{{2, 2.1, 0}, {3, 3.1, 0}, {3.3, 3.4, 2}}},
		{"a gap is over with the second after it", []write{{2, 2.1, 0}, {15, 15.1, 2}, {16.3, 16.4, 15}}},
		// The first one was delayed by 8 s: its server has heard of the session just now.
		{"one that was held up is not confirmed at once", []write{{2, 2.1, 0}, {4, 12, 2}, {12.001, 12.1, 2}, {13.2, 13.3, 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
			r := coord.Renewals{Spacing: 1200 * time.Millisecond}
			r.Begin(0, at(0.1))
			for _, w := range c.writes {
				if base := r.Renewed(at(w.sent), at(w.answered)); base != at(w.base) {
					t.Errorf("after the write of %v: base %v; want %v", at(w.sent), base, at(w.base))
				}
			}
		})
	}
}
