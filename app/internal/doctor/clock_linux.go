package doctor

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// clock looks at whether this machine's clock is kept right: nothing is decided by it, but schedules fire and logs
// are read by it.
func (d *doctor) clock() {
	var t unix.Timex
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		d.report("clock", warning, "it cannot be asked whether the clock is kept right: "+err.Error(), "")
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		d.report(
			"clock",
			warning,
			"nothing keeps this machine's clock right",
			"run chrony or systemd-timesyncd: schedules fire by the leader's clock",
		)
	default:
		d.report("clock", fine, fmt.Sprintf("kept right, within %v", time.Duration(t.Maxerror)*time.Microsecond), "")
	}
}
