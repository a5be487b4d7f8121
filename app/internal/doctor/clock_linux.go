package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clock checks whether this machine's clock is synchronized. No assignment depends on it, but schedules and the times in
// logs do.
func (d *doctor) clock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		d.report("clock", warning, "cannot read the synchronization state of the clock: "+err.Error(), "")
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		d.report(
			"clock",
			warning,
			"this machine's clock is not synchronized",
			"run chrony or systemd-timesyncd: schedules fire by the leader's clock",
		)
	default:
		d.report("clock", fine, fmt.Sprintf("synchronized, within %v", time.Duration(t.Maxerror)*time.Microsecond), "")
	}
}
