package follower

import (
	"fmt"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
)

// How long a departure may take before it is told what it waits for, and until that is told again.
const (
	leavePatience = 1500 * time.Millisecond
	leaveTell     = 10 * time.Second
)

// waitsFor names some of the workers that a departure waits for, and how long the last of them may take.
func waitsFor(running map[cluster.Slot]cluster.Report) (names string, left time.Duration) {
	const most = 5
	slots := only(running, func(*cluster.Report) bool { return true })
	for i, slot := range slots {
		r := running[slot]
		left = max(left, r.Grace-time.Since(r.Since))
		switch {
		case i == most:
			names += fmt.Sprintf(" and %d more", len(slots)-most)
		case i < most:
			names = strings.TrimPrefix(names+" "+slot.String(), " ")
		}
	}
	return names, left.Round(time.Second)
}
