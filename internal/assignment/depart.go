package assignment

import (
	"time"

	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// When nodes leave one soon after the other, what one leaves behind would go to those that leave next, and so on. The work of the
// first one is given away at once. What the others leave behind waits until nobody has left for a moment (quiet, or gatherMany
// where more than a few have), for maxHold at most, and is then dealt out to those that stay.
const departFew = 4

// Departures is what a leader remembers of nodes that leave on purpose one soon after the other.
type Departures struct {
	Known map[string]bool // members that leave or have left, as long as they are there
	Count int             // of this burst
	Last  time.Duration   // when the last one was first seen
	Held  time.Duration   // since when what they leave behind waits, 0 if it does not
}

// closedClean reports whether a member left on purpose and says that nothing of it runs.
func closedClean(p *view.Peer) bool {
	var closed *schema.Closed
	if p.Doc.Rec != nil {
		closed = p.Doc.Rec.Closed
	}
	return closed != nil && closed.Clean
}

// emptyTogether lets the slots of nodes that left wait while others follow them. Who is back under its name is not
// waited with.
func (d *decider) emptyTogether() {
	w := &d.out.Waits.Departures
	known := map[string]bool{}
	fresh := 0
	for _, guid := range d.guids {
		if f := d.fates[guid]; f == leaves || f == buried && closedClean(d.Snapshot.Peers[guid]) {
			known[guid] = true
			if !w.Known[guid] {
				fresh++
			}
		}
	}
	w.Known = known
	if fresh > 0 {
		if d.Now > w.Last+quiet {
			w.Count = 0
		}
		if w.Last, w.Count = d.Now, w.Count+fresh; w.Count > 1 && w.Held == 0 {
			w.Held = d.Now
		}
	}
	if w.Held == 0 {
		return
	}
	pause := quiet
	if w.Count > departFew {
		pause = gatherMany
	}
	until := min(w.Last+pause, w.Held+maxHold)
	if d.Now >= until {
		w.Held = 0
		return
	}
	for guid := range known {
		if d.fates[guid] == buried && !d.back(guid) {
			d.fates[guid] = waits
			d.wake(until)
		}
	}
}
