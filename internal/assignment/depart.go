package assignment

import (
	"time"

	"gitee.com/ken.yang/xconsumer/internal/schema"
	"gitee.com/ken.yang/xconsumer/internal/view"
)

// When nodes leave one soon after the other, what one leaves behind would go to those that leave next, and so on. The work of the
// first one is given away at once. What the others leave behind waits until nobody has left for a moment (quiet, or gatherMany
// where more than a few have), and is then dealt out to those that stay. No member's waits for longer than maxHold, however many
// follow it: a stream of nodes that leave need not end.
const departFew = 4

// Departures is what a leader remembers of nodes that leave on purpose one soon after the other.
type Departures struct {
	// Known are the members that leave or have left, as long as they are there, and since when nothing runs on them; 0 for those
	// on which something does.
	Known map[string]time.Duration
	Count int           // of this burst
	Last  time.Duration // when the last one was first seen
}

// end returns when the burst is over if nobody else leaves.
func (w *Departures) end() time.Duration {
	if w.Count > departFew {
		return w.Last + gatherMany
	}
	return w.Last + quiet
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
	known := map[string]time.Duration{}
	fresh := 0
	for _, guid := range d.guids {
		ended := d.fates[guid] == buried && closedClean(d.Snapshot.Peers[guid])
		if !ended && d.fates[guid] != leaves {
			continue
		}
		since, seen := w.Known[guid]
		if !seen {
			fresh++
		}
		if ended && since == 0 {
			since = d.Now
		}
		known[guid] = since
	}
	w.Known = known
	if fresh > 0 {
		if d.Now > w.end() {
			w.Count = 0
		}
		w.Last, w.Count = d.Now, w.Count+fresh
	}
	if w.Count < 2 {
		return
	}
	for guid, since := range known {
		if until := min(w.end(), since+maxHold); d.fates[guid] == buried && d.Now < until && !d.back(guid) {
			d.fates[guid] = waits
			d.wake(until)
		}
	}
}
